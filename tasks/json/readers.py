"""Rows of three shapes, told apart by their fields: the user's own, JSONSchemaBench's, and SOB's.

- own: `prompt` or `messages`; `schema` (or one for all rows); perhaps `expected`, `id`, `cluster`.
- JSONSchemaBench (arXiv 2501.10868): `json_schema` and `unique_id`; there is nothing to be right about but the schema.
- SOB (arXiv 2604.25359): `context`, `question`, `json_schema`, `ground_truth`, `record_id`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, NamedTuple

from listeval import JsonRow, Message, UserError, is_missing, is_missing_id, json_field

_OWN = ("schema", "expected", "id", "cluster")
_BENCHMARKS = ("unique_id", "context", "question", "ground_truth", "record_id")
"""Fields that a row of that shape may lack."""
_LIKE = 0.8
"""How alike two names are of which one is taken for a slip of the other."""
_ROLES = ("system", "user", "assistant")
_FORM = 'a row is {"prompt": "...", "schema": {...}, "expected": ...}'


class Asked(NamedTuple):
    """One row: what is asked, by which schema (None: the common one), and what is expected (None: nobody knows)."""

    id: str
    messages: tuple[Message, ...]
    context: str
    schema: Any
    expected: Any
    cluster: str = ""
    shown: bool = False
    """Whether the benchmark that the row is of shows the schema in the prompt."""
    lenient: bool = False
    """Whether a schema that cannot be used leaves this row out, and is counted, rather than stop the run."""


def read(row: JsonRow, number: int, place: str) -> Asked:
    """The row, by its shape. Raises UserError, with its place, for one that is of none."""
    if "json_schema" not in row:
        return _own(row, number, place)
    schema = _json(row, "json_schema", place)
    if "question" not in row:
        ask = (Message("user", "Make up an answer."),)
        return Asked(_id(row, "unique_id", number), ask, "", schema, None, shown=True, lenient=True)
    expected = _json(row, "ground_truth", place)
    ask = (Message("user", _text(row, "question", place)),)
    context = "" if is_missing(row.get("context")) else _text(row, "context", place)
    return Asked(_id(row, "record_id", number), ask, context, schema, expected, shown=True, lenient=True)


def slips(row: JsonRow) -> Iterator[str]:
    """What a row that was read has in vain, in words: fields that likely stand for one which it lacks."""
    absent = tuple(name for name in (_BENCHMARKS if "json_schema" in row else _OWN) if name not in row)
    for name in row:
        if meant := _meant(name, absent):
            yield f"'{name[:40]}' is no field of a row (did you mean '{meant}'?), and is not read"


@lru_cache(maxsize=1024)
def _meant(name: str, absent: tuple[str, ...]) -> str:
    return next(iter(get_close_matches(name.casefold(), absent, n=1, cutoff=_LIKE)), "")


def _own(row: JsonRow, number: int, place: str) -> Asked:
    has = [name for name in ("prompt", "messages") if not is_missing(row.get(name))]
    if len(has) != 1:
        cause = "both 'prompt' and 'messages'" if has else "neither 'prompt' nor 'messages'"
        raise UserError(f"the row has {cause}", place=place, fix=_FORM)
    messages = (
        _turns(row["messages"], place) if has == ["messages"] else (Message("user", _text(row, "prompt", place)),)
    )
    schema, expected = _json(row, "schema", place), _given(row, "expected", place)
    cluster = "" if is_missing_id(row.get("cluster")) else str(row["cluster"])
    return Asked(_id(row, "id", number), messages, "", schema, expected, cluster)


def _turns(given: Any, place: str) -> tuple[Message, ...]:
    fix = 'messages are [{"role": "user", "content": "..."}, ...], the last one the user\'s'
    if not isinstance(given, list) or not given:
        raise UserError("'messages' is not a list of turns", place=place, fix=fix)
    found = []
    for turn in given:
        if not isinstance(turn, Mapping) or turn.get("role") not in _ROLES or not isinstance(turn.get("content"), str):
            raise UserError("a turn needs a role (system, user, assistant) and a text as content", place=place, fix=fix)
        found.append(Message(turn["role"], turn["content"]))
    if found[-1].role != "user":
        raise UserError("the last message is not the user's", place=place, fix=fix)
    return tuple(found)


def _text(row: JsonRow, name: str, place: str) -> str:
    if not isinstance(row.get(name), str) or not row[name].strip():
        raise UserError(f"no text in the field '{name}'", place=place, fix=_FORM)
    return str(row[name])


def _given(row: JsonRow, name: str, place: str) -> Any:
    value = json_field(row, name, place, f"write '{name}' as a text with JSON")
    return None if is_missing(value) else value


def _json(row: JsonRow, name: str, place: str) -> Any:
    """A JSON value that a column of texts holds; one that is there as JSON stands for itself."""
    value = _given(row, name, place)
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        fix = "write the value as JSON"
        raise UserError(f"the text in '{name}' is not JSON: {error}", place=place, fix=fix) from None


def _id(row: JsonRow, name: str, number: int) -> str:
    return f"row-{number}" if is_missing_id(row.get(name)) else str(row[name])
