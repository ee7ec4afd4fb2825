"""One line on a terminal that says what goes on, and is gone before anything else is printed."""

from __future__ import annotations

import sys
from typing import Self

from listeval.cli.pulse import current
from listeval.visible import inline

_CLEAR = "\r\x1b[K"


class LiveLine:
    """On stderr where that is a terminal; elsewhere the pulse alone says what takes long."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.clear()

    def show(self, doing: str) -> None:
        """Replace the line."""
        current().now(doing)
        if self._terminal:
            # The pulse would write behind the line.
            current().quiet = True
            self._write(f"{_CLEAR}{inline(doing)} ...")

    def clear(self) -> None:
        """Take the line away; what is printed next begins where it stood."""
        if self._terminal:
            self._write(_CLEAR)

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
