"""What this process is doing right now, in words: set by whoever does it, read by whoever watches."""

from __future__ import annotations

_now = "starting"


def doing(what: str) -> None:
    """Say what begins now. Cheap: one assignment."""
    global _now
    _now = what


def now() -> str:
    """What was said last."""
    return _now
