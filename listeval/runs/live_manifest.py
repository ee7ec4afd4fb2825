"""A run's manifest while a process works on the run: what it says of answers stays that of the answers that are there.

A process that fails before its first answer, or that owes none, says nothing of answers that others made: neither its
machine nor its canary is behind them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from listeval.backends.protocol import Backend
from listeval.runs.entries import BackendEntry
from listeval.runs.manifest import Attempt, Manifest, has_rows


class LiveManifest:
    """`manifest` is of this process; `standing`, which is on the disk, is of the answers that are there so far."""

    def __init__(self, manifest: Manifest, directory: Path, old: Manifest | None) -> None:
        """`old` is that of the earlier attempts at the run in `directory`."""
        self.manifest, self.directory = manifest, directory
        self._earlier = BackendEntry(name="", settings={}) if old is None else manifest.backend
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

    def ended(self, attempt: Attempt, backend: Backend, control_text: Mapping[str, int]) -> None:
        """Note this process as one more attempt, and what it learned of its engine.

        What was learned for the rows of earlier attempts goes on to hold for these; `control_text` counts the prompts
        of all attempts. Raises as `write`.
        """
        manifest = self.manifest
        manifest.attempts.append(attempt)
        manifest.control_text = dict(control_text)
        # What a server turned out not to take is known only now.
        now = BackendEntry(name=backend.name, settings=dict(backend.settings()), versions=dict(backend.versions()))
        manifest.backend = self._behind_answers(now)
        self.write()

    def _behind_answers(self, now: BackendEntry) -> BackendEntry:
        """The engine behind all answers: this process's, with what earlier ones learned; theirs where it has none."""
        earlier = self._earlier
        learned: dict[str, Any] = {"left_out": earlier.left_out | now.left_out}
        if self._kept:
            return _with_settings(earlier, learned)
        learned["finish_reasons"] = dict(Counter(earlier.finish_reasons) + Counter(now.finish_reasons))
        learned["not_planted"] = dict(Counter(earlier.not_planted) + Counter(now.not_planted))
        return _with_settings(now, learned)

    def answered(self) -> None:
        """This process has an answer, whose row is about to be written. Raises as `write`."""
        if self._kept:
            self._kept = {}
            self.write()


def _with_settings(entry: BackendEntry, learned: Mapping[str, Any]) -> BackendEntry:
    """The entry with those settings that say something; what is empty stays as it is."""
    return entry.model_copy(update={"settings": entry.settings | {k: v for k, v in learned.items() if v}})
