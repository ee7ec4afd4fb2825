"""`listeval compare`: constrain, repair or train? Runs on the same samples, paired."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from listeval.cli.gate import comparison_gates, judge_comparison, wanted
from listeval.cli.right import right_answers
from listeval.cli.say import say, say_block, say_json, say_strays
from listeval.cli.writable import writable
from listeval.errors import ExitCode

if TYPE_CHECKING:
    from listeval.comparison import Comparison

_MARGIN = "Loss of ranking quality that is borne, as a share of the metric's range."
_ORDER = "Cheapest first, of repair,change,constrain,re-ask,train (the default)."


@click.command("compare", short_help="Constrain, repair or train? Runs on the same samples, paired.")
@click.argument("run_paths", metavar="RUN...", type=click.Path(), nargs=-1, required=True)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "markdown", "latex", "json"]),
    default="table",
    help="Default: table.",
)
@click.option("--json", "as_json", is_flag=True, help="Short for --format json.")
@click.option("--html", "page", metavar="FILE", help="Write one self-contained page: figures, matrix, samples.")
@click.option("--across-prompts", is_flag=True, help="Pair samples whose prompts differ, to compare the prompts.")
@click.option("--trust", is_flag=True, help="Import task code from ./tasks, to repair and for right answers.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the resamples.")
@click.option("--margin", type=float, default=0.1, show_default=True, help=_MARGIN)
@click.option("--alpha", type=float, default=0.05, show_default=True, help="Chance of a false gain over all arms.")
@click.option("--cost-order", "order", metavar="WAYS", default="", help=_ORDER)
@comparison_gates
def command(
    run_paths: tuple[str, ...],
    form: str,
    as_json: bool,
    page: str | None,
    across_prompts: bool,
    trust: bool,
    seed: int,
    margin: float,
    alpha: float,
    order: str,
    **gates: Any,
) -> ExitCode:
    """Compare runs on the samples that all of them answered; the first RUN is the baseline.

    RUN+permutation and RUN+truncation+permutation are a run with its broken answers repaired: an
    arm of its own, made from the run's rows without a model. Nothing is repaired otherwise.
    """
    from listeval.comparison import compare
    from listeval.comparison.thresholds import Thresholds, cost_order
    from listeval.runs.collector import collector_paused

    asked = wanted((), **gates)
    target = None if page is None else writable(Path(page), "page", "compare.html")
    _permit_repairs(run_paths, trusted=trust)
    rules = Thresholds(margin, alpha, cost_order([way.strip() for way in order.split(",") if way.strip()]))
    with collector_paused():
        found = compare(run_paths, across_prompts=across_prompts, thresholds=rules, seed=seed)
        code = say_strays({arm.run.path: arm.run for arm in found.arms}.values())
        if target is not None:
            from listeval.report.comparison.page import write_page

            write_page(found, target, right_answers(found.base.run, trusted=trust))
            say(f"page: {target}", err=True)
    _print(found, "json" if as_json else form)
    return max(code, judge_comparison(found, asked))


def _permit_repairs(specs: tuple[str, ...], *, trusted: bool) -> None:
    """Raises UserError where a repair would import code that the user has not allowed."""
    from listeval.cli.consent import permit
    from listeval.comparison.arms import split
    from listeval.runs import load_run
    from listeval.runs.consent_requests import of_run

    for path, policies in map(split, specs):
        if policies:
            permit(of_run(load_run(path).manifest.task), str(path), trusted=trusted)


def _print(found: Comparison, form: str) -> None:
    if form == "json":
        from listeval.report.comparison.as_json import comparison_json

        say_json(comparison_json(found))
    elif form == "markdown":
        from listeval.report.comparison.as_markdown import comparison_markdown

        say_block(comparison_markdown(found))
    elif form == "latex":
        from listeval.report.comparison.as_latex import comparison_latex

        say_block(comparison_latex(found))
    else:
        from listeval.report.comparison.on_terminal import print_comparison

        print_comparison(found)
