"""A suite at work and what is said of it: failures, tables, curves, comparisons, the page, and the exit code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from listeval.cli.gate import GateOptions, judge_runs
from listeval.cli.say import say, say_json, say_strays
from listeval.errors import ExitCode, UserError

if TYPE_CHECKING:
    from listeval.report.suite_page import GroupLine
    from listeval.runs import Run, RunConfig
    from listeval.runs.observer import Observer
    from listeval.suites.curves import Curve
    from listeval.suites.execute_suite import Prospect, RunOutcome


class SuiteOutput(NamedTuple):
    """What a user wants to see of a suite; without `out` there is no page and no comparison."""

    title: str
    out: Path | None
    gates: GateOptions
    as_json: bool

    @classmethod
    def of(cls, config: RunConfig, gates: GateOptions, as_json: bool) -> Self:
        """Of runs that one configuration stands for."""
        return cls(config.task, None if config.out is None else Path(config.out), gates, as_json)


def work(found: Sequence[Prospect], *, quiet: bool) -> list[RunOutcome]:
    """Make every run, in the order in which `found` has them; failures are said as they come."""
    from listeval.cli.progress import Progress
    from listeval.suites.execute_suite import execute

    @contextmanager
    def watch(line: str) -> Iterator[Observer]:
        with Progress(quiet=quiet) as progress:
            progress.note(line)
            yield progress

    done: dict[str, RunOutcome] = {}
    for outcome in execute(found, watch):
        done[outcome.planned.name] = outcome
        name_failures([(outcome.planned.name, outcome.error)])
    return [done[prospect.planned.name] for prospect in found]


def name_failures(failed: Iterable[tuple[str, UserError | None]]) -> None:
    """A line on stderr for each run that has an error."""
    for name, error in failed:
        if error is not None:
            say(f"listeval: run '{name}' failed: {error}", err=True)


def conclude(outcomes: Sequence[RunOutcome], asked: SuiteOutput) -> ExitCode:
    """Print and write what there is to be seen, hold the gates against it, and give the exit code.

    A run that failed counts as samples that errored, but for a canary that did not pass.
    """
    from listeval.suites.curves import curves

    runs = [outcome.run for outcome in outcomes if outcome.run is not None]
    failed = [(outcome.planned.name, outcome.error) for outcome in outcomes if outcome.error is not None]
    code = say_strays(runs)
    found = curves(runs)
    groups = [] if asked.out is None else _compared(outcomes, asked.out)
    page = "" if asked.out is None else _page(asked, runs, failed, found, groups)
    if asked.as_json:
        say_json(_json(outcomes, found, groups, page))
    else:
        _print(runs, found, groups, page)
    if failed:
        say(f"listeval: {len(failed)} of {len(outcomes)} runs failed: {', '.join(n for n, _ in failed)}", err=True)
    if any(run.summary.unanswered for run in runs):
        code = max(code, ExitCode.SAMPLES_ERRORED)
    for _, error in failed:
        code = max(code, error.exit_code if error.exit_code != ExitCode.USAGE else ExitCode.SAMPLES_ERRORED)
    return max(code, judge_runs(runs, asked.gates, failed))


def _print(runs: Sequence[Run], found: Sequence[Curve], groups: Sequence[GroupLine], page: str) -> None:
    from listeval.report.curve_tables import print_curves
    from listeval.report.terminal import print_runs

    if runs:
        print_runs(runs)
    print_curves(found)
    for group in groups:
        say()
        say(f"{group.name}: {group.text}")
    if page:
        say()
        say(f"page: {page}")


def _compared(outcomes: Sequence[RunOutcome], out: Path) -> list[GroupLine]:
    """Each group of two runs or more, compared, with its page; what cannot be compared says why."""
    from listeval.cli.right import right_answers
    from listeval.comparison import compare
    from listeval.report.comparison.page import write_page
    from listeval.report.comparison.sentence import sentence
    from listeval.report.suite_page import GroupLine

    groups: dict[str, list[Run]] = {}
    for outcome in outcomes:
        if outcome.run is not None:
            groups.setdefault(outcome.planned.group, []).append(outcome.run)
    lines = []
    for name, runs in groups.items():
        if len(runs) < 2:
            continue
        page = out / f"compare-{name}.html"
        try:
            found = compare([run.path for run in runs])
            # The task's code has run already: the user has allowed it.
            write_page(found, page, right_answers(found.base.run, trusted=True))
            lines.append(GroupLine(name, sentence(found.verdict), page.name))
        except UserError as error:
            lines.append(GroupLine(name, f"not compared: {error}", ""))
    return lines


def _page(
    asked: SuiteOutput,
    runs: Sequence[Run],
    failed: Sequence[tuple[str, UserError]],
    found: Sequence[Curve],
    groups: Sequence[GroupLine],
) -> str:
    from listeval.disk import make_directory
    from listeval.report.suite_page import suite_page, write_suite_page

    assert asked.out is not None, "a page has a directory"
    make_directory(asked.out)
    path = asked.out / "index.html"
    said = [f"{name}: {error}" for name, error in failed]
    write_suite_page(suite_page(asked.title, runs, said, found, groups), path)
    return str(path)


def _json(outcomes: Sequence[RunOutcome], found: Sequence[Curve], groups: Sequence[GroupLine], page: str) -> Any:
    return {
        "runs": [{"name": o.planned.name, **o.run.to_json()} for o in outcomes if o.run is not None],
        "failed": [{"name": o.planned.name, "error": str(o.error)} for o in outcomes if o.error is not None],
        "curves": [curve.to_json() for curve in found],
        "comparisons": [group._asdict() for group in groups],
        "page": page or None,
    }


def plan_json(found: Sequence[Prospect]) -> Any:
    """What `--plan --json` prints."""
    return {
        "runs": [
            {
                "name": one.planned.name,
                "out": one.planned.config.out,
                "task": one.config.task,
                "options": one.config.options,
                "model": one.config.model,
                "backend": one.config.backend,
                "constraint": one.config.constraint,
                "samples": one.samples,
                "there": one.there,
                "error": str(one.error) if one.error else None,
            }
            for one in found
        ]
    }
