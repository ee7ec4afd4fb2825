"""`listeval train`: warm start a model on contract answers, or distil it on-policy with reward extrapolation."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from listeval.cli.say import say, say_json
from listeval.errors import ExitCode

_SPEAK_EVERY_S = 10.0
_INTERRUPTED = 130


@click.command("train", short_help="Train: SFT warm start, or on-policy distillation (ListOPD).")
@click.argument("stage", type=click.Choice(["sft", "opd"]))
@click.argument("recipe_path", metavar="RECIPE")
@click.argument("changes", metavar="[KEY=VALUE]...", nargs=-1)
@click.option("--out", metavar="DIR", help="Run directory (default: runs/<recipe>-<stage>).")
@click.option("--resume", is_flag=True, help="Go on from the last saved state in --out.")
@click.option("--json", "as_json", is_flag=True, help="Print the last step's figures as one JSON object.")
@click.option("--quiet", is_flag=True, help="No progress.")
def command(
    stage: str, recipe_path: str, changes: tuple[str, ...], out: str | None, resume: bool, as_json: bool, quiet: bool
) -> ExitCode:
    """Train by RECIPE: a YAML file, the name of a bundled one, or an earlier run's directory.

    KEY=VALUE replaces one value of the recipe by its dotted path, such as opd.epochs=3. The trained model is
    DIR/checkpoint; `listeval run --model DIR/checkpoint` evaluates it.
    """
    from listopd.parallel import is_main
    from listopd.recipe import read_recipe
    from listopd.train import train

    recipe = read_recipe(recipe_path, changes)
    directory = Path(out) if out else Path("runs") / f"{Path(recipe_path).stem}-{stage}"
    speaker = _Speaker(quiet=quiet)
    try:
        checkpoint = train(recipe, stage, directory, speaker, place=recipe_path, resume=resume)
    except KeyboardInterrupt:
        if is_main():
            say(f"listeval: stopped; {_way_on(directory)}", err=True)
        raise click.exceptions.Exit(_INTERRUPTED) from None
    if not is_main():
        return ExitCode.OK
    if as_json:
        say_json({"stage": stage, "steps": speaker.steps, "checkpoint": str(checkpoint), **speaker.last})
    else:
        if speaker.steps:
            say(speaker.line())
            say()
        say(f"checkpoint: {checkpoint}")
    return ExitCode.OK


class _Speaker:
    """Says on stderr how far training is: a line now and then, and the last figures at the end."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet, self.last, self.step, self.steps = quiet, dict[str, Any](), 0, 0
        self._began: float | None = None
        self._first = 0
        self._spoken = 0.0

    def __call__(self, step: int, steps: int, figures: dict[str, Any]) -> None:
        now = time.monotonic()
        self.step, self.steps, self.last = step, steps, figures
        if self._began is None:
            self._began, self._first = now, step
        if not self.quiet and (step == steps or now - self._spoken >= _SPEAK_EVERY_S):
            self._spoken = now
            say(self.line() + self._eta(now), err=True)

    def line(self) -> str:
        """The present step and its figures on one line of at most 80 columns."""
        known = ("loss", "parse_rate", "fmc", "reverse_kl", "lambda", "grad_norm")
        said = [f"{name} {self.last[name]:.3g}" for name in known if name in self.last]
        return f"step {self.step}/{self.steps} " + " ".join(said)

    def _eta(self, now: float) -> str:
        if self._began is None or self.step in (self._first, self.steps):
            return ""
        left = (now - self._began) / (self.step - self._first) * (self.steps - self.step)
        return f" {int(left // 60)}:{int(left % 60):02d} left"


def _way_on(directory: Path) -> str:
    if (directory / "state").exists():
        return f"--out {directory} --resume goes on from the last saved state"
    return "no step had ended, so there is nothing to go on from"
