"""The picture of the README: how answers fail under each constraint, drawn from a published comparison."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

from docs.tools.imports import ROOT

SOURCE: Final = "reports/published/2026-11-26-smollm2-constraints/vllm-k4-one-example.json"
_ARMS: Final = {
    "free": "free",
    "schema-xgrammar": "schema",
    "free+permutation": "free, then repaired",
    "permutation": "permutation",
    "scaffold": "scaffold",
}
"""Arms to show, and what they are called. The schema of the two other engines gave the same kinds."""
_COLOURS: Final = {
    "ok": ("#2f6fb5", "#fff"),
    "truncated": ("#6b7280", "#fff"),
    "unknown_id": ("#f2c14e", "#222"),
    "duplicate_id": ("#d95f30", "#fff"),
    "too_long": ("#d9d4c7", "#222"),
    "missing_id": ("#a65a8a", "#fff"),
}
"""Fill and text; told apart by lightness too."""
_LEFT, _WIDE, _TALL, _STEP, _TOP = 150, 590, 26, 36, 66


def figure() -> str:
    """An SVG. KeyError where the comparison has a kind or lacks an arm that is named here."""
    found = json.loads((ROOT / SOURCE).read_text())
    arms = {arm["name"]: arm for arm in found["arms"]}
    bars = [part for at, name in enumerate(_ARMS) for part in _bar(_ARMS[name], arms[name]["kinds"], _TOP + at * _STEP)]
    height = _TOP + len(_ARMS) * _STEP + 8
    about = f"Kinds of {found['n']} answers under each constraint"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 {height}" role="img" font-family="system-ui, '
        f'sans-serif" font-size="13">\n<title>{about}</title>\n'
        f'<rect width="760" height="{height}" rx="8" fill="#fff"/>\n'
        f'<text x="14" y="24" font-size="15" font-weight="600">How {found["n"]} answers fail, by what the decoder is '
        "held to</text>"
    )
    shown = {kind for name in _ARMS for kind, n in arms[name]["kinds"].items() if n}
    return "\n".join([head, *_legend(shown), *bars, "</svg>", ""])


def _legend(shown: set[str]) -> Iterator[str]:
    left = 14
    for kind, (fill, _) in _COLOURS.items():
        if kind in shown:
            yield f'<rect x="{left}" y="38" width="12" height="12" fill="{fill}"/>'
            yield f'<text x="{left + 17}" y="49">{kind}</text>'
            left += 36 + 8 * len(kind)


def _bar(name: str, kinds: Mapping[str, Any], y: int) -> Iterator[str]:
    yield f'<text x="{_LEFT - 10}" y="{y + 18}" text-anchor="end">{escape(name)}</text>'
    total, left = sum(kinds.values()), float(_LEFT)
    counted = {kind: n for kind, n in kinds.items() if n}
    for kind in sorted(counted, key=list(_COLOURS).index):
        fill, ink = _COLOURS[kind]
        wide = _WIDE * counted[kind] / total
        yield (
            f'<rect x="{left:.1f}" y="{y}" width="{wide:.1f}" height="{_TALL}" fill="{fill}" stroke="#fff">'
            f"<title>{kind}: {counted[kind]} of {total}</title></rect>"
        )
        if wide > 18:
            middle = f"{left + wide / 2:.1f}"
            yield f'<text x="{middle}" y="{y + 18}" text-anchor="middle" fill="{ink}">{counted[kind]}</text>'
        left += wide
