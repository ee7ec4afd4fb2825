"""The drawing of rooms and arrows: an SVG that needs no program to be made and none to be seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from docs.tools.rooms import Room, layers, needed

_BOX, _TALL, _STEP, _GAP = 108, 32, 84, 12
_MARGIN, _MOST = 20, 7


def draw(rooms: Mapping[str, Room], title: str) -> str:
    """An SVG of `rooms`, the highest first; an arrow goes from a room to one that it imports."""
    arrows = needed(rooms)
    floors = _order(layers(rooms), arrows)
    width = 2 * _MARGIN + min(_MOST, max(map(len, floors))) * (_BOX + _GAP)
    places = _places(floors, width)
    bottom = max(y for _, y in places.values()) + _TALL + _MARGIN
    lines = [
        _line(places[start], places[end], level=places[start][1] == places[end][1]) for start, end in sorted(arrows)
    ]
    boxes = [_box(rooms[name], *place) for name, place in sorted(places.items())]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {bottom}" width="{width}" height="{bottom}" '
        f'role="img" font-family="system-ui, sans-serif" text-anchor="middle">\n<title>{escape(title)}</title>\n'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#64748b"/></marker></defs>\n'
        f'<rect width="{width}" height="{bottom}" rx="8" fill="#f8fafc"/>'
    )
    return "\n".join([head, *lines, *boxes, "</svg>", ""])


def _order(floors: Sequence[Sequence[str]], arrows: set[tuple[str, str]]) -> list[list[str]]:
    """Floors from the top, each room near the middle of those that it is joined to."""
    ordered = [sorted(floor) for floor in reversed(floors)]
    for _ in range(6):
        at = {name: (place + 0.5) / len(floor) for floor in ordered for place, name in enumerate(floor)}

        def middle(name: str, at: dict[str, float] = at) -> float:
            joined = [at[end if start == name else start] for start, end in arrows if name in (start, end)]
            return sum(joined) / len(joined) if joined else at[name]

        ordered = [sorted(floor, key=lambda name: (round(middle(name), 6), name)) for floor in ordered]
    return ordered


def _places(floors: Sequence[Sequence[str]], width: int) -> dict[str, tuple[int, int]]:
    """Left upper corner of each box. A floor with too many for one row takes several, a little below each other."""
    found, top = {}, _MARGIN
    for names in floors:
        rows = -(-len(names) // _MOST)
        gap = (width - 2 * _MARGIN) / len(names)
        for place, name in enumerate(names):
            left = min(max(_MARGIN, _MARGIN + gap * (place + 0.5) - _BOX / 2), width - _MARGIN - _BOX)
            found[name] = (round(left), top + place % rows * (_TALL + _GAP))
        top += _STEP + (rows - 1) * (_TALL + _GAP)
    return found


def _line(start: tuple[int, int], end: tuple[int, int], level: bool) -> str:
    x, y = start[0] + _BOX // 2, start[1] + _TALL
    to_x, to_y = end[0] + _BOX // 2, end[1] + (_TALL if level else 0)
    bend = 26 if level else (to_y - y) // 2
    curve = f"M{x} {y}C{x} {y + bend} {to_x} {to_y + (bend if level else -bend)} {to_x} {to_y}"
    return f'<path d="{curve}" fill="none" stroke="#94a3b8" stroke-width="1.2" marker-end="url(#tip)"/>'


def _box(room: Room, x: int, y: int) -> str:
    middle, name = x + _BOX // 2, escape(room.name)
    return (
        f'<g><title>{escape(room.purpose)}</title><rect x="{x}" y="{y}" width="{_BOX}" height="{_TALL}" rx="6" '
        f'fill="#fff" stroke="#4051b5"/><text x="{middle}" y="{y + 20}" font-size="14" fill="#1e293b">{name}</text></g>'
    )
