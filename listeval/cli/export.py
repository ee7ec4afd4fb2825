"""`listeval export`: a run for other tools."""

from __future__ import annotations

from pathlib import Path

import click

from listeval.cli.say import say, say_strays
from listeval.errors import ExitCode
from listeval.export import FORMATS

_DATASET = "The hub's data set that the run is of (hf-eval-results, model-index); default: the one that it read."


@click.command("export", short_help="A run for other tools: CSV, Parquet, Inspect, lm-eval, model cards.")
@click.argument("run_path", metavar="RUN")
@click.option("--to", "form", type=click.Choice(FORMATS), required=True, help="The format.")
@click.option("--out", metavar="PATH", required=True, help="The file to write; for lm-eval, the folder.")
@click.option("--dataset", metavar="OWNER/NAME", default="", help=_DATASET)
def command(run_path: str, form: str, out: str, dataset: str) -> ExitCode:
    """Write RUN in the format of another tool; nothing is computed that `report` does not show.

    csv and parquet are one row a sample. inspect is a log for `inspect view` and needs inspect-ai. lm-eval is a folder
    with results and samples. eee is a record of Every Eval Ever. hf-eval-results and model-index go to a model's page.
    """
    from listeval.export import export
    from listeval.runs import load_run

    run = load_run(run_path)
    code = say_strays([run])
    for file in export(run, form, Path(out), dataset=dataset):
        say(f"{form}: {file}", err=True)
    return code
