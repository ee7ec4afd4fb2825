"""A run's manifest while a process works on the run: what it says of answers stays that of the answers that are there.

A process that fails before its first answer, or that owes none, says nothing of answers that others made: neither its
machine nor its canary is behind them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from listeval.runs.manifest import Manifest, has_rows


class LiveManifest:
    """`manifest` is of this process; `standing`, which is on the disk, is of the answers that are there so far."""

    def __init__(self, manifest: Manifest, directory: Path, old: Manifest | None) -> None:
        """`old` is that of the earlier attempts at the run in `directory`."""
        self.manifest, self.directory = manifest, directory
        self._kept: dict[str, Any] = {}
        if old is not None and has_rows(directory):
            self._kept = {"listeval": old.listeval, "environment": old.environment}
            if old.canary is not None and old.canary.passed:
                self._kept |= {"canary": old.canary, "audit": old.audit}

    @property
    def standing(self) -> Manifest:
        """What may be said of the run now."""
        return self.manifest.model_copy(update=self._kept)

    def write(self) -> None:
        """Replace `manifest.json` atomically. Raises UserError where the disk refuses."""
        self.standing.write(self.directory)

    def answered(self) -> None:
        """This process has an answer, whose row is about to be written. Raises as `write`."""
        if self._kept:
            self._kept = {}
            self.write()
