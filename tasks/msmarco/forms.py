"""Row forms: how one row of each known source becomes a query with candidates. A form is recognised by its fields.

Forms raise KeyError for a field that a row lacks and ValueError for a value that cannot be meant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from listeval import is_missing, is_missing_id, is_missing_number

from .passages import TOP_GRADE

Row = Mapping[str, Any]

_BODY = ("text", "segment", "contents", "content", "body", "passage")
"""Names of a document's text, in the order in which rank_llm looks for it."""


class Hit(NamedTuple):
    """One candidate; `ranks` gives its place in each first-stage run, from 1."""

    docid: str
    text: str
    grade: int | None
    ranks: Mapping[str, int]


class Found(NamedTuple):
    """One row: a query with candidates. `judged` is None where the row does not count the human grades."""

    qid: str
    text: str
    split: str
    hits: list[Hit]
    judged: Mapping[int, int] | None = None


class Form(NamedTuple):
    """A known kind of row: the fields that tell it from the others, and its reader (row, name of the file's run)."""

    name: str
    fields: frozenset[str]
    read: Callable[[Row, str], Found]
    has_grades: bool = False


def recognise(row: Row) -> Form | None:
    """The form whose telling fields the row has."""
    return next((form for form in FORMS if form.fields <= row.keys()), None)


def known_forms() -> str:
    """The forms and their telling fields, for messages."""
    return "; ".join(f"{form.name} ({', '.join(sorted(form.fields))})" for form in FORMS)


def name_of(value: Any) -> str:
    """An id as text; sources write the same one as a number or a string."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a column of a table that misses some
    name = value.strip() if isinstance(value, str) else str(value) if type(value) is int else ""
    if is_missing_id(name) or name.split() != [name]:
        raise ValueError(f"{value!r} is no id")
    return name


def grade_of(value: Any) -> int | None:
    """A human grade; None where nobody judged."""
    if is_missing_number(value):
        return None
    grade = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else -1.0
    if not grade.is_integer() or not 0 <= grade <= TOP_GRADE:
        raise ValueError(f"grade {value!r} is not a whole number from 0 to {TOP_GRADE}")
    return int(grade)


def _joined(row: Row, _run: str) -> Found:
    hits = [
        Hit(name_of(c["docid"]), _text(c["text"]), grade_of(c.get("rel")), _ranks(_object(c.get("runs"))))
        for c in _objects(row["candidates"], "candidates")
    ]
    counts = row.get("qrels_by_grade")
    judged = None if is_missing(counts) else {_known(grade): int(n) for grade, n in _object(counts).items()}
    split = "" if is_missing_id(row.get("split")) else str(row["split"])
    return Found(name_of(row["qid"]), _text(row["query"]), split, hits, judged)


def _rank_llm(row: Row, run: str) -> Found:
    """Candidates stand best first."""
    query = row["query"]
    candidates = _objects(row["candidates"], "candidates")
    hits = [Hit(name_of(c["docid"]), _body(c["doc"]), None, {run: n}) for n, c in enumerate(candidates, 1)]
    return Found(name_of(query["qid"]), _text(query["text"]), "", hits)


def _hits(row: Row, run: str) -> Found:
    """The older form of rank_llm: every hit repeats the query's id."""
    found = _objects(row["hits"], "hits")
    if not found:
        raise ValueError("'hits' is empty, so the query has no id")
    hits = [Hit(name_of(h["docid"]), _text(h["content"]), None, {run: int(h["rank"])}) for h in found]
    return Found(name_of(found[0]["qid"]), _text(row["query"]), "", hits)


def _objects(value: Any, field: str) -> list[Row]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError(f"'{field}' is not a list of objects")
    return value


def _object(value: Any) -> Row:
    """The fields that are not missing: Parquet fills those that other rows have with null."""
    return {} if is_missing(value) else {name: item for name, item in value.items() if not is_missing(item)}


def _known(value: Any) -> int:
    grade = grade_of(value)
    if grade is None:
        raise ValueError("a count without a grade")
    return grade


def _ranks(runs: Any) -> dict[str, int]:
    return {str(run): int(place["rank"]) for run, place in runs.items()}


def _body(doc: Any) -> str:
    if isinstance(doc, str):
        return _text(doc)
    doc = _object(doc)
    text = next((_text(doc[field]) for field in _BODY if field in doc), "")
    title = _text(doc.get("title", ""))
    return f"{title}: {text}" if title and text else text


def _text(value: Any) -> str:
    """Text with every run of white space as one space: sources differ in nothing else."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text")
    return " ".join(value.split())


FORMS = (
    Form("candidates", frozenset({"qid", "query", "candidates"}), _joined, has_grades=True),
    Form("rank_llm request", frozenset({"query", "candidates"}), _rank_llm),
    Form("rank_llm hits", frozenset({"query", "hits"}), _hits),
)
