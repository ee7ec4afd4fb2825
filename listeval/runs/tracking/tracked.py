"""An observer that also tells trackers: how many rows parse so far, and in the end every figure with its interval.

A tracker that fails is left out from there on, with one line of warning. It costs the run nothing: rows are on disk
before a tracker hears of them, and figures are computed from the rows.
"""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from listeval.contract import Kind
from listeval.errors import first_line
from listeval.runs.tracking import tracker
from listeval.visible import inline

if TYPE_CHECKING:
    from listeval.backends.protocol import Prompt
    from listeval.runs.manifest import Manifest
    from listeval.runs.observer import Observer
    from listeval.runs.rows import Row
    from listeval.runs.store import Run

_LOG = logging.getLogger(__name__)
_POINTS = 100
"""Times that a run is reported on while it runs, at most."""

_CHOSEN = {
    "options", "limit", "seeds", "max_tokens", "attempts", "reask", "temperature", "top_p", "enable_thinking", "dtype",
    "engine", "spacing",
}  # fmt: skip


@contextmanager
def tracked(names: Sequence[tracker.TrackerName], watch: Observer) -> Iterator[Tracked]:
    """An observer for one run that tells `watch` everything, and the trackers of these names what they are for.

    Raises UserError where one of them is not installed, before anything is begun.
    """
    tracker.check_installed(names)
    found = Tracked(names, watch)
    try:
        yield found
    finally:
        found.close()


class Tracked:
    """See `tracked`; what an observer's methods are told stands at `listeval.runs.observer.Observer`."""

    def __init__(self, names: Sequence[tracker.TrackerName], watch: Observer) -> None:
        self.watch, self._names = watch, tuple(dict.fromkeys(names))
        self._trackers: dict[str, tracker.Tracker] = {}
        self._total = self._there = self._rows = self._answered = self._ok = self._told = 0
        self._complete = False

    def note(self, text: str) -> None:
        self.watch.note(text)

    def stage(self, text: str) -> None:
        self.watch.stage(text)

    def prompt(self, prompt: Prompt) -> None:
        self.watch.prompt(prompt)

    def begin(self, total: int) -> None:
        self._total = total
        self.watch.begin(total)

    def skip(self) -> None:
        self._there += 1
        self.watch.skip()

    def rows(self, rows: list[Row]) -> None:
        self.watch.rows(rows)
        answered = [row for row in rows if row["kind"] != Kind.ENGINE_ERROR]
        self._rows += len(rows)
        self._answered += len(answered)
        self._ok += sum(row["kind"] == Kind.OK for row in answered)
        if self._rows - self._told >= max(1, self._total // _POINTS):
            self._told = self._rows
            self._tell(lambda one: one.log(self._so_far(), self._there + self._rows))

    def open(self, manifest: Manifest, directory: Path) -> None:
        """Begin with every tracker; the run's directory is there now."""
        key = f"{manifest.identity_hash[:12]}{crc32(manifest.created.encode()):08x}"
        start = tracker.TrackedRun(directory.resolve().name, key, config_of(manifest), directory)
        for name in self._names:
            with self._kept_from_the_run(name):
                self.watch.stage(f"telling {name} of the run")
                self._trackers[name] = tracker.begin(name, start)

    def finish(self, run: Run) -> None:
        """The final figures of the whole run."""
        self._complete = True
        self._tell(lambda one: one.finish(figures_of(run), run.summary.n))

    def close(self) -> None:
        """Let every tracker go."""
        self._tell(lambda one: one.close(complete=self._complete))
        self._trackers.clear()

    def _so_far(self) -> dict[str, float]:
        """Of this process' answers; an engine's failure is none."""
        rate = {"so_far/parse_rate": self._ok / self._answered} if self._answered else {}
        return {**rate, "so_far/engine_errors": float(self._rows - self._answered)}

    def _tell(self, what: Callable[[tracker.Tracker], None]) -> None:
        for name, told in list(self._trackers.items()):
            with self._kept_from_the_run(name):
                what(told)

    @contextmanager
    def _kept_from_the_run(self, name: str) -> Iterator[None]:
        """What a tracker raises stays here; what it prints does not get between a run's results on stdout."""
        try:
            with redirect_stdout(sys.stderr):
                yield
        except Exception as error:  # noqa: BLE001 - libraries of others, which raise what they like
            self._trackers.pop(name, None)
            _LOG.warning("listeval: the run goes on without %s: %s", name, inline(first_line(error)))


def config_of(manifest: Manifest) -> dict[str, Any]:
    """What was chosen and what it was chosen for; no address, and no name of a key."""
    config, task = manifest.config, manifest.task
    return {
        "task": task.name,
        "task_code": task.code,
        "model": manifest.model.title,
        "model_fingerprint": manifest.model.weights,
        "backend": manifest.backend.name,
        "constraint": manifest.constraint,
        "data": {seed: data.fingerprint for seed, data in manifest.data.items()},
        "listeval": manifest.listeval,
        "created": manifest.created,
        "identity": manifest.identity_hash,
        **config.model_dump(mode="json", include=_CHOSEN, exclude_none=True),
    }


def figures_of(run: Run) -> Mapping[str, float]:
    """Every figure with its interval, outcomes, kinds, verdicts and the task's own figures; what has no value is left
    out.
    """
    found = run.summary
    figures: dict[str, float | None] = {}
    for name, value in found.metrics.items():
        figures |= {name: value.value, f"{name}/low": value.low, f"{name}/high": value.high}
    counts = {"samples": found.n, "scored": found.scored, "unscored": found.unscored, "errors": found.errors}
    figures |= {f"outcome/{name}": float(count) for name, count in counts.items()}
    figures |= {f"kind/{name}": float(count) for name, count in found.kinds.items()}
    figures |= {f"verdict/{name}": float(count) for name, count in found.verdicts.items()}
    figures |= {f"task/{name}": value for name, value in run.figures.items()}
    return {name: value for name, value in figures.items() if value is not None and math.isfinite(value)}
