"""The user's word for what a file asks: the flag itself, `--trust` for all, or yes to a question on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

from listeval.errors import UserError
from listeval.visible import inline

if TYPE_CHECKING:
    from listeval.runs.consent_requests import ConsentRequest


def permit(asks: Iterable[ConsentRequest], source: str, *, trusted: bool) -> None:
    """Raises UserError unless `trusted`, nothing is asked, or the user says yes on the terminal."""
    found = list(asks)
    if trusted or not found:
        _allow(ask.code for ask in found)
        return
    what = "; ".join(ask.what for ask in found)
    if sys.stdin.isatty() and sys.stderr.isatty():
        if click.confirm(inline(f"{source} asks to {what}. Allow it?"), default=False, err=True):
            _allow(ask.code for ask in found)
            return
        raise UserError(f"not allowed: {what}", place=source, fix="give these options on the command line")
    flags = " ".join(dict.fromkeys(ask.flag for ask in found if ask.flag))
    fix = (
        f"if you want that, add {flags}, or --trust for all that it asks" if flags else "if you want that, add --trust"
    )
    raise UserError(f"it asks to {what}, which needs your word", place=source, fix=fix)


def allow_options(name: str, options: Mapping[str, Any]) -> None:
    """Options of a task that the user has given or allowed: the code that they name may be imported."""
    from listeval.plugins.registry import load_task

    _allow(str(options.get(option) or "") for option in load_task(name).Options.imports)


def _allow(named: Iterable[str]) -> None:
    """Of `module:Class` each that is not empty."""
    from listeval.kit.named_class import allow_import

    for code in filter(None, named):
        allow_import(code)
