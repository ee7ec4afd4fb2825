"""Writing a study's report: report.html, report.md, report.tex and figures/*.svg, beside the arms."""

from __future__ import annotations

from pathlib import Path

from listeval.disk import write_atomic
from listeval.report import markdown
from listeval.report.comparison.as_latex import latex_table, latex_text
from listeval.report.comparison.tables import FigureTable
from listeval.report.page.render import page_environment, templates
from listopd.cliff.lock import Lock
from listopd.cliff.report.gather import StudyReport, gather
from listopd.cliff.report.study_figures import Figure, figures
from listopd.cliff.report.tables import facts, tables, verdict_line
from listopd.cliff.study import StudyFile
from listopd.cliff.verify import verify_study


def write_report(file: StudyFile, lock: Lock, out: Path) -> list[Path]:
    """The files that were written. Raises UserError for damaged arms, and where matplotlib is not installed."""
    found = gather(file, lock, out, verify_study(file, lock, out))
    drawn, shown = figures(found), tables(found)
    folder = out / "figures"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.svg"):
        old.unlink()
    texts = {
        "report.html": page(found, shown, drawn),
        "report.md": as_markdown(found, shown, drawn),
        "report.tex": as_latex(found, shown),
    } | {f"figures/{figure.name}": figure.svg for figure in drawn}
    for name, text in texts.items():
        write_atomic(out / name, text.encode(errors="replace"))
    return [out / name for name in texts]


def page(found: StudyReport, shown: list[FigureTable], drawn: list[Figure]) -> str:
    """One page that needs nothing else: no network, no scripts, figures inside."""
    from markupsafe import Markup

    return (
        page_environment()
        .get_template("cliff.html")
        .render(
            title=f"Cliff study: {found.file.study.name}",
            verdict=verdict_line(found),
            facts=facts(found),
            tables=shown,
            # matplotlib escapes all text that it puts into an SVG.
            figures=[(figure.caption, Markup(_inline(figure.svg)), figure.wide) for figure in drawn],
            style=Markup((templates() / "page.css").read_text(encoding="utf-8")),
            # matplotlib draws by style attributes, which no hash can name; there is no script at all.
            policy=Markup("default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"),
        )
    )


def _inline(svg: str) -> str:
    """The svg element alone: a page has no room for the prologue of an XML document."""
    return svg[svg.index("<svg") :]


def as_markdown(found: StudyReport, shown: list[FigureTable], drawn: list[Figure]) -> str:
    """Facts, tables, and links to the figures."""
    parts = [f"# Cliff study: {markdown.escape(found.file.study.name)}", f"**{markdown.escape(verdict_line(found))}**"]
    parts.append("\n".join(f"- {markdown.escape(line)}" for line in facts(found)))
    for one in shown:
        parts += [f"## {markdown.escape(one.title)}", _markdown(one)]
        parts += [markdown.escape(one.note)] if one.note else []
    if drawn:
        parts.append("## Figures")
    parts += [f"![{markdown.escape(figure.caption)}](figures/{figure.name})" for figure in drawn]
    return "\n\n".join(parts) + "\n"


def _markdown(one: FigureTable) -> str:
    width = len(one.header)
    rows = [
        [f"**{markdown.escape(row[0])}**", *[""] * (width - 1)]
        if len(row) == 1
        else [markdown.escape(cell) for cell in row]
        for row in one.rows
    ]
    return markdown.table([markdown.escape(name) for name in one.header], rows)


def as_latex(found: StudyReport, shown: list[FigureTable]) -> str:
    """booktabs tables with captions; the facts stand as comments."""
    comments = [f"% {' '.join(line.split())}" for line in facts(found)]
    return "\n".join([*comments, latex_text(verdict_line(found)), "", *map(latex_table, shown)])
