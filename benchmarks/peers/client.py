"""Our end of a peer's process: start it, ask it for measurements, end it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PACKAGE = "benchmarks.peers."


class Peer:
    """A peer that runs under its own interpreter, `python`. Use it as a context manager.

    `label` is its package and version, `startup` the seconds from its first line to being ready (imports and task), and
    `fixed` what a call on one row takes once everything is warm: the part of a call that is no row's.
    """

    def __init__(self, python: str, module: str, *arguments: Path | str, scratch: Path) -> None:
        # Caches and traces go where they are thrown away, and nothing waits for a network.
        env = {**os.environ, "HF_HOME": str(scratch), "XDG_DATA_HOME": str(scratch), "HF_HUB_OFFLINE": "1"}
        # A file: nobody reads a pipe while a progress bar fills it.
        self._errors = scratch / f"{module}.{'.'.join(map(str, arguments[2:]))}err"
        self._process = subprocess.Popen(
            [python, "-m", f"{PACKAGE}{module}", *map(str, arguments)],
            cwd=ROOT, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._errors.open("w"),
        )  # fmt: skip
        hello = self._read()
        self.label, self.startup = str(hello["peer"]), float(hello["startup"])
        self.seconds(1, 1)
        self.fixed = self.seconds(1, 1)

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.communicate()

    def seconds(self, rows: int, in_flight: int) -> float:
        """Seconds of one call, measured inside."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"rows": rows, "in_flight": in_flight}) + "\n")
        self._process.stdin.flush()
        return float(self._read()["seconds"])

    def per_row(self, rows: int, in_flight: int) -> float:
        """Seconds a row without the fixed part."""
        return (self.seconds(rows, in_flight) - self.fixed) / (rows - 1)

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        # What a package prints while it is imported comes before the first reply.
        line = next((line for line in self._process.stdout if line.startswith("{")), "")
        if not line:
            raise RuntimeError(f"the peer ended: {self._errors.read_text()[-2000:]}")
        reply: dict[str, Any] = json.loads(line)
        return reply
