"""Every generated file of the documentation, as text by its place; a test compares them with what is committed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from docs.tools import cli_page, formats, journeys
from docs.tools.floor_plan import draw
from docs.tools.imports import ROOT
from docs.tools.kinds_figure import figure
from docs.tools.rooms import Room, rooms_of_listeval, rooms_of_listopd
from listeval.cli import config_page

_BLOCK = re.compile(r"(<!-- made by docs\.tools: (\w+) -->\n).*?(<!-- end -->)", re.S)


def pages() -> dict[str, str]:
    """Text by path from the root of the repository."""
    schemas = formats.schemas()
    house, trainer = rooms_of_listeval(), rooms_of_listopd()
    blocks = {
        "rooms": _rooms(house),
        "trainer": _rooms(trainer),
        "journeys": journeys.written(),
        **{name: formats.table(schema) for name, schema in schemas.items()},
    }
    return {
        "docs/config.md": config_page.page(),
        "docs/cli.md": cli_page.page(),
        "docs/images/rooms.svg": draw(house, "Rooms of listeval: an arrow goes from a room to one that it imports"),
        "docs/images/trainer.svg": draw(trainer, "Rooms of listopd: an arrow goes from a room to one that it imports"),
        "docs/images/kinds.svg": figure(),
        **{f"docs/schemas/{name}.schema.json": formats.rendered(schema) for name, schema in schemas.items()},
        **{name: _filled(name, blocks) for name in ("docs/architecture.md", "docs/formats.md")},
    }


def write() -> list[str]:
    """Write what is not as it should be, and name it."""
    changed = []
    for name, text in pages().items():
        file = ROOT / name
        if not file.exists() or file.read_text() != text:
            file.write_text(text)
            changed.append(name)
    return changed


def _filled(name: str, blocks: Mapping[str, Iterable[str]]) -> str:
    """A page whose marked blocks are made anew; all else in it is written by hand."""

    def made(found: re.Match[str]) -> str:
        return found[1] + "\n".join(["", *blocks[found[2]], "", found[3]])

    return _BLOCK.sub(made, (ROOT / name).read_text())


def _rooms(rooms: Mapping[str, Room]) -> Iterable[str]:
    yield "| room | what it is for | imports |\n| --- | --- | --- |"
    for room in rooms.values():
        imports = ", ".join(f"`{name}`" for name in sorted(room.imports))
        yield f"| `{room.name}` | {room.purpose.replace('|', chr(92) + '|')} | {imports} |"
