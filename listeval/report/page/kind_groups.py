"""Failure kinds by the stage that they break at: a colour for each group, and within it a texture for each kind.

Twenty colours cannot be told apart, least of all by readers who see two of the three primaries. Six can
(`tests/report/page/test_kind_groups.py` measures it), and textures and labels tell the kinds of a group apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from listeval.contract import Kind

GROUPS: dict[str, tuple[str, tuple[Kind, ...]]] = {
    "ok": ("keeps its contract", (Kind.OK,)),
    "engine": ("the engine's doing", (Kind.ENGINE_ERROR, Kind.CONSTRAINT_IGNORED)),
    "unfinished": (
        "no whole answer",
        (Kind.TRUNCATED, Kind.WHITESPACE_RUNAWAY, Kind.EMPTY, Kind.WRONG_CHANNEL, Kind.REFUSAL),
    ),
    "json": ("not JSON", (Kind.NO_JSON, Kind.MALFORMED_JSON)),
    "shape": (
        "another shape",
        (Kind.WRONG_TYPE, Kind.MISSING_KEY, Kind.EXTRA_KEY, Kind.BAD_VALUE, Kind.TOO_LONG, Kind.CONTRACT_OTHER),
    ),
    "ids": ("other ids", (Kind.DUPLICATE_ID, Kind.MISSING_ID, Kind.UNKNOWN_ID, Kind.POSITION_ONLY)),
}
"""Each group's words and its kinds, in the order in which they are drawn."""


class Look(NamedTuple):
    """How a kind is drawn: its group's colour under the texture of that number; 0 is plain."""

    group: str
    texture: int


LOOKS: dict[str, Look] = {
    kind.value: Look(group, at) for group, (_, kinds) in GROUPS.items() for at, kind in enumerate(kinds)
}
"""Every kind of the taxonomy, in the order in which kinds are drawn."""


class LegendKind(NamedTuple):
    """A kind in the legend."""

    name: str
    texture: int


class LegendGroup(NamedTuple):
    """The kinds of a group that occur, under the group's words."""

    name: str
    words: str
    kinds: list[LegendKind]


def legend(present: Sequence[str]) -> list[LegendGroup]:
    """Groups that occur among the kinds `present`."""
    found = [
        LegendGroup(name, words, [LegendKind(kind.value, LOOKS[kind].texture) for kind in kinds if kind in present])
        for name, (words, kinds) in GROUPS.items()
    ]
    return [group for group in found if group.kinds]


def drawn_order(present: Sequence[str]) -> list[str]:
    """The kinds `present` in the order of their groups, so that neighbours in a bar belong together."""
    return [kind for kind in LOOKS if kind in present]
