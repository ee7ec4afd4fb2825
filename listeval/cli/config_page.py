"""The page of a configuration file's keys, made from the configuration itself: `python -m listeval.cli.config_page`.

A test compares the page in docs with what this makes.
"""

from __future__ import annotations

import ast
import inspect
import sys
import types
from collections.abc import Iterator
from textwrap import dedent
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click

from listeval.cli.run import command
from listeval.runs.config import RunConfig

_HEAD = """\
# Keys of a configuration file

`listeval run @FILE` reads its options from a YAML or JSON file; flags on the command line win over the file. A key is
the flag's name with underscores; `--set` is the mapping `options`. A key that is null counts as not given, but
`backend: null` names the null engine (`backend:` and `backend: ~` leave the default). `listeval run @RUN` reads the
same keys from the `config` of an earlier run's `manifest.json`. Only the null engine does without `model`.

```yaml
task: fashion
model: Qwen/Qwen3-0.6B
backend: hf
options: {k: 8}
data: reviews.jsonl.gz
seeds: [0, 1, 2]
temperature: 0.8
attempts: 3
reask: explain
```

This page is made by `python -m listeval.cli.config_page > docs/config.md`.
"""
_OTHER_FLAGS = {"options": "settings"}
_WORDS = {str: "text", int: "integer", float: "number", bool: "true or false", types.NoneType: "null", Any: "any value"}


def page() -> str:
    """The whole page."""
    lines = ["| key | value | default | flag | meaning |", "|" + "---|" * 5, *_rows()]
    return _HEAD + "\n" + "\n".join(lines) + "\n"


def _rows() -> Iterator[str]:
    flags = {parameter.name: parameter for parameter in command.params if isinstance(parameter, click.Option)}
    said = docstrings(RunConfig)
    for name, field in RunConfig.model_fields.items():
        flag = flags.get(_OTHER_FLAGS.get(name, name))
        meaning = (flag.help if flag else None) or said.get(name, "")
        default = "required" if field.is_required() else _plain(field.get_default(call_default_factory=True))
        typed = ", ".join(f"`{option}`" for option in (*flag.opts, *flag.secondary_opts)) if flag else ""
        cells = (f"`{name}`", _kind(field.annotation), default, typed, " ".join(meaning.split()).replace("|", "\\|"))
        yield "| " + " | ".join(cells) + " |"


def docstrings(model: type) -> dict[str, str]:
    """What stands under each field of a class."""
    (made,) = ast.parse(dedent(inspect.getsource(model))).body
    assert isinstance(made, ast.ClassDef), "a class has the source of one"
    found = {}
    for field, text in zip(made.body, made.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            found[field.target.id] = str(ast.literal_eval(text.value))
    return found


def _kind(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(inner[0])
    if origin in (Union, types.UnionType):
        return " or ".join(map(_kind, inner))
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in inner)
    if origin is tuple or origin is list:
        return f"list of {_kind(inner[0])}"
    if origin is dict or origin is types.MappingProxyType:
        return "mapping"
    return _WORDS.get(annotation) or str(getattr(annotation, "__name__", annotation))


def _plain(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return f"`{list(value)}`" if isinstance(value, tuple) else f"`{value}`"


if __name__ == "__main__":
    sys.stdout.write(page())
