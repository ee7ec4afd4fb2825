"""Completion in bash, zsh and fish, by click's own protocol: a shell asks this command what may come next.

`_LISTEVAL_COMPLETE=bash_source listeval` prints the script that a shell's start file evaluates; the script sets
`_LISTEVAL_COMPLETE=bash_complete` and COMP_WORDS on every press of the tab key.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from listeval.errors import ExitCode, UserError

VARIABLE = "_LISTEVAL_COMPLETE"
_SHELLS = ("bash", "zsh", "fish")


def instruction() -> str:
    """What a shell asks for; empty where none does."""
    return os.environ.get(VARIABLE, "")


def answer(cli: click.Command, asked: str) -> int:
    """Print the script or the candidates, and give the exit code.

    Raises UserError for a shell that there is none for. What a half-written line makes go wrong leaves no candidates.
    """
    shell, _, what = asked.partition("_")
    if shell not in _SHELLS or what not in ("source", "complete"):
        fix = "set it to " + ", ".join(f"{name}_source" for name in _SHELLS)
        raise UserError(f"no completion '{asked}'", place=f"${VARIABLE}", fix=fix)
    from click.shell_completion import shell_complete

    try:
        return shell_complete(cli, {}, "listeval", VARIABLE, asked)
    except UserError:
        return ExitCode.OK


def tasks(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """Names of tasks that begin so; none is imported."""
    from listeval.plugins.registry import find_all

    return [name for name in find_all() if name.startswith(begun)]


def rubrics(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """Names of rubrics that begin so."""
    from listeval.labelling.rubric import find_rubrics

    return [name for name in find_rubrics() if name.startswith(begun)]


def kinds(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """Kinds of the taxonomy that begin so."""
    from listeval.contract import Kind

    return [name for name in ("any", *(kind.value for kind in Kind)) if name.startswith(begun)]


def configs(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """Runs and configuration files behind an `@`, a level at a time."""
    if not begun.startswith("@"):
        return []
    folder, _, name = begun[1:].rpartition("/")
    above = f"{folder}/" if "/" in begun else ""
    try:
        there = sorted(os.scandir(above or "."), key=lambda entry: entry.name)
    except OSError:
        return []
    shown = [entry for entry in there if entry.name.startswith(name) and (name or not entry.name.startswith("."))]
    wanted = [entry for entry in shown if entry.is_dir() or entry.name.endswith((".yaml", ".yml", ".json"))]
    return [f"@{above}{entry.name}" for entry in wanted]


def models(context: click.Context, parameter: click.Parameter, begun: str) -> list[Any]:
    """Short names of models, what the null engine plays, and folders."""
    from listeval.models.short_names import SHORT_NAMES

    return _or_files(PLAYED if context.params.get("backend") == "null" else SHORT_NAMES, begun)


def recipes(context: click.Context, parameter: click.Parameter, begun: str) -> list[Any]:
    """Recipes that ship with listeval and have the stage that is asked for, and files."""
    from listeval.bundled import recipes as folder

    stage = context.params.get("stage")
    section = "" if stage in (None, "plan") else f"\n{stage}:"
    shipped = sorted(path.stem for path in folder().glob("*.yaml") if section in path.read_text(encoding="utf-8"))
    return _or_files(shipped, begun)


def studies(context: click.Context, parameter: click.Parameter, begun: str) -> list[Any]:
    """Studies that ship with listeval, and files."""
    from listeval.bundled import recipes as folder

    return _or_files(sorted(path.stem for path in folder().glob("cliff/*.yaml")), begun)


def _or_files(known: Iterable[str], begun: str) -> list[Any]:
    """Names that begin so, and whatever file a shell finds itself."""
    from click.shell_completion import CompletionItem

    return [*(CompletionItem(name) for name in known if name.startswith(begun)), CompletionItem(begun, type="file")]


PLAYED = ("gold", "faults", "garbage", "null")
WORDS: Mapping[str, Sequence[str]] = {
    "--backend": ("auto", "vllm", "hf", "ray", "openai", "replay", "null"),
    "--constraint": ("none", "schema", "permutation", "scaffold"),
    "--engine": ("auto", "xgrammar", "llguidance", "outlines", "own"),
    "--spacing": ("either", "gold", "compact", "free"),
    "--reask": ("explain", "same"),
}
"""Values of options that are names, spelled here because a tab key waits for no import; a test holds them to it."""


def options_of(flag: str) -> dict[str, Any]:
    """What `click.option` is told so that the values of `flag` complete: names, or files."""
    if flag in WORDS:
        return {"shell_complete": lambda _context, _parameter, begun: [w for w in WORDS[flag] if w.startswith(begun)]}
    own = {"--task": tasks, "--rubric": rubrics, "--model": models, "--data": files, "--out": files, "--adapter": files}
    return {"shell_complete": own[flag]} if flag in own else {}


def files(context: click.Context, parameter: click.Parameter, begun: str) -> list[Any]:
    """What a shell itself finds."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(begun, type="file")]
