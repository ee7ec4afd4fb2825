"""Whose fault it is: what a plug-in raises becomes one line that names the plug-in's own line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from inspect import getfile
from pathlib import Path

from listeval.errors import UserError, first_line
from listeval.task import Task


@contextmanager
def blame(task: Task, what: str, fix: str = "correct the task") -> Iterator[None]:
    """Turn whatever a plug-in raises in this block into a UserError that names its own line; UserErrors pass."""
    try:
        yield
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        home = home_of(task)
        cause = f"task '{task.name}' {what}: {first_line(error)}"
        raise UserError(cause, place=raised_at(home, error) or str(home), fix=fix) from error


def home_of(task: Task) -> Path:
    """The folder that the task's class stands in."""
    return Path(getfile(type(task))).parent


def raised_at(home: Path | None, error: BaseException) -> str:
    """`file:line` of the last line below `home` behind an error; empty where none is."""
    place, trace = "", error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if home is not None and Path(file).is_relative_to(home):
            place = f"{file}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
