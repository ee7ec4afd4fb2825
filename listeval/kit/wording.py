"""Prompt wordings: a task's Jinja file as a function of its variables."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path


@cache
def prompt_template(file: Path) -> Callable[..., str]:
    """`file` as a function of keyword variables; texts stand as they are, an unknown variable is an error.

    Blocks on a line of their own leave no blank line behind. Read once a process.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=False, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(file.read_text(encoding="utf-8")).render


wording = prompt_template
"""What plug-ins call it that were made before the public face had all that they need."""
