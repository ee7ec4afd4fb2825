"""Labels on disk: `labels.jsonl`, one text a line, named by the hash of its content."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from listeval.errors import UserError
from listeval.kit.files import local_file, rows

FILE = "labels.jsonl"


class Label(BaseModel):
    """A grade of one text. Only `key` and `grade` are needed in a file; further fields of others are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    key: str = Field(min_length=1)
    """`Piece.key` of the text."""
    product: str = ""
    id: str = ""
    grade: float = Field(allow_inf_nan=False)
    criteria: dict[str, float] = {}
    rubric: str = ""
    rubric_version: int = 0
    judge: str = ""
    attempt: int = 0
    """The attempt, from 1, whose answer kept the contract."""


def read_labels(path: str | Path, *, option: str = "--set labels") -> dict[str, Label]:
    """Labels by key, from a file or from a folder with `labels.jsonl` in it; `option` is what the user named it with.

    Raises UserError where there is none, with the line for a row that is no label or a key that repeats.
    """
    found: dict[str, Label] = {}
    given = Path(path)
    for place, row in rows(local_file(given / FILE if given.is_dir() else given, option=option)):
        try:
            label = Label.model_validate(row)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"]))
            fix = 'a label is {"key": "...", "grade": 7}, as `listeval label` writes it'
            raise UserError(f"not a label: {field}: {first['msg']}", place=place, fix=fix) from None
        if label.key in found:
            raise UserError(f"the text '{label.key}' has a second label", place=place, fix="keep one of the two")
        found[label.key] = label
    return found


def write_labels(labels: Iterable[Label], directory: Path) -> Path:
    """Replace the labels of `directory`, whole or not at all. Raises UserError when the disk refuses."""
    from listeval.disk import write_atomic

    path = directory / FILE
    write_atomic(path, b"".join(label.model_dump_json().encode() + b"\n" for label in labels))
    return path


def in_common(a: Mapping[str, Label], b: Mapping[str, Label]) -> list[str]:
    """Keys of the texts that both label, in the order of `a`."""
    return [key for key in a if key in b]
