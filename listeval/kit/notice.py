"""A line on what stops nothing and yet should be known, from below the verbs."""

from __future__ import annotations

import sys

from listeval.visible import inline


def notice(text: str, *, place: str = "") -> None:
    """The text on stderr, in one line."""
    where = f" ({place})" if place else ""
    sys.stderr.write(f"listeval: {inline(text + where)}\n")
