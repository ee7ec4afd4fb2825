"""The page of the command line, made from the commands themselves."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Final

import click

from listeval.cli import signals
from listeval.cli.main import cli
from listeval.errors import ExitCode

_HEAD: Final = """\
# Command line

Every command answers `--help`. Results go to stdout, all else to stderr; `--json` prints one JSON object.
This page is made by `python -m docs.tools` from the commands themselves.
"""
_CODES: Final = {
    "OK": "done",
    "SAMPLES_ERRORED": "some samples errored, rows are not the run's own, a check failed, or a text has no label",
    "USAGE": "usage or configuration",
    "CANARY_FAILED": "the canary of a constraint failed",
    "PREDICTION_MISSED": "a bound of yours was missed: a gate (`--fail-under`, `--fail-if`) or a prediction of a study",
}


def page() -> str:
    """The whole page."""
    root = click.Context(cli, info_name="listeval")
    sections = [line for command, context in _commands(root) for line in _section(command, context)]
    return "\n".join([_HEAD, *sections, *_exit_codes()]) + "\n"


def _commands(context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    """Every command below, a group before its own."""
    group = context.command
    assert isinstance(group, click.Group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, f"{name} is listed and cannot be loaded"
        below = click.Context(command, info_name=name, parent=context)
        yield command, below
        if isinstance(command, click.Group):
            yield from _commands(below)
        # Commands beside the stages of the trainer.
        for other in getattr(command, "others", {}).values():
            yield other, click.Context(other, info_name=f"{name} {other.name}", parent=context)


def _section(command: click.Command, context: click.Context) -> Iterator[str]:
    nested = len(context.command_path.split()) > len(("listeval", "verb"))
    yield f"{'###' if nested else '##'} {context.command_path}\n"
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"```\n{context.command_path} {usage}\n```\n"
    yield from (f"{_inline(paragraph)}\n" for paragraph in (command.help or "").replace("\b\n", "").split("\n\n"))
    options = [
        parameter for parameter in command.params if isinstance(parameter, click.Option) and not parameter.hidden
    ]
    if options:
        yield "| option | meaning |\n| --- | --- |"
        yield from (_option(option, context) for option in options)
        yield ""


def _option(option: click.Option, context: click.Context) -> str:
    record = option.get_help_record(context)
    assert record is not None, "a shown option has a line in the help"
    names, meaning = record
    return f"| {_code(names)} | {_cell(_inline(meaning))} |"


def _exit_codes() -> Iterator[str]:
    yield "## Exit codes\n\n| code | meaning |\n| --- | --- |"
    yield from (f"| {code.value} | {_CODES[code.name]} |" for code in ExitCode)
    yield f"| {signals.CODES[signal.SIGINT]} | interrupted (Ctrl-C) |"
    yield f"| {signals.CODES[signal.SIGTERM]} | terminated (SIGTERM) |"


def _inline(text: str) -> str:
    """One line; what Markdown would take for a tag stays text."""
    return " ".join(text.split()).replace("<", "&lt;")


def _code(text: str) -> str:
    """As code in a cell: no escape means the same to all readers of Markdown where code holds the cell's border."""
    return f"<code>{_inline(text).replace('|', '&#124;')}</code>" if "|" in text else f"`{text}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
