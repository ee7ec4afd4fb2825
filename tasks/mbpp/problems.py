"""What a row of MBPP says, full or sanitized: a task in words, a reference solution, tests, and what those need."""

from __future__ import annotations

import sys
from typing import Literal, NamedTuple, cast, get_args

from listeval import JsonRow, UserError, first_line, is_missing, is_missing_id, own_split, text_field

from .names import missing_modules, modules, wanted

Variant = Literal["full", "sanitized"]
Split = Literal["prompt", "test", "validation", "train"]

_LAST_ID: dict[Split, int] = {"prompt": 10, "test": 510, "validation": 600, "train": 974}
"""The last task_id of each split (Austin et al., arXiv 2108.07732); they follow each other from 1."""

_TEXT: dict[Variant, str] = {"full": "text", "sanitized": "prompt"}
_ROW = 'a row has "task_id", "text" (sanitized: "prompt"), "code" and "test_list"'


class Problem(NamedTuple):
    """One problem. Line ends are `\\n`.

    `imports` run before a program, `setup` after it and before the `tests`: MBPP's set-up code uses
    classes that the program defines. `names` is what the tests leave to the program.
    """

    id: int
    split: Split
    text: str
    code: str
    imports: str
    setup: str
    tests: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def preamble(self) -> str:
        """What stands before the tests where they are shown."""
        return "\n".join(part for part in (self.imports, self.setup) if part)


def variant_of(row: JsonRow, place: str) -> Variant:
    """Which of the two forms a row has."""
    for variant, field in _TEXT.items():
        if field in row:
            return variant
    raise UserError("neither 'text' nor 'prompt' in the row", place=place, fix=_ROW)


def problem(row: JsonRow, place: str) -> Problem:
    """The problem of a row. Raises UserError, with place and task, where its tests could not run."""
    id = row.get("task_id")
    if not isinstance(id, int) or isinstance(id, bool):
        raise UserError(f"task_id {id!r} is not an integer", place=place, fix=_ROW)
    place = f"{place}, task {id}"
    text, code = _text(row, _TEXT[variant_of(row, place)], place), _text(row, "code", place)
    tests = tuple(_texts(row, "test_list", place))
    setup = _text(row, "test_setup_code", place) if _has(row, "test_setup_code") else ""
    if not tests:
        raise UserError("no tests in the field 'test_list'", place=place, fix=_ROW)
    imports = "\n".join(_texts(row, "test_imports", place)) if _has(row, "test_imports") else ""
    _check_compiles((imports, setup, *tests), place)
    names = wanted("\n".join((imports, setup, *tests)), code)
    unbound = [name for name in names if name in sys.stdlib_module_names and name in _modules(code)]
    names = [name for name in names if name not in unbound]
    if not names:
        raise UserError("the tests use no name of the reference code", place=place, fix="test what the code defines")
    # Task 596 tests with `sys`, which only the reference solution imports.
    imports = "\n".join(part for part in (imports, *(f"import {name}" for name in unbound)) if part)
    return Problem(id, _split(row, id, place), text, code, imports, setup, tests, tuple(names))


def _has(row: JsonRow, name: str) -> bool:
    return not is_missing(row.get(name)) and bool(row[name])


def _check_compiles(sources: tuple[str, ...], place: str) -> None:
    for source in sources:
        try:
            compile(source, "test", "exec", dont_inherit=True)
            missing = missing_modules(source)
        except (SyntaxError, ValueError) as error:
            raise UserError(f"a test is not Python: {first_line(error)}", place=place, fix="correct the test") from None
        if missing:
            cause = f"a test imports '{missing[0]}', which is not in the standard library"
            raise UserError(cause, place=place, fix="remove the row: the sandbox runs the standard library only")


def _modules(code: str) -> set[str]:
    try:
        return modules(code)
    except (SyntaxError, ValueError):
        return set()


def _split(row: JsonRow, id: int, place: str) -> Split:
    """The row's own word, else the range that its id is in."""
    if is_missing_id(row.get("split")):
        for split, last in _LAST_ID.items():
            if 1 <= id <= last:
                return split
        raise UserError("its task_id is in no split of MBPP (1-974)", place=place, fix='give the row a "split"')
    return cast(Split, own_split(row, "", get_args(Split), place))


def _text(row: JsonRow, name: str, place: str) -> str:
    return text_field(row, name, place, _ROW).strip("\n")


def _texts(row: JsonRow, name: str, place: str) -> list[str]:
    values = row.get(name)
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise UserError(f"the field '{name}' is not a list of strings", place=place, fix=_ROW)
    return [value.replace("\r\n", "\n").strip() for value in values]
