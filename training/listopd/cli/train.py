"""`listeval train`: warm start a model on contract answers, or distil it on-policy with reward extrapolation."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import click

from listeval.cli import launched, signals
from listeval.cli.completion import recipes
from listeval.cli.consent import permit
from listeval.cli.say import say, say_json
from listeval.errors import ExitCode, UserError
from listeval.visible import inline
from listopd.cli import train_merge, train_push
from listopd.cli.train_plan import plan

_SPEAK_EVERY_S = 1.6
"""Looked after four times as often, so that no two lines are more than two seconds apart."""
_CLEAR = "\r\x1b[K"


class _Train(click.Command):
    """The trainer, and beside its stages commands with arguments and options of their own, by their first word."""

    others: Mapping[str, click.Command] = {"merge": train_merge.command, "push": train_push.command}

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        other = self.others.get(args[0]) if args else None
        if other is None:
            return super().make_context(info_name, args, parent, **extra)
        return other.make_context(f"{info_name} {args[0]}", args[1:], parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        return super().invoke(ctx) if ctx.command is self else ctx.command.invoke(ctx)


@click.command("train", cls=_Train, short_help="Train: SFT warm start, or on-policy distillation (ListOPD).")
@click.argument("stage", type=click.Choice(["sft", "opd", "plan", *_Train.others]))
@click.argument("recipe_path", metavar="RECIPE", shell_complete=recipes)
@click.argument("changes", metavar="[KEY=VALUE]...", nargs=-1)
@click.option("--out", metavar="DIR", help="Run directory (default: runs/<recipe>-<stage>).")
@click.option("--resume", is_flag=True, help="Go on from the last saved state in --out.")
@click.option("--json", "as_json", is_flag=True, help="Print the last step's figures as one JSON object.")
@click.option("--quiet", is_flag=True, help="No progress.")
@click.option("--card", metavar="NAME", help="With plan: this GPU only; refused without the memory.")
@click.option("--shards", type=click.IntRange(min=1), metavar="N", help="With plan: over N GPUs by FSDP2 (default: 1).")
@click.option("--trust", is_flag=True, help="Take from RECIPE what else needs your word: hub, code, trackers.")
def command(
    stage: Literal["sft", "opd", "plan"],
    recipe_path: str,
    changes: tuple[str, ...],
    out: str | None,
    resume: bool,
    as_json: bool,
    quiet: bool,
    card: str | None,
    shards: int | None,
    trust: bool,
) -> ExitCode:
    """Train by RECIPE: a YAML file, the name of a bundled one, or an earlier run's directory.

    KEY=VALUE replaces one value of the recipe by its dotted path, such as opd.epochs=3. The trained model is
    DIR/checkpoint; `listeval run --model DIR/checkpoint` evaluates it. What only a file names and would fetch, run
    or send needs your word: KEY=VALUE again, --trust, or yes on the terminal. STAGE plan trains nothing: it says what
    memory and time the recipe's stages take on which card. `listeval train merge --help` tells of merging adapters,
    `listeval train push --help` of uploads to the hub.
    """
    from listeval.runs.consent_requests import of_recipe
    from listopd.recipe import asked, read_recipe
    from listopd.stages import train

    if stage in _Train.others:
        raise UserError(f"'{stage}' comes first", place=stage, fix=f"listeval train {stage} --help")
    if stage == "plan":
        plan(recipe_path, changes, card, shards or 1, as_json=as_json)
        return ExitCode.OK
    _refuse_words_of_plans(card, shards)
    recipe = read_recipe(recipe_path, changes)
    wanted = of_recipe(asked(recipe_path, recipe, stage, changes), lambda key, value: f"{key}={value}")
    permit(wanted, recipe_path, trusted=trust)
    directory = Path(out) if out else Path("runs") / f"{Path(recipe_path).stem}-{stage}"
    speaker = _ProgressLines(quiet=quiet or not launched.speaks())
    try:
        with signals.Uncovered(), speaker:
            checkpoint = train(recipe, stage, directory, speaker, place=recipe_path, resume=resume)
    except KeyboardInterrupt:
        if launched.speaks():
            say(f"listeval: stopped; {_how_to_resume(directory)}", err=True)
        raise click.exceptions.Exit(signals.code()) from None
    if not launched.speaks():
        return ExitCode.OK
    if as_json:
        say_json({"stage": stage, "steps": speaker.steps, "checkpoint": str(checkpoint), **speaker.last})
    else:
        if speaker.steps:
            say(speaker.line())
            say()
        say(f"checkpoint: {checkpoint}")
    return ExitCode.OK


def _refuse_words_of_plans(card: str | None, shards: int | None) -> None:
    if card is not None:
        raise UserError("only a plan is of a card; training takes the GPU there is", place="--card", fix="leave it out")
    if shards is not None:
        fix = f"accelerate launch --num_processes {shards} --use_fsdp --fsdp_version 2 -m listeval train ..."
        raise UserError("only a plan is told of shards; training shards as it is launched", place="--shards", fix=fix)


class _ProgressLines:
    """Says on stderr how far training is, at least every two seconds: the last step, or what is being done meanwhile.

    On a terminal what is being done is overwritten by the next line.
    """

    def __init__(self, *, quiet: bool) -> None:
        self.quiet, self.last, self.step, self.steps = quiet, dict[str, Any](), 0, 0
        self._began: float | None = None
        self._first = 0
        self._spoken = self._opened = time.monotonic()
        self._over, self._lock = threading.Event(), threading.Lock()
        self._terminal = sys.stderr.isatty()

    def __enter__(self) -> Self:
        if not self.quiet:
            threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        with self._lock:
            if self._terminal and not self.quiet:
                click.echo(_CLEAR, nl=False, err=True)

    def __call__(self, step: int, steps: int, figures: dict[str, Any]) -> None:
        now = time.monotonic()
        self.step, self.steps, self.last = step, steps, figures
        if self._began is None:
            self._began, self._first = now, step
        if step == steps or now - self._spoken >= _SPEAK_EVERY_S:
            self._say(self.line() + self._eta(now), now)

    def _beat(self) -> None:
        from listopd.phase import now as doing

        began, what = self._opened, ""
        while not self._over.wait(_SPEAK_EVERY_S / 4):
            now = time.monotonic()
            if doing() != what:
                began, what = now, doing()
            if now - self._spoken >= _SPEAK_EVERY_S:
                self._say(f"{what} ({now - began:.0f} s)", now, passing=True)

    def _say(self, line: str, now: float, *, passing: bool = False) -> None:
        with self._lock:
            if self.quiet or (passing and self._over.is_set()):
                return
            self._spoken = now
            start, end = (_CLEAR, "" if passing else "\n") if self._terminal else ("", "\n")
            click.echo(start + inline(line) + end, nl=False, err=True)

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


def _how_to_resume(directory: Path) -> str:
    from listopd.journal import has_state

    if has_state(directory):
        return f"--out {directory} --resume goes on from the last saved state"
    return "no state was saved (see save_every), so there is nothing to go on from"
