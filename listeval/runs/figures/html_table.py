"""A small HTML table for notebooks: every text is somebody else's, so all of it is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from listeval.visible import inline


def html_table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """`caption` above a table of `rows` under `head`; a table without style, which takes the notebook's."""
    top = "".join(f"<th>{_shown(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{_shown(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><caption>{_shown(caption)}</caption><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _shown(text: str) -> str:
    return escape(inline(text))
