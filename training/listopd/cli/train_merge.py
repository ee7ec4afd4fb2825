"""`listeval train merge`: an adapter and its base as one checkpoint."""

from __future__ import annotations

from pathlib import Path

import click

from listeval.cli.consent import permit
from listeval.cli.say import say
from listeval.errors import ExitCode, UserError


@click.command("merge", short_help="Add an adapter to its base: a plain checkpoint.")
@click.argument("adapter", metavar="ADAPTER")
@click.option("--out", metavar="DIR", required=True, help="The folder to write the checkpoint to.")
@click.option("--base", metavar="CKPT", help="The model that the adapter is for (default: what the adapter names).")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16", "float16"]),
    help="Type of the weights (default: as the training around ADAPTER saved, else the base's own).",
)
@click.option("--trust", is_flag=True, help="Fetch the base from the hub where only ADAPTER names it.")
def command(adapter: str, out: str, base: str | None, dtype: str | None, trust: bool) -> ExitCode:
    """Merge ADAPTER, a folder of peft's such as DIR/adapter of a training, into the model that it was trained on.

    Sums are float32. From an adapter of listeval's trainer it makes the very checkpoint that the training wrote.
    """
    from listeval.models.adapter import open_adapter
    from listeval.runs.consent_requests import of_model
    from listopd.merge import merge

    found = open_adapter(adapter)
    name = base or found.base
    if not name:
        raise UserError("the adapter does not say what it is for", place=adapter, fix="name the model: --base CKPT")
    if base is None:
        permit(of_model(name, "--base"), adapter, trusted=trust)
    say(f"checkpoint: {merge(found, name, Path(out), dtype)}")
    return ExitCode.OK
