"""What a tracker is told of a run, and which trackers there are. No tracker is told a prompt or an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from listeval.errors import UserError

TrackerName = Literal["tensorboard", "wandb", "trackio"]

PROJECT = "listeval"
"""The project that runs stand under, unless the tracker's own environment names another one."""


class TrackedRun(NamedTuple):
    """A run that begins: its name, what a resumed process has in common with it, what was chosen, and its directory."""

    name: str
    key: str
    config: Mapping[str, Any]
    directory: Path


class Tracker(Protocol):
    """One tracker for one run of this process. What it raises ends the tracking, never the run."""

    def log(self, figures: Mapping[str, float], step: int) -> None:
        """Figures after `step` rows of the run."""

    def finish(self, figures: Mapping[str, float], step: int) -> None:
        """The run's final figures."""

    def close(self, *, complete: bool) -> None:
        """Let go; `complete` says whether the run came to its end."""


def check_installed(names: Sequence[str]) -> None:
    """Raises UserError for a tracker whose package is missing; none is imported."""
    for name in names:
        if find_spec(name) is None:
            raise UserError.missing_package(name, f"pip install {name}", f"the tracker '{name}'")


def begin(name: TrackerName, start: TrackedRun) -> Tracker:
    """The tracker of that name, begun; its library is imported here.

    Raises UserError where the folder of that name in the run's directory, which may come from anywhere, is none.
    """
    folder = start.directory / name
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UserError("a link or a file stands where its folder should be", place=str(folder), fix="remove it")
    tracker: Tracker = import_module(f"listeval.runs.tracking.to_{name}").begin(start)
    return tracker
