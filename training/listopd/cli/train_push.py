"""`listeval train push`: a checkpoint to the hub, with a card."""

from __future__ import annotations

from pathlib import Path

import click

from listeval.cli.say import say, say_strays
from listeval.errors import ExitCode


@click.command("push", short_help="Upload a checkpoint to the hub, with a model card.")
@click.argument("source", metavar="TRAINING_DIR|CHECKPOINT")
@click.argument("repository", metavar="OWNER/NAME")
@click.option("--run", "runs", metavar="RUN", multiple=True, help="An evaluation for the card, repeatable.")
@click.option("--base", metavar="OWNER/NAME", help="The hub's model that training began from (default: as recorded).")
@click.option(
    "--license", "licence", metavar="ID", default="", help="Licence, such as apache-2.0 (default: none said)."
)
@click.option("--private", is_flag=True, help="Only you and your organisation may see it.")
@click.option("--dry-run", metavar="DIR", help="Write what would be uploaded to DIR, and send nothing.")
def command(
    source: str,
    repository: str,
    runs: tuple[str, ...],
    base: str | None,
    licence: str,
    private: bool,
    dry_run: str | None,
) -> ExitCode:
    """Upload a training's checkpoint to OWNER/NAME on the Hugging Face hub, in one commit, with your token.

    The card says what it was trained from, how the evaluations of --run came out, with intervals, and what was not
    measured. A run of another checkpoint is refused. A card that is there already is replaced. Look at it first:
    --dry-run. The token is huggingface_hub's own: `hf auth login`, or $HF_TOKEN.
    """
    from listeval.runs import load_run
    from listopd.push.card import CardDetails
    from listopd.push.folder import push_checkpoint
    from listopd.push.origin import find_origin

    opened = [load_run(run) for run in runs]
    code = say_strays(opened)
    where = Path(dry_run) if dry_run is not None else None
    said = CardDetails(repository, licence, base)
    done = push_checkpoint(find_origin(Path(source)), opened, said, private=private, dry_run=where)
    if done.left_out:
        say(f"not part of a checkpoint, so left out: {', '.join(done.left_out)}", err=True)
    say(f"{'would be uploaded' if dry_run is not None else 'uploaded'}: {done.place}")
    return code
