"""What verbs print: the only way from a verb to a terminal, so that nothing reaches one raw."""

from __future__ import annotations

import json
from typing import Any

import click

from listeval.visible import inline, visible


def say(line: str = "", *, err: bool = False) -> None:
    """One line; a line feed within it is shown, not obeyed."""
    click.echo(inline(line), err=err)


def say_block(text: str, *, err: bool = False) -> None:
    """Text of several lines, such as a prompt or a table in Markdown."""
    click.echo(visible(text), err=err)


def say_json(value: Any, *, indent: int | None = None) -> None:
    """One JSON value on stdout, on one line without `indent`; ASCII, so every control character is an escape."""
    click.echo(json.dumps(value, indent=indent).replace("\x7f", "\\u007f"))
