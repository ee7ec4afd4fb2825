"""A comparison as LaTeX: booktabs tables, to be put into a paper by `\\input`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from listeval.report.comparison.sentence import sentence
from listeval.report.comparison.tables import FigureTable, facts, tables
from listeval.visible import visible

if TYPE_CHECKING:
    from listeval.comparison import Comparison

_ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "→": r"$\to$", "∞": r"$\infty$", "λ": r"$\lambda$", "κ": r"$\kappa$",
    "[": "{[}",
}  # fmt: skip
"""A bracket at the beginning of a row would be read as the optional argument of the `\\\\` before it."""


def comparison_latex(comparison: Comparison) -> str:
    """Tables with captions; the facts stand as comments, the verdict as the first paragraph. Needs `booktabs`."""
    comments = [f"% {visible(line)}".replace("\n", " ") for line in facts(comparison)]
    return "\n".join([*comments, latex_text(sentence(comparison.verdict)), "", *map(latex_table, tables(comparison))])


def latex_table(table: FigureTable) -> str:
    """One booktabs table with its caption."""
    width = len(table.header)
    caption = latex_text(f"{table.title}. {table.note}".strip())
    lines = [r"\begin{table}", r"\centering\small", rf"\caption{{{caption}}}"]
    lines += [rf"\begin{{tabular}}{{l{'r' * (width - 1)}}}", r"\toprule", _row(table.header), r"\midrule"]
    for row in table.rows:
        lines.append(
            rf"\multicolumn{{{width}}}{{l}}{{\textit{{{latex_text(row[0])}}}}} \\" if len(row) == 1 else _row(row)
        )
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _row(cells: Sequence[str]) -> str:
    return " & ".join(latex_text(cell) for cell in cells) + r" \\"


def latex_text(text: str) -> str:
    """Text on one line, of which LaTeX reads nothing as a command."""
    return "".join(_ESCAPES.get(c, c) for c in visible(text)).replace("\n", " ")
