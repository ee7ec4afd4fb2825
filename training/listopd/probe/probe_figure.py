"""A probe as one SVG that needs nothing else: p and b by class, and by item where the list goes on or ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from listopd.probe.probe_result import ProbeResult
from listopd.probe.summary import ProbePart, ProbeRow, Spread
from listopd.tokens import TokenClass

_COLOURS = ("#2457a6", "#c2571a")
_WIDTH, _LEFT, _RIGHT = 760, 170, 730
_ROW, _HEAD = 26, 76
_TICKS = (0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999)
_LOWEST, _HIGHEST = math.log(0.005 / 0.995), math.log(0.9999995 / 5e-7)
"""Beyond these log-odds everything is drawn at the edge."""


class Bar(NamedTuple):
    """A spread: its name (empty for the second of a pair), colour, height, and the places of 5 %, mean and 95 %."""

    name: str
    colour: str
    y: int
    low: float
    middle: float
    high: float
    text: str


class Panel(NamedTuple):
    """Bars under one title; `top` is where the panel begins, `height` its own."""

    title: str
    top: int
    height: int
    bars: list[Bar]


class FigureTick(NamedTuple):
    """A mark on the axis."""

    x: float
    text: str


def probe_figure(result: ProbeResult) -> str:
    """The drawing, as SVG text."""
    from jinja2 import Environment, StrictUndefined

    template = Path(__file__).with_name("figure.svg.jinja").read_text(encoding="utf-8")
    panels = _panels(result.parts)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template).render(
        title=result.shown,
        teacher=result.manifest["models"]["teacher"]["name"],
        base=result.manifest["models"]["base"]["name"],
        width=_WIDTH,
        height=panels[-1].top + panels[-1].height + 46,
        left=_LEFT,
        colours=_COLOURS,
        ticks=[FigureTick(_x(value), f"{value:g}") for value in _TICKS],
        panels=panels,
    )


def _panels(parts: Sequence[ProbePart]) -> list[Panel]:
    found: list[Panel] = []
    top = _HEAD
    for part in parts:
        where = "right answers" if part.source == "gold" else part.source
        for title, rows in ((f"Steps on {where}", part.classes), (f"After an item, on {where}", _after_items(part))):
            if rows:
                bars = [bar for at, row in enumerate(rows) for bar in _pair(at, row)]
                found.append(Panel(title, top, _ROW * len(rows) + 12, bars))
                top += found[-1].height + 44
    return found


def _after_items(part: ProbePart) -> list[ProbeRow]:
    kinds = (TokenClass.NEXT_ITEM, TokenClass.CLOSE_LIST)
    return sorted((row for row in part.items if row.kind in kinds), key=lambda row: (row.item or 0, row.kind))


def _pair(at: int, row: ProbeRow) -> tuple[Bar, Bar]:
    name = row.kind.meaning if row.item is None else f"item {row.item}: {row.kind.meaning}"
    y = 20 + _ROW * at
    return _bar(name, 0, y, row.p, row.n), _bar("", 1, y + 9, row.b, row.n)


def _bar(name: str, colour: int, y: int, found: Spread, n: int) -> Bar:
    text = f"mean {found.mean:.6f}, median {found.q50:.6f}, {n} steps"
    return Bar(name, _COLOURS[colour], y, _x(found.q05), _x(found.mean), _x(found.q95), text)


def _x(probability: float) -> float:
    """Where a probability stands."""
    log_odds = min(_HIGHEST, max(_LOWEST, math.log(probability) - math.log1p(-probability)))
    return round(_LEFT + (log_odds - _LOWEST) / (_HIGHEST - _LOWEST) * (_RIGHT - _LEFT), 1)
