"""What verbs print: the only way from a verb to a terminal, so that nothing reaches one raw."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from listeval.errors import ExitCode
from listeval.visible import inline, visible

if TYPE_CHECKING:
    from listeval.runs.store import Run

_NAMED = 3
"""Strays that are named; the others are counted."""


def say(line: str = "", *, err: bool = False) -> None:
    """One line; a line feed within it is shown, not obeyed."""
    click.echo(inline(line), err=err)


def say_wrapped(line: str, indent: int = 0, *, after: int = 0) -> None:
    """One line, broken between words where the terminal ends (80 columns where there is none); a word stays whole.

    What follows is indented; `after` columns stand before it already.
    """
    wrapped = textwrap.wrap(
        inline(line),
        width=max(40, shutil.get_terminal_size().columns),
        initial_indent=" " * after,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    click.echo("\n".join(wrapped)[after:])


def say_block(text: str, *, err: bool = False) -> None:
    """Text of several lines, such as a prompt or a table in Markdown."""
    click.echo(visible(text), err=err)


def say_json(value: Any, *, indent: int | None = None) -> None:
    """One JSON value on stdout, on one line without `indent`; ASCII, so every control character is an escape."""
    click.echo(json.dumps(value, indent=indent).replace("\x7f", "\\u007f"))


def say_unfinished(runs: Iterable[Run]) -> None:
    """Name on stderr, a line a run, how many samples of it have no row yet.

    Where no more are missing than rows are strays, `say_strays` has said what to do: a stray may stand for a sample.
    """
    from listeval.runs.completing import completing

    for run in runs:
        if run.without_row > len(run.strays):
            whole = run.summary.n + run.without_row
            fix = f"complete it: {completing(run.path, run.manifest.config)}"
            say(f"listeval: {run.without_row:,} of {whole:,} samples have no row ({run.path}). Fix: {fix}", err=True)


def say_strays(runs: Iterable[Run]) -> ExitCode:
    """Name on stderr, a line a run, the rows that are not the run's own; the exit code that follows."""
    from listeval.runs.completing import completing

    code = ExitCode.OK
    for run in runs:
        if not run.strays:
            continue
        code = ExitCode.SAMPLES_ERRORED
        named = "; ".join(f"samples.jsonl:{stray.number}, {stray.why}" for stray in run.strays[:_NAMED])
        rest = f"; and {len(run.strays) - _NAMED} more" if len(run.strays) > _NAMED else ""
        fix = f"delete those lines, then complete it: {completing(run.path, run.manifest.config)}"
        say(f"listeval: {len(run.strays)} rows left out ({run.path}: {named}{rest}). Fix: {fix}", err=True)
    return code
