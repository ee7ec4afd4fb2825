"""`listeval export`: a run for other tools."""

from __future__ import annotations

from pathlib import Path

import click

from listeval.cli.completion import options_of
from listeval.cli.say import say, say_strays, say_unfinished
from listeval.errors import ExitCode, UserError
from listeval.export import FORMATS

_HUB = "hub"
"""The one format that goes out into the world instead of into a file."""
_DATASET = "The hub's data set that the run is of (hf-eval-results, model-index); default: the one that it read."


@click.command("export", short_help="A run for other tools: CSV, Parquet, Inspect, lm-eval, model cards.")
@click.argument("run_path", metavar="RUN", type=click.Path())
@click.option("--to", "form", type=click.Choice((*FORMATS, _HUB)), required=True, help="The format.")
@click.option(
    "--out",
    metavar="PATH",
    required=True,
    help="The file to write; for lm-eval, the folder; for hub, OWNER/NAME.",
    **options_of("--out"),
)
@click.option("--dataset", metavar="OWNER/NAME", default="", help=_DATASET)
@click.option("--private", is_flag=True, help="hub: only you and your organisation may see it.")
@click.option("--license", "licence", metavar="ID", default="", help="hub: licence of the rows, such as cc-by-4.0.")
@click.option("--dry-run", metavar="DIR", help="hub: write what would be uploaded to DIR, and send nothing.")
def command(
    run_path: str, form: str, out: str, dataset: str, private: bool, licence: str, dry_run: str | None
) -> ExitCode:
    """Write RUN in the format of another tool; nothing is computed that `report` does not show.

    csv and parquet are one row a sample. inspect is a log for `inspect view` and needs inspect-ai. lm-eval is a folder
    with results and samples. eee is a record of Every Eval Ever. hf-eval-results and model-index go to a model's page.
    hub uploads the rows, prompts and answers among them, with a card as a data set, with your token (`hf auth login`).
    """
    from listeval.export import export
    from listeval.runs import load_run

    if form != _HUB and (private or licence or dry_run):
        flag = "--private" if private else "--license" if licence else "--dry-run"
        raise UserError(f"only --to hub has a use for {flag}", place=flag, fix="leave it out")
    run = load_run(run_path)
    code = say_strays([run])
    say_unfinished([run])
    if form == _HUB:
        from listeval.export.rows_card import push_rows

        done = push_rows(run, out, private=private, licence=licence, dry_run=Path(dry_run) if dry_run else None)
        say(f"hub: {done}", err=True)
        return code
    for file in export(run, form, Path(out), dataset=dataset):
        say(f"{form}: {file}", err=True)
    return code
