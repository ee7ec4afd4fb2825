"""`listeval report`: one table of one or several runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from listeval.cli.gate import judge_runs, run_gates, wanted
from listeval.cli.right import right_answers_of
from listeval.cli.say import say, say_block, say_json, say_strays, say_unfinished
from listeval.cli.writable import writable
from listeval.errors import ExitCode


@click.command("report", short_help="Tables of one or several runs: terminal, Markdown, JSON or a page.")
@click.argument("run_paths", metavar="RUN...", type=click.Path(), nargs=-1, required=True)
@click.option(
    "--format", "form", type=click.Choice(["table", "markdown", "json"]), default="table", help="Default: table."
)
@click.option("--json", "as_json", is_flag=True, help="Short for --format json.")
@click.option("--html", "page", metavar="FILE", help="Write one self-contained page: figures, failures, samples.")
@click.option("--figures", "folder", metavar="DIR", help="Write the figures as SVG and PDF, for papers.")
@click.option("--trust", is_flag=True, help="Import task code from ./tasks that RUN names, for the right answers.")
@click.option("--all", "all_kinds", is_flag=True, help="Kinds that did not occur too (table).")
@run_gates
def command(
    run_paths: tuple[str, ...],
    form: str,
    as_json: bool,
    page: str | None,
    folder: str | None,
    trust: bool,
    all_kinds: bool,
    **gates: Any,
) -> ExitCode:
    """Metrics with intervals, outcome counts and the failure table of each RUN, recomputed from its rows."""
    from listeval.runs import load_run
    from listeval.runs.collector import collector_paused

    asked = wanted(**gates)
    target = None if page is None else writable(Path(page), "page", "report.html")
    with collector_paused():
        runs = [load_run(path) for path in run_paths]
        code = say_strays(runs)
        say_unfinished(runs)
        if target is not None:
            from listeval.report.page.run_page import write_runs_page

            write_runs_page(runs, target, right_answers_of(runs, trusted=trust))
            say(f"page: {target}", err=True)
    if folder is not None:
        from listeval.report.drawings import write_drawings

        say(f"figures: {len(write_drawings(runs, Path(folder)))} files in {folder}", err=True)
    if as_json or form == "json":
        objects = [run.to_json() for run in runs]
        say_json(objects[0] if len(objects) == 1 else objects)
    elif form == "markdown":
        from listeval.report.markdown import markdown

        say_block(markdown(runs))
    else:
        from listeval.report.terminal import print_runs

        print_runs(runs, all_kinds=all_kinds)
    return max(code, judge_runs(runs, asked))
