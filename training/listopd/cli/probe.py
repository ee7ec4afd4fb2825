"""`listeval probe`: how sure teacher and base are of every structural step, and the λ* that follows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from listeval.cli.consent import permit
from listeval.cli.say import say, say_json
from listeval.cli.writable import writable
from listeval.errors import UserError

if TYPE_CHECKING:
    from listopd.probe.probe_result import ProbeResult

_OPTIONS: tuple[tuple[str, type, str, str], ...] = (
    ("--student", str, "CKPT", "Who writes the rollouts (default: the base)."),
    ("--data", str, "PATH|hub", "Data file or folder; default: the task's bundled sample."),
    ("--limit", int, "N", "Only the first N examples of each seed (default 32; 128 with --curve)."),
    ("--seeds", str, "0,1,2", "Each seed groups and orders the data anew (default 0)."),
    ("--temperature", float, "T", "Of the rollouts; 0 is greedy (default)."),
    ("--max-tokens", int, "N", "Token budget of a rollout (default: the task's)."),
    ("--clip", float, "C", "Cap c on the teacher/student ratio (default 5)."),
    ("--steps", float, "N", "Budget of the training that is to be predicted; needs --kappa."),
    ("--kappa", float, "K", "Drift rate per step: listopd.threshold.fit_drift of the cliffs at two budgets."),
    ("--scaffold", float, "P", "Least teacher probability of a position that counts (default 0.9)."),
    ("--lambdas", str, "1,1.1,...", "λ of the target curve (default: 16 from 1 to 5)."),
    ("--floor", float, "P", "Base's least probability of a token that the curve counts; 0: all (default 0.0003)."),
    ("--bootstrap", int, "N", "Resamples of the prompts for the intervals (default 2000)."),
    ("--dtype", str, "NAME", "float32 (default), bfloat16 or float16."),
    ("--device", str, "NAME", "cpu, cuda, cuda:1, ... (default: the best there is)."),
)


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    for flag, kind, metavar, text in reversed(_OPTIONS):
        function = click.option(flag, type=kind, metavar=metavar, help=text)(function)
    return function


@click.command("probe", short_help="How sure are teacher and base of every structural step? λ* with intervals.")
@click.option("--recipe", metavar="RECIPE", help="Models, data, base, cap and budget of `train opd RECIPE`.")
@click.option("--teacher", metavar="CKPT", help="Checkpoint folder, hub id or packaged name.")
@click.option("--base", metavar="CKPT", help="The warm start: what the student begins from.")
@click.option("--task", metavar="NAME", help="Task plug-in; see `listeval tasks list`.")
@_options
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Task option, repeatable: --set k=4.")
@click.option("--on", type=click.Choice(["gold", "rollouts", "both"]), help="Which answers are read (default: both).")
@click.option(
    "--cap",
    type=click.Choice(["teacher_ratio", "rollout", "none"]),
    help="What c bounds in the training that is to be predicted (default: teacher_ratio).",
)
@click.option("--ids", is_flag=True, default=None, help="Count the characters of ids as scaffold.")
@click.option("--thinking/--no-thinking", "enable_thinking", default=None, help="Passed to the chat template.")
@click.option("--curve", is_flag=True, default=None, help="Also decode the untrained target at every λ of a grid.")
@click.option("--curve-figure", metavar="FILE.svg|pdf", help="Draw the target curve (needs matplotlib).")
@click.option("--figure", metavar="FILE.svg", help="Draw p and b by class and by item.")
@click.option("--out", metavar="FILE.json", help="Write the whole result.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object to stdout.")
@click.option("--quiet", is_flag=True, help="No progress.")
@click.option("--trust", is_flag=True, help="Take from RECIPE what else needs your word: hub, task code.")
def command(
    settings: tuple[str, ...],
    figure: str | None,
    curve_figure: str | None,
    out: str | None,
    as_json: bool,
    quiet: bool,
    trust: bool,
    **flags: Any,
) -> None:
    """Teacher-force TEACHER and BASE on right answers and on rollouts, and say up to which λ it is safe.

    Every character of the scaffold (`}` to `,`, `}` to `]`, quotes, keys, ...) gets the probability of
    its right continuation under both, whatever the tokenizer merges; p is the teacher's, b the base's.
    --teacher, --base and --task are needed unless a recipe names them; a flag given beside it counts more.

    With --curve the untrained target is decoded greedily at every λ, and its answers are judged by the contract:
    where training would break. With --out a curve that was stopped goes on, with the date that its prompts had.
    """
    from listeval.cli.run import parse_setting
    from listopd.curve.locked import LIMIT
    from listopd.probe.probe_config import build_config
    from listopd.probe.recipe_settings import read_plan
    from listopd.probe.run_probe import probe

    values = {name: value for name, value in flags.items() if value is not None}
    if "recipe" in values:
        _permit(values, trusted=trust)
        values = read_plan(values["recipe"], values)
    elif missing := [f"--{name}" for name in ("teacher", "base", "task") if name not in values]:
        raise UserError(f"missing {', '.join(missing)}", fix="give them, or --recipe with the recipe of a training")
    values["options"] = {**values.get("options", {}), **dict(map(parse_setting, settings))}
    for name in ("seeds", "lambdas"):
        if isinstance(values.get(name), str):
            values[name] = [part.strip() for part in values[name].split(",") if part.strip()]
    if values.get("curve"):
        values.setdefault("limit", LIMIT)
    config = build_config(values)
    drawing = None if figure is None else _target(Path(figure), (".svg",), "figure")
    plot = None if curve_figure is None else _plot(Path(curve_figure), config.curve)
    target = None if out is None else _target(Path(out), (".json",), "result")
    answers = target.with_suffix(".answers.jsonl") if target is not None and config.curve else None
    found = probe(config, (lambda line: None) if quiet else (lambda line: say(line, err=True)), answers)
    if target is not None:
        _write(target, found.to_json())
    if drawing is not None:
        from listopd.probe.probe_figure import probe_figure

        _write(drawing, probe_figure(found))
    if plot is not None and found.curve is not None:
        from listopd.curve.curve_figure import draw_curve

        draw_curve(found.curve, plot)
        say(f"written: {plot}", err=True)
    _print(found, as_json)


def _permit(flags: dict[str, Any], *, trusted: bool) -> None:
    """Ask for the user's word for what a recipe names and no flag does, before anything of it is opened."""
    from listeval.runs.consent_requests import of_recipe
    from listopd.recipe import asked, read_recipe

    place = flags["recipe"]
    named = asked(place, read_recipe(place), "opd", [f"opd.{name}" for name in flags])
    named = {key: value for key, value in named.items() if key != "trackers" and flags.get(key) != value}
    permit(of_recipe(named, lambda key, value: f"--{key.rpartition('.')[2]} {value}"), place, trusted=trusted)


def _plot(file: Path, asked: bool) -> Path:
    """Raises UserError before the work where the curve could not be drawn after it."""
    from listopd.curve.curve_figure import SUFFIXES, require_matplotlib

    if not asked:
        raise UserError("there is no curve to draw", place="--curve-figure", fix="add --curve")
    require_matplotlib()
    return _target(file, SUFFIXES, "figure")


def _target(file: Path, suffixes: tuple[str, ...], what: str) -> Path:
    """Raises UserError before the work where the file cannot be written after it."""
    if file.suffix not in suffixes:
        fix = f"name a file such as probe{suffixes[0]}"
        raise UserError(f"the {what} is written as {' or '.join(suffixes)}", place=str(file), fix=fix)
    return writable(file, what, f"probe{suffixes[0]}")


def _write(file: Path, text: str) -> None:
    from listeval.disk import write_atomic

    write_atomic(file, text.encode())
    say(f"written: {file}", err=True)


def _print(found: ProbeResult, as_json: bool) -> None:
    if as_json:
        say_json(json.loads(found.to_json()), indent=1)
        return
    from listopd.probe.probe_terminal import print_probe

    print_probe(found)
