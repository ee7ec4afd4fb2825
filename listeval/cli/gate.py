"""Gates on the command line: the options that verbs share, what is said of each gate, and the exit code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from listeval.cli.say import say
from listeval.errors import ExitCode, UserError

if TYPE_CHECKING:
    from listeval.comparison import Comparison
    from listeval.report.gates import CheckedGate, Gate
    from listeval.report.junit import Suite
    from listeval.runs import Run, RunConfig
    from listeval.task import Task

Verb = Callable[..., Any]

_UNDER = "Exit code 4 where a figure is lower, repeatable: parse_rate=0.95."
_IF = "Exit code 4 where this holds of a figure, repeatable: 'mae > 1.5'."
_IF_CHANGED = "Exit code 4 where this holds of an arm's difference from the baseline, repeatable: 'parse_rate < -0.02'."
_ON = "What a gate looks at: the value (default), or the low or high end of its interval."
_JUNIT = "Write the gates as JUnit XML."


class GateOptions(NamedTuple):
    """The gates of a command line, understood, and where their result goes."""

    gates: Sequence[Gate]
    junit: Path | None


def run_gates(verb: Verb) -> Verb:
    """Adds the options of gates on runs."""
    return _added(
        verb,
        click.option("--fail-under", multiple=True, metavar="FIGURE=LIMIT", help=_UNDER),
        click.option("--fail-if", multiple=True, metavar="CONDITION", help=_IF),
    )


def comparison_gates(verb: Verb) -> Verb:
    """Adds the options of gates on differences."""
    return _added(verb, click.option("--fail-if", multiple=True, metavar="CONDITION", help=_IF_CHANGED))


def _added(verb: Verb, *own: Callable[[Verb], Verb]) -> Verb:
    on = click.option("--fail-on", type=click.Choice(["value", "low", "high"]), default="value", help=_ON)
    junit = click.option("--junit", metavar="FILE", help=_JUNIT)
    for option in reversed((*own, on, junit)):
        verb = option(verb)
    return verb


def wanted(fail_under: Sequence[str], fail_if: Sequence[str], fail_on: Any, junit: str | None) -> GateOptions:
    """What the options ask for, before any work. Raises UserError for what is no gate, and a file that cannot be."""
    if not (fail_under or fail_if or junit):
        return GateOptions((), None)
    from listeval.cli.writable import writable
    from listeval.report import gates

    given = [gates.fail_under(text, fail_on) for text in fail_under] + [
        gates.fail_if(text, fail_on) for text in fail_if
    ]
    return GateOptions(given, None if junit is None else writable(Path(junit), "JUnit file", "junit.xml"))


def foresee(configs: Iterable[RunConfig], asked: GateOptions) -> None:
    """Raises UserError for a gate that one of the runs to be made could not be held against.

    A task that cannot be made is left for its run to say.
    """
    if not asked.gates:
        return
    from listeval.plugins.open import make_task

    seen: set[str] = set()
    for config in configs:
        like = f"{config.task} {config.options!r} {len(config.seeds)} {config.attempts > 1}"
        if like in seen:
            continue
        try:
            task = make_task(config.task, config.options)
        except UserError:
            continue
        if _foreseen(task, config, asked.gates):
            seen.add(like)


def _foreseen(task: Task, config: RunConfig, gates: Sequence[Gate]) -> bool:
    """Whether the gates can be held against a run of `config` alone, whatever is there of it. Raises as `foresee`."""
    from listeval.report.gates import check_task

    asks_again = config.attempts > 1
    try:
        check_task(task, gates, seeds=len(config.seeds), asks_again=asks_again)
        return True
    except UserError:
        from listeval.runs.begun import seeds_of_both

        check_task(task, gates, seeds=seeds_of_both(config, task), asks_again=asks_again)
        return False


def judge_runs(runs: Sequence[Run], asked: GateOptions, failed: Sequence[tuple[str, UserError]] = ()) -> ExitCode:
    """Say of each gate whether each run keeps to it, write the JUnit file, and give the exit code.

    `failed` are runs that could not be made, by name: no gate is held against them, and the file says so.
    """
    if not asked.gates and asked.junit is None:
        return ExitCode.OK
    from listeval.report.gates import check_run
    from listeval.report.junit import Suite

    made = [
        Suite(str(run.path), check_run(run, asked.gates), len(run.strays), run.summary.unanswered + run.without_row)
        for run in runs
    ]
    code = _concluded([*made, *(Suite(name, [], 0, error=str(error)) for name, error in failed)], asked)
    # What is not there is in no figure, so a gate that holds is no pass of the whole run.
    unanswered = [(run, suite.errored) for run, suite in zip(runs, made, strict=True) if suite.errored]
    if code != ExitCode.OK or not unanswered:
        return code
    from listeval.runs.completing import completing

    for run, n in unanswered:
        cause = f"{n:,} {'sample has' if n == 1 else 'samples have'} no answer, and no gate counts what is not there"
        say(f"listeval: {cause} ({run.path}). Fix: {completing(run.path, run.manifest.config)}", err=True)
    return ExitCode.SAMPLES_ERRORED


def judge_comparison(found: Comparison, asked: GateOptions) -> ExitCode:
    """Say of each gate whether each arm keeps to it, write the JUnit file, and give the exit code."""
    if not asked.gates and asked.junit is None:
        return ExitCode.OK
    from listeval.report.gates import check_comparison
    from listeval.report.junit import Suite

    runs = {arm.run.path: arm.run for arm in found.arms}.values()
    name = f"{' and '.join(contrast.arm.name for contrast in found.contrasts)} against {found.base.name}"
    checked = check_comparison(found, asked.gates)
    return _concluded([Suite(name, checked, sum(len(run.strays) for run in runs))], asked)


def _concluded(suites: Sequence[Suite], asked: GateOptions) -> ExitCode:
    from listeval.report.junit import junit

    checked: list[CheckedGate] = [one for suite in suites for one in suite.checked]
    for one in checked:
        say(one.line, err=True)
    if asked.junit is not None:
        _write(asked.junit, junit(suites))
    return ExitCode.PREDICTION_MISSED if any(one.missed for one in checked) else ExitCode.OK


def _write(file: Path, content: bytes) -> None:
    try:
        file.write_bytes(content)
    except OSError as error:
        fix = "name a file that can be written"
        raise UserError(f"cannot write the JUnit file: {error.strerror}", place=str(file), fix=fix) from None
