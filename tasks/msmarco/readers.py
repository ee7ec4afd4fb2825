"""From files to queries: joined candidates, or first-stage lists with the qrels beside them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import NamedTuple, TypeVar

from listeval import DataFile, UserError, fingerprint, rows

from .forms import Form, Found, Hit, Row, known_forms, recognise
from .passages import Passage, Query
from .qrels import Qrels, counts

T = TypeVar("T")


class Listing(NamedTuple):
    """One file of lists and, where it holds a single first-stage run, the name of that run."""

    file: DataFile
    run: str


class Reading(NamedTuple):
    """The queries that have human grades, how many lists had none, and what was read."""

    queries: list[Query]
    unjudged: int
    source: str
    fingerprint: str


def read(listings: Sequence[Listing], qrels: Qrels, judges: Sequence[DataFile], source: str) -> Reading:
    """Queries in the order of the files; lists of one query in several files are joined.

    `qrels` is what the files `judges` say. Raises UserError with the line for a row that cannot
    be read or says something else than another row or the qrels, and where no candidate has a grade.
    """
    drafts: dict[str, _Draft] = {}
    ungraded: list[tuple[Found, str, str]] = []
    for listing in listings:
        places: dict[str, str] = {}
        for place, row in rows(listing.file):
            form, found = _found(row, listing.run, place)
            if places.setdefault(found.qid, place) != place:
                raise _bad(f"query {found.qid} stands twice, first at {places[found.qid]}", place)
            split = found.split or _split(listing.file.name)
            grades = qrels.get(found.qid)
            if grades is None and not form.has_grades:
                # Another file, a later one perhaps, may hold the grades of this query.
                ungraded.append((found, split, place))
                continue
            drafts.setdefault(found.qid, _Draft(found.qid)).add(found, split, grades or {}, place)
    for found, split, place in ungraded:
        if found.qid in drafts:
            drafts[found.qid].add(found, split, {}, place)
    unjudged = {found.qid for found, _, _ in ungraded} - drafts.keys()
    queries = [_query(qid, draft, qrels) for qid, draft in drafts.items()]
    if not any(passage.grade is not None for query in queries for passage in query.passages.values()):
        raise _no_grades(len(queries) + len(unjudged), qrels, source)
    whole = fingerprint([*(listing.file for listing in listings), *judges])
    return Reading(queries, len(unjudged), source, whole)


@dataclass
class _Draft:
    """A query while its lists are read; `runs` holds docids by rank.

    `places` says where a thing that is known was said first: by its name, then by docid, empty for the query's own.
    """

    qid: str
    text: str = ""
    split: str = ""
    passages: dict[str, Passage] = field(default_factory=dict)
    runs: dict[str, dict[int, str]] = field(default_factory=dict)
    judged: Mapping[int, int] = field(default_factory=dict)
    places: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, found: Found, split: str, grades: dict[str, int], place: str) -> None:
        """Take over what a row found.

        Raises UserError for a passage or a place that stands twice in one run, and for what contradicts another row
        or the `grades` of the qrels.
        """
        self.text = self._agreed("text", self.text or None, found.text, place)
        if split:
            self.split = self._agreed("split", self.split or None, split, place)
        if found.judged is not None:
            self.judged = self._agreed("qrels_by_grade", self.judged or None, found.judged, place)
        seen: set[str] = set()
        for hit in found.hits:
            if hit.docid in seen:
                raise _bad(f"passage {hit.docid} stands twice in the list of query {found.qid}", place)
            seen.add(hit.docid)
            self._add(hit, grades.get(hit.docid), place)

    def _add(self, hit: Hit, judged: int | None, place: str) -> None:
        if not hit.text:
            raise _bad(f"passage {hit.docid} has no text", place)
        known = self.passages.get(hit.docid)
        text = self._agreed("text", known and known.text, hit.text, place, hit.docid)
        grade = known.grade if known else None
        for said, where in ((judged, "the qrels"), (hit.grade, place)):
            if said is not None:
                grade = self._agreed("grade", grade, said, where, hit.docid)
        self.passages[hit.docid] = Passage(hit.docid, text, grade)
        for run, rank in hit.ranks.items():
            if self.runs.setdefault(run, {}).setdefault(rank, hit.docid) != hit.docid:
                raise _bad(f"two passages have rank {rank} in the run {run}", place)

    def _agreed(self, what: str, known: T | None, said: T, place: str, docid: str = "") -> T:
        """What a row says, where nothing or the same is known. Raises UserError where that is something else."""
        if known is None:
            self.places[what][docid] = place
        elif known != said:
            name = f"{what} of passage {docid}" if docid else what
            raise _bad(f"query {self.qid} has another {name} than in {self.places[what][docid]}", place)
        return said


def _query(qid: str, draft: _Draft, qrels: Qrels) -> Query:
    runs = {run: [docid for _, docid in sorted(ranks.items())] for run, ranks in draft.runs.items()}
    judged = draft.judged
    if qid in qrels:
        judged = counts(qrels[qid])
    elif not judged:
        judged = counts({p.docid: p.grade for p in draft.passages.values() if p.grade is not None})
    return Query(qid, draft.text, draft.split, draft.passages, runs, judged)


def _found(row: Row, run: str, place: str) -> tuple[Form, Found]:
    form = recognise(row)
    if form is None:
        fields = ", ".join(map(str, list(row)[:12])) or "none"
        raise UserError(f"unknown fields: {fields}", place=place, fix=f"known forms are {known_forms()}")
    try:
        return form, form.read(row, run)
    except KeyError as error:
        cause = f"the field {error} is missing"
        raise UserError(cause, place=place, fix=f"every row of the form '{form.name}' needs it") from None
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise _bad(f"not a row of the form '{form.name}': {error}", place) from None


def _split(name: str) -> str:
    """`dl19` of `qrels.dl19-passage.txt`; empty where the last part of the name has no such word."""
    match = re.search(r"dl(?:20)?(\d\d)(?!\d)", PurePath(name).name.lower())
    return f"dl{match[1]}" if match else ""


def _bad(cause: str, place: str) -> UserError:
    return UserError(cause, place=place, fix="correct or remove the row")


def _no_grades(lists: int, qrels: Qrels, source: str) -> UserError:
    if qrels:
        cause = f"none of the {lists} queries has a passage that the qrels judge ({_few(qrels)})"
        return UserError(cause, place=source, fix="give qrels and lists of the same queries and collection")
    cause = f"none of the {lists} queries has a judged passage"
    return UserError(cause, place=source, fix="put qrels.*.txt beside the lists, or give candidates with 'rel'")


def _few(qids: Iterable[str]) -> str:
    some = sorted(qids)
    return f"qids {', '.join(some[:3])}{', ...' if len(some) > 3 else ''}"
