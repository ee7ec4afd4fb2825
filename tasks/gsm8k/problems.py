"""Where problems come from, and what a row of GSM8K says: a question, its worked solution, `#### ` and the number."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from listeval.errors import UserError
from listeval.kit.cells import is_missing_id
from listeval.kit.files import DataFile, JsonRow, local_file, member, rows
from listeval.kit.hub import HubDataset
from listeval.scoring.numbers import format_number, parse_number

Split = Literal["train", "test"]

HUB = "openai/gsm8k"
_SAMPLE = Path(__file__).with_name("sample.jsonl")
_MARK = "####"
_NOTE = re.compile(r"<<[^<>]*>>")


class Problem(NamedTuple):
    """One word problem. `solution` is the worked text without calculator notes, `answer` the exact number as text."""

    id: str
    question: str
    solution: str
    answer: str


class Part(NamedTuple):
    """The problems of one split, the files they were read from, and how many rows those hold."""

    problems: list[Problem]
    files: list[DataFile]
    name: str
    rows: int


def read_part(data: str | None, split: Split) -> Part:
    """The problems of one split of `data` (a file, a folder with a file a split, `hub`, None for the sample).

    Rows that say their `split` belong to that one, others to the one that is asked for.
    Raises UserError, with the place, for data that cannot be read or holds no problem of the split.
    """
    files, name = _files(data, split)
    problems: list[Problem] = []
    total = 0
    for file in files:
        for place, row in rows(file):
            total += 1
            if _split(row, split, place) == split:
                problems.append(_problem(row, f"{split}-{total}", place))
    if not problems:
        fix = "choose another --set split, or other data"
        raise UserError(f"no problem of the split '{split}'", place=files[0].name, fix=fix)
    return Part(problems, files, name, total)


def _files(data: str | None, split: Split) -> tuple[list[DataFile], str]:
    """The files of a split, and what reports call it."""
    if data is None:
        return [local_file(_SAMPLE)], "generated sample"
    if data == "hub":
        return HubDataset(HUB).files(f"main/{split}-*.parquet"), f"{HUB} {split}"
    path = Path(data)
    file = member(path, f"{split}.jsonl")
    return [file], path.name if file.name == str(path) else f"{path.resolve().name} {split}"


def _split(row: JsonRow, asked: Split, place: str) -> Split:
    found: Split = asked if is_missing_id(row.get("split")) else row["split"]
    if found not in get_args(Split):
        raise UserError(f"split {found!r} is none of {', '.join(get_args(Split))}", place=place, fix="correct the row")
    return found


def _problem(row: JsonRow, id: str, place: str) -> Problem:
    question, text = _field(row, "question", place), _field(row, "answer", place)
    solution, mark, spelled = text.rpartition(_MARK)
    if not mark:
        fix = "end the answer with `#### ` and the number"
        raise UserError(f"the answer has no '{_MARK}'", place=place, fix=fix)
    number = parse_number(spelled)
    if number is None:
        cause = f"{spelled.strip()[:40]!r} after '{_MARK}' is not a number"
        raise UserError(cause, place=place, fix="end the answer with `#### ` and the number")
    return Problem(id, question, _NOTE.sub("", solution).strip(), format_number(number))


def _field(row: JsonRow, name: str, place: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        fix = 'a row is {"question": "...", "answer": "... #### 42"}'
        raise UserError(f"no text in the field '{name}'", place=place, fix=fix)
    return value.replace("\r\n", "\n").strip()
