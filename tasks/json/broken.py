"""Where an answer that is JSON breaks its schema: every refused path, with what is wrong there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from listeval import Contract, Kind, Row

from .leaves import Path

KINDS = (Kind.MISSING_KEY, Kind.EXTRA_KEY, Kind.BAD_VALUE)
"""What can be wrong at a path. The kind of an answer is the first of them that it shows."""
_OF_TYPE = {"missing": Kind.MISSING_KEY, "extra_forbidden": Kind.EXTRA_KEY}


def broken_paths(row: Row, contract: Contract[Any]) -> Iterator[tuple[Path, Kind]]:
    """The refused paths of an answer; none of one whose JSON broke before its schema was asked, or that kept it."""
    if row["kind"] not in KINDS or row["span"] is None:
        return
    start, end = row["span"]
    block = row["text"][start:end]
    if row["kind"] == Kind.EXTRA_KEY and block[:1] not in ("{", "["):
        return  # a key that stands twice, which is pointed at
    try:
        contract.validate(block)
    except ValidationError as error:
        refused = error.errors(include_url=False, include_context=False, include_input=False)
    else:
        return
    value = from_json(block)
    for each in refused:
        yield _within(value, each["loc"]), _OF_TYPE.get(each["type"], Kind.BAD_VALUE)


def _within(value: Any, place: Sequence[str | int]) -> Path:
    """The keys and positions of a refusal's place; pydantic puts names of a union's members between them."""
    path: list[str | int] = []
    for number, part in enumerate(place, 1):
        inner = isinstance(value, dict) and part in value
        inner |= isinstance(value, list) and isinstance(part, int) and part < len(value)
        if inner:
            value = value[part]
        if inner or (number == len(place) and isinstance(value, dict)):
            path.append(part)
    return tuple(path)
