"""From files to queries: joined candidates, or first-stage lists with the qrels beside them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import NamedTuple

from listeval import DataFile, UserError, fingerprint, rows

from .forms import Form, Found, Hit, Row, known_forms, recognise
from .passages import Passage, Query
from .qrels import Qrels, counts


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
    be read, and where no candidate has a grade.
    """
    drafts: dict[str, _Draft] = {}
    unjudged: set[str] = set()
    for listing in listings:
        places: dict[str, str] = {}
        for place, row in rows(listing.file):
            form, found = _found(row, listing.run, place)
            if places.setdefault(found.qid, place) != place:
                raise _bad(f"query {found.qid} stands twice, first at {places[found.qid]}", place)
            grades = qrels.get(found.qid)
            if grades is None and not form.has_grades:
                unjudged.add(found.qid)
                continue
            split = found.split or _split(listing.file.name)
            draft = drafts.setdefault(found.qid, _Draft(found.text, split))
            draft.add(found, grades or {}, place)
    queries = [_query(qid, draft, qrels) for qid, draft in drafts.items()]
    if not any(passage.grade is not None for query in queries for passage in query.passages.values()):
        raise _no_grades(len(queries) + len(unjudged), qrels, source)
    whole = fingerprint([*(listing.file for listing in listings), *judges])
    return Reading(queries, len(unjudged), source, whole)


@dataclass
class _Draft:
    """A query while its lists are read; `runs` holds docids by rank."""

    text: str
    split: str
    passages: dict[str, Passage] = field(default_factory=dict)
    runs: dict[str, dict[int, str]] = field(default_factory=dict)
    judged: dict[int, int] = field(default_factory=dict)

    def add(self, found: Found, grades: dict[str, int], place: str) -> None:
        """Take over what a row found. Raises UserError for a passage or a place that stands twice in one run."""
        seen: set[str] = set()
        for hit in found.hits:
            if hit.docid in seen:
                raise _bad(f"passage {hit.docid} stands twice in the list of query {found.qid}", place)
            seen.add(hit.docid)
            self._add(hit, grades, place)
        if found.judged is not None:
            self.judged.update(found.judged)

    def _add(self, hit: Hit, grades: dict[str, int], place: str) -> None:
        if not hit.text:
            raise _bad(f"passage {hit.docid} has no text", place)
        grade = grades.get(hit.docid) if hit.grade is None else hit.grade
        self.passages.setdefault(hit.docid, Passage(hit.docid, hit.text, grade))
        for run, rank in hit.ranks.items():
            if self.runs.setdefault(run, {}).setdefault(rank, hit.docid) != hit.docid:
                raise _bad(f"two passages have rank {rank} in the run {run}", place)


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
