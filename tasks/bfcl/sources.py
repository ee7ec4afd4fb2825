"""Where the questions are: the leaderboard's files with their answers, or one file of our own form."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

from listeval import DataFile, HubDataset, UserError, did_you_mean, local_file

from .categories import CATEGORIES, file_patterns, parse_file_name

HUB = "gorilla-llm/Berkeley-Function-Calling-Leaderboard"
SAMPLE = Path(__file__).with_name("sample.jsonl")
_ANSWERS = "possible_answer"


class Part(NamedTuple):
    """Questions and the file with their answers; a file of our own form has both, and the category, in each row."""

    questions: DataFile
    category: str | None = None
    answers: DataFile | None = None


class Source(NamedTuple):
    """All parts of what the user named."""

    name: str
    parts: list[Part]


def find(data: str | None, wanted: Collection[str]) -> Source:
    """The parts of `data` that hold `wanted` categories (all where empty), in the leaderboard's order.

    Of two releases of a category the newer one counts. Raises UserError where there is none, and
    where questions have no answers beside them.
    """
    if data == "hub":
        return _on_hub(wanted)
    if data is None:
        return Source("bfcl sample", [Part(local_file(SAMPLE))])
    path = Path(data)
    if path.is_dir():
        names = [file.name for file in path.iterdir() if file.is_file()]
        return Source(str(path), [_local(path / name) for name in _choose(names, wanted, str(path)).values()])
    return Source(str(path), [_local(path)])


def _local(path: Path) -> Part:
    known = parse_file_name(path.name)
    if known is None:
        return Part(local_file(path))
    if known.category not in CATEGORIES:
        cause = f"'{known.category}' is not an AST category in Python"
        raise UserError(cause, place=str(path), fix=f"this task has {', '.join(CATEGORIES)}")
    if path.parent.name == _ANSWERS:
        fix = f"give --data {path.parent.parent / path.name}"
        raise UserError("these are answers without their questions", place=str(path), fix=fix)
    questions = local_file(path)
    answers = path.parent / _ANSWERS / path.name
    if not answers.exists():
        fix = f"put BFCL's folder {_ANSWERS}/ beside the questions"
        raise UserError(f"the answers to {path.name} are missing", place=str(answers), fix=fix)
    return Part(questions, known.category, local_file(answers))


def _on_hub(wanted: Collection[str]) -> Source:
    """The data set's card warns against `load_dataset`, as rows differ in type: its files are read by name."""
    check_wanted(wanted, CATEGORIES, HUB)
    hub = HubDataset(HUB)
    found = {file.name.rpartition("/")[2]: file for file in hub.files(*file_patterns(wanted or CATEGORIES))}
    chosen = _choose(found, wanted, HUB)
    parts = [Part(found[name], category, hub.file(f"{_ANSWERS}/{name}")) for category, name in chosen.items()]
    return Source(f"hf://datasets/{HUB}", parts)


def _choose(names: Iterable[str], wanted: Collection[str], place: str) -> dict[str, str]:
    """The newest file of every wanted category, in the order of `CATEGORIES`."""
    newest: dict[str, tuple[int, str]] = {}
    for name in names:
        known = parse_file_name(name)
        if known and known.category in CATEGORIES:
            newest[known.category] = max(newest.get(known.category, (0, "")), (known.release, name))
    if not newest:
        fix = "give BFCL's data folder, one of its files, or a file of the task's own form"
        raise UserError("no BFCL file such as BFCL_v4_multiple.json", place=place, fix=fix)
    check_wanted(wanted, newest, place)
    return {name: newest[name][1] for name in CATEGORIES if name in newest and (not wanted or name in wanted)}


def check_wanted(wanted: Collection[str], present: Iterable[str], place: str) -> None:
    """Raises UserError for a category that the data do not have."""
    known = sorted(present)
    for name in sorted(wanted):
        if name not in known:
            raise UserError(f"no rows of the category '{name}'", place=place, fix=did_you_mean(name, known))
