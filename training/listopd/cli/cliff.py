"""`listeval cliff`: predict where extrapolation breaks the format, lock that, sweep λ, and say what was true."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from listeval.cli.completion import studies
from listeval.cli.consent import permit
from listeval.cli.pulse import current
from listeval.cli.say import say, say_block, say_json
from listeval.errors import ExitCode

if TYPE_CHECKING:
    from listeval.runs.consent_requests import ConsentRequest
    from listopd.cliff.arms import Runner
    from listopd.cliff.lock import Lock
    from listopd.cliff.study import StudyFile

_OUT = click.option("--out", metavar="DIR", help="The study's directory (default: runs/<its name>).")
_DEVICE = click.option("--device", metavar="NAME", help="cpu, cuda, ... (default: the best there is).")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object to stdout.")
_QUIET = click.option("--quiet", is_flag=True, help="No progress.")
_TRUST = click.option("--trust", is_flag=True, help="Take from STUDY what else needs your word: hub, code, launcher.")


@click.group("cliff", short_help="Studies of the extrapolation cliff: plan, lock, sweep, verify, report.")
def command() -> None:
    """STUDY is a YAML file, or the name of a bundled one: pairs, λ grid, seeds, budgets, methods, evaluation,
    predictions. See docs/cliff.md.

    The order is plan, lock, sweep, verify, report. Once it is locked, neither study nor predictions may change.
    """


@command.command("plan")
@click.argument("study", shell_complete=studies)
@_OUT
@_DEVICE
@_JSON
@_TRUST
def plan(study: str, out: str | None, device: str | None, as_json: bool, trust: bool) -> None:
    """What STUDY would train, what that costs, and what it predicts. Nothing is trained or written."""
    from listopd.cliff.study_plan import plan_of, plan_text

    file, directory = _open(study, out)
    found = plan_of(file, _runner(file, device, trust=trust), directory)
    if as_json:
        say_json(found)
    else:
        say_block(plan_text(found))


@command.command("lock")
@click.argument("study", shell_complete=studies)
@_OUT
@_DEVICE
@_JSON
@_QUIET
@_TRUST
def lock(study: str, out: str | None, device: str | None, as_json: bool, quiet: bool, trust: bool) -> None:
    """Foretell every pair of STUDY without training, and fix all predictions as numbers.

    Refused once an arm has begun. The seal that is printed is the lock's sha256: publish it before the sweep.
    """
    from listopd.cliff.lock_study import lock_study

    file, directory = _open(study, out)
    runner = _runner(file, device, directory / "starts", trust=trust)
    made = lock_study(file, runner, directory, _line_printer(quiet=quiet))
    _say_lock(made, as_json)


@command.command("sweep")
@click.argument("study", shell_complete=studies)
@_OUT
@_DEVICE
@click.option("--jobs", type=click.IntRange(min=1), default=1, metavar="N", help="Processes at a time (recipes only).")
@click.option("--part", "parts", multiple=True, metavar="NAME", help="Only this part, repeatable.")
@_JSON
@_QUIET
@_TRUST
def sweep(
    study: str,
    out: str | None,
    device: str | None,
    jobs: int,
    parts: tuple[str, ...],
    as_json: bool,
    quiet: bool,
    trust: bool,
) -> None:
    """Train and evaluate the arms of a locked STUDY. The same command again goes on where it was stopped."""
    from listeval.runs.lock import exclusive
    from listopd.cliff.lock import read_lock
    from listopd.cliff.sweep import chosen, sweep_arms

    file, directory = _open(study, out)
    locked = read_lock(file, directory)
    arms = chosen(file, parts)
    runner = _runner(file, device, directory / "starts", jobs=jobs, trust=trust)
    with exclusive(directory):
        done = sweep_arms(locked, arms, runner, directory, _line_printer(quiet=quiet))
    if as_json:
        say_json({"arms": len(arms), "finished_now": done, "out": str(directory)})
    else:
        say(f"{len(arms)} arms are finished, {done} of them now: {directory}")
        say(f"what was true: listeval cliff verify {study}" + (f" --out {out}" if out else ""))


@command.command("verify")
@click.argument("study", shell_complete=studies)
@_OUT
@_JSON
def verify(study: str, out: str | None, as_json: bool) -> ExitCode:
    """Each prediction of STUDY: hit, missed, or not decidable. Exit code 4 where one is missed."""
    import json

    from listopd.cliff.lock import read_lock
    from listopd.cliff.verify import as_json as findings_json
    from listopd.cliff.verify import exit_code, findings_text, verify_study

    file, directory = _open(study, out)
    locked = read_lock(file, directory)
    found = verify_study(file, locked, directory)
    if as_json:
        say_json(json.loads(findings_json(found, locked)))
    else:
        say_block(findings_text(found))
    return exit_code(found)


@command.command("report")
@click.argument("study", shell_complete=studies)
@_OUT
@_JSON
def report(study: str, out: str | None, as_json: bool) -> None:
    """Write report.html, report.md, report.tex and the figures of STUDY into its directory."""
    from listopd.cliff.lock import read_lock
    from listopd.cliff.report.write import write_report

    file, directory = _open(study, out)
    files = write_report(file, read_lock(file, directory), directory)
    if as_json:
        say_json({"files": [str(one) for one in files]})
    else:
        for one in files:
            say(f"written: {one}")


def _open(study: str, out: str | None) -> tuple[StudyFile, Path]:
    from listopd.cliff.study import StudyFile, study_path

    file = StudyFile(study_path(study))
    return file, Path(out) if out else Path("runs") / file.study.name


def _runner(file: StudyFile, device: str | None, keep: Path | None = None, *, jobs: int = 1, trust: bool) -> Runner:
    """The study's runner, once the user's word is there for what only the file names."""
    from listopd.cliff.runners import make_runner

    permit(_questions_of_consent(file), str(file.path), trusted=trust)
    runner = make_runner(file, device=device, jobs=jobs, keep=keep)
    runner.check(file.arms)
    return runner


def _questions_of_consent(file: StudyFile) -> list[ConsentRequest]:
    from listeval.runs.consent_requests import ConsentRequest, of_recipe
    from listopd.cliff.study import RecipeRunnerSpec
    from listopd.recipe import asked, read_recipe

    spec = file.study.runner
    if not isinstance(spec, RecipeRunnerSpec):
        return []
    # What every arm sets for itself is not asked for.
    own = ["opd.student=", "opd.teacher=", "opd.base=", "trackers="]
    named = asked(spec.recipe, read_recipe(spec.recipe), "opd", own)
    named |= dict(spec.changes)
    for name, pair in file.study.pairs.items():
        named |= {f"{name}.{role}": value for role, value in pair.model_dump(exclude={"size"}).items()}
    found = of_recipe(named, lambda key, value: "")
    evaluated = {name: value for name, value in spec.evaluation.model_dump(include={"task", "data"}).items() if value}
    found += of_recipe(evaluated, lambda key, value: "")
    if spec.launcher:
        found.append(ConsentRequest(f"start '{' '.join(spec.launcher)}'", ""))
    return found


def _line_printer(*, quiet: bool) -> Callable[[str], None]:
    return partial(_say, quiet=quiet)


def _say(line: str, *, quiet: bool) -> None:
    """Progress on stderr; the pulse need not say that anything is going on."""
    current().spoke()
    if not quiet:
        say(line, err=True)


def _say_lock(made: Lock, as_json: bool) -> None:
    value: dict[str, Any] = {"seal": made.seal, "numbers": made.content["numbers"]}
    if as_json:
        say_json(value)
        return
    for name, number in made.numbers.items():
        words = {math.inf: "no cliff"}.get(number, "abstains" if math.isnan(number) else f"{number:.4g}")
        say(f"{name:<24} {words}")
    say(f"locked: {made.seal}")
