"""How answers break: each arm's or run's kinds as a bar that sums to 100 %."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from listeval.report.page.kind_groups import LOOKS


class KindShare(NamedTuple):
    """A stretch of a stacked bar, with how its kind is drawn."""

    kind: str
    group: str
    texture: int
    n: int
    start: float
    share: float


class Stack(NamedTuple):
    """One bar; `at` is the place of the arm or run that its parts filter by, empty where they filter nothing."""

    mark: str
    name: str
    at: int | str
    parts: list[KindShare]


def stack(mark: str, name: str, at: int | str, counts: Mapping[str, int]) -> Stack:
    """The kinds that occur in `counts`, group by group."""
    total, start, parts = sum(counts.values()), 0.0, []
    for kind, look in LOOKS.items():
        if n := counts.get(kind, 0):
            parts.append(KindShare(kind, look.group, look.texture, n, start, 100 * n / total))
            start += 100 * n / total
    return Stack(mark, name, at, parts)
