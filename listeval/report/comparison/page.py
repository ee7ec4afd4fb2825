"""A comparison as one HTML page that needs nothing else: verdict, figures, failures, tables, samples, provenance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from listeval.report.comparison import charts
from listeval.report.comparison.headline import choice, heads, subject, verdict_title
from listeval.report.comparison.sentence import sentence
from listeval.report.comparison.tables import FigureTable, costs, effects, facts, kinds, mark, marked, tables
from listeval.report.page.browser import browser
from listeval.report.page.csv_tables import csv_tables
from listeval.report.page.kind_groups import drawn_order, legend
from listeval.report.page.provenance import provenance
from listeval.report.page.render import inert_json, render_page, write_text
from listeval.report.page.repeat import compare_command
from listeval.report.page.samples import RightAnswer, of_comparison
from listeval.report.page.setting_curves import CurvePlot, curves
from listeval.runs.collector import collector_paused
from listeval.runs.damage import located

if TYPE_CHECKING:
    from listeval.comparison import Comparison


def write_page(comparison: Comparison, path: Path, right: RightAnswer | None = None) -> None:
    """Write the page. Raises UserError where the file cannot be written."""
    write_text(comparison_page(comparison, right), path)


@collector_paused()
def comparison_page(comparison: Comparison, right: RightAnswer | None = None) -> str:
    """The page; `right` gives the right answer to a row's question, where it is to be had."""
    from markupsafe import Markup

    c, verdict = comparison, comparison.verdict
    with located([arm.run.path for arm in c.arms]):
        found = browser(of_comparison(c, right))
    return render_page(
        "comparison.html",
        title=f"{c.base.run.manifest.task.name}: {' / '.join(arm.name for arm in c.arms)}",
        verdict=verdict,
        sentence=sentence(verdict),
        choice=choice(verdict),
        headline_of=verdict_title(verdict),
        subject=subject(verdict),
        heads=heads(verdict),
        thresholds=c.thresholds,
        facts=facts(c),
        panels=charts.panels(c),
        stacks=charts.stacks(c),
        legend=legend(drawn_order(charts.present(c))),
        matrices=charts.matrices(c),
        plots=_curves(c),
        headline=tables(c)[0],
        others=charts.others(c),
        effects=effects(c) if c.factorials else None,
        costs=costs(c),
        kinds=kinds(c),
        kept=_kept(c),
        arms=[marked(c, at) for at in range(len(c.arms))],
        marks=[f"[{at + 1}]" for at in range(len(c.arms))],
        paired=True,
        browser=found,
        statistics=c.to_json()["statistics"],
        provenance=provenance([arm.run for arm in c.arms]),
        command=compare_command(c),
        data=Markup(inert_json(found.head)),
    )


def _kept(c: Comparison) -> list[FigureTable]:
    """What the task kept beside each run; a repaired arm has nothing of its own."""
    raw = [at for at, arm in enumerate(c.arms) if arm.repairs is None]
    runs = [c.arms[at].run for at in raw]
    return csv_tables(runs, [mark(at) for at in raw]) if len(runs) > 1 else []


def _curves(c: Comparison) -> list[CurvePlot]:
    """Of the arms as they were run; a repaired arm is at no other place of any setting than its run."""
    raw = [at for at, arm in enumerate(c.arms) if arm.repairs is None]
    return curves([c.arms[at].run for at in raw], [c.values[at] for at in raw], c.headline)
