"""A comparison as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from listeval.report import markdown
from listeval.report.comparison.sentence import sentence
from listeval.report.comparison.tables import FigureTable, facts, tables

if TYPE_CHECKING:
    from listeval.comparison import Comparison


def comparison_markdown(comparison: Comparison) -> str:
    """Verdict, facts, tables."""
    parts = [f"**{_text(sentence(comparison.verdict))}**", "\n".join(f"- {_text(line)}" for line in facts(comparison))]
    for table in tables(comparison):
        parts += [f"## {table.title}", _table(table), *([_text(table.note)] if table.note else [])]
    return "\n\n".join(parts)


def _table(table: FigureTable) -> str:
    width = len(table.header)
    rows = [
        [f"**{_text(row[0])}**", *[""] * (width - 1)] if len(row) == 1 else [_text(cell) for cell in row]
        for row in table.rows
    ]
    return markdown.table([_text(name) or " " for name in table.header], rows)


def _text(text: str) -> str:
    """Names of directories may hold anything; a name must not become markup."""
    return markdown.escape(text)
