"""What `Task.load` gave, held to what a run can write of it and read again: texts are text, targets are JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json

from listeval.task import Dataset


def check_loaded(found: Any) -> None:
    """Raises TypeError, or ValueError, for what is no Dataset of examples whose rows could be read again."""
    if not isinstance(found, Dataset):
        raise TypeError(f"it gave a {type(found).__name__}, not a Dataset")
    for name in ("source", "fingerprint", "name"):
        _text(f"the data's {name}", getattr(found, name))
    if not isinstance(found.counts, Mapping) or not all(isinstance(name, str) for name in found.counts):
        raise TypeError("the data's counts are no mapping of texts")
    _json("the data's counts", dict(found.counts))
    if not hasattr(found.examples, "__len__"):
        raise TypeError(f"the data's examples are a {type(found.examples).__name__}, which has no length")
    for at, example in enumerate(found.examples):
        where = f"example {at}"
        _text(f"{where}: its id", example.id)
        _text(f"{where}: its cluster", example.cluster)
        if not isinstance(example.target, Mapping):
            raise TypeError(f"{where}: its target is a {type(example.target).__name__}, not a JSON object")
        _json(where, example)


def _text(what: str, value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{what} is a {type(value).__name__}, not a text: {value!r:.60}")


def _json(what: str, value: object) -> None:
    """Lone surrogates are no JSON, for a file is UTF-8."""
    try:
        to_json(value)
    except ValueError as error:
        raise ValueError(f"{what} is no JSON: {error}") from None
