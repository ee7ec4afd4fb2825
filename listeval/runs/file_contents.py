"""Files that a task's options name, in a run's identity: by their content, so that another folder is no other run.

What is read of them is in the data's fingerprint, which the identity has too; so a word stands there for the path.
Runs from before that have the path itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

IN_THE_DATA = "by its content, in the data's fingerprint"
"""What stands for the path."""


def without_paths(task: Mapping[str, Any], files: Collection[str]) -> dict[str, Any]:
    """A task as an identity has it, with `IN_THE_DATA` for the options `files`."""
    options = task.get("options")
    if not isinstance(options, Mapping):
        return dict(task)
    return {**task, "options": {name: IN_THE_DATA if name in files else value for name, value in options.items()}}


def like(task: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """`task` with the paths left out that `other` leaves out."""
    told = [name for name, value in _options(other).items() if value == IN_THE_DATA]
    return without_paths(task, [name for name in told if isinstance(_options(task).get(name), str)])


def same_task(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two tasks, as identities have them, are the same but for where their files lie."""
    return like(one, other) == like(other, one)


def _options(task: Mapping[str, Any]) -> Mapping[str, Any]:
    found = task.get("options")
    return found if isinstance(found, Mapping) else {}
