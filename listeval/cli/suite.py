"""`listeval suite`: many runs from one file, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from listeval.cli.completion import files
from listeval.cli.consent import allow_options, permit
from listeval.cli.gate import foresee, run_gates, wanted
from listeval.cli.say import say, say_json
from listeval.errors import ExitCode, UserError, placed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from listeval.runs.config import RunConfig
    from listeval.runs.consent_requests import ConsentRequest
    from listeval.suites.execute_suite import Prospect
    from listeval.suites.expand import PlannedRun
    from listeval.suites.file import OpenedSuite

_FLAGS = ("--base-url", "--api-key-env", "--allow-code-execution", "--out")
"""By which a user says himself what a file asks for; the rest is `--trust`."""


@click.command("suite", short_help="Many runs from one file: tasks x models x adapters x constraints x settings.")
@click.argument("file", metavar="SUITE.yaml", shell_complete=files)
@click.option("--out", metavar="DIR", help="A directory a run and the page (default: the file's, else runs/SUITE).")
@click.option("--limit", type=int, metavar="N", help="Only the first N examples of each seed, in every run.")
@click.option("--seeds", metavar="0,1,2", help="Seeds of every run.")
@click.option("--base-url", metavar="URL", help="Server of the openai backend, for every run.")
@click.option("--api-key-env", metavar="NAME", help="Variable that holds the server's key.")
@click.option(
    "--allow-code-execution",
    is_flag=True,
    default=None,
    help="Let tasks such as mbpp run the code that the model writes, sandboxed.",
)
@click.option("--trust", is_flag=True, help="Take from the file what else needs your word: server, key, hub, code.")
@click.option("--plan", "--dry-run", "plan", is_flag=True, help="Say which runs there are and what they owe; run none.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object to stdout.")
@click.option("--quiet", is_flag=True, help="No progress.")
@run_gates
def command(
    file: str,
    trust: bool,
    plan: bool,
    as_json: bool,
    quiet: bool,
    fail_under: tuple[str, ...],
    fail_if: tuple[str, ...],
    fail_on: str,
    junit: str | None,
    **flags: Any,
) -> ExitCode:
    """Run every task with every model, constraint and setting of SUITE.yaml; a model is loaded once.

    The same command again runs only what is owed. A run that fails is named, and the others go on.
    """
    from listeval.cli.suite_result import SuiteOutput, conclude, work
    from listeval.suites.execute_suite import prospects
    from listeval.suites.file import read_suite
    from listeval.suites.typos import option_faults, refuse

    gates = wanted(fail_under, fail_if, fail_on, junit)
    suite = read_suite(Path(file))
    out = Path(flags["out"] or suite.content.out or f"runs/{Path(file).stem}")
    with placed(file):
        asked = _planned(suite, flags, out)
        _check_names(suite, asked)
        runs = _permitted(asked, flags, file, out, trusted=trust)
        refuse(option_faults(suite, runs))
        foresee((run.config for run in runs), gates)
    found = prospects(runs)
    if plan:
        return _print_plan(found, as_json)
    outcomes = work(found, quiet=quiet)
    return conclude(outcomes, SuiteOutput(Path(file).stem, out, gates, as_json))


def _planned(suite: OpenedSuite, flags: dict[str, Any], out: Path) -> list[PlannedRun]:
    """The runs of the file under the flags, which win; paths are made absolute, as those of `listeval run` are."""
    from listeval.cli.run import PATHS, absolute
    from listeval.runs.config import listed
    from listeval.suites.expand import expand

    given = {name: value for name, value in flags.items() if value is not None and name != "out"}
    if "seeds" in given:
        given["seeds"] = listed(given["seeds"])
    runs = []
    for run in expand(suite, given, out):
        paths = {name: getattr(run.config, name) for name in PATHS}
        full = {name: absolute(value, bare=name == "data") for name, value in paths.items()}
        runs.append(run._replace(config=run.config.model_copy(update=full)))
    return runs


def _check_names(suite: OpenedSuite, runs: Sequence[PlannedRun]) -> None:
    """Raises UserError for names that there are not, and with them for options of tasks that need no word to import."""
    from listeval.suites.typos import name_faults, option_faults, refuse

    if found := name_faults(suite, runs):
        refuse(found + option_faults(suite, [run for run in runs if not _asks_to_import(run.config)]))


def _asks_to_import(config: RunConfig) -> bool:
    from listeval.runs.consent_requests import of_config

    try:
        return bool(of_config({"task": config.task, "options": config.options}, {}))
    except UserError:
        return True


def _permitted(
    runs: Sequence[PlannedRun], flags: dict[str, Any], file: str, out: Path, *, trusted: bool
) -> list[PlannedRun]:
    """The runs, once the user has allowed what the file asks for. Raises UserError where that is not so."""
    from listeval.runs.consent_requests import of_config

    given = {**flags, "out": str(out) if flags["out"] else None, "options": {}}
    asks: list[ConsentRequest] = []
    for run in runs:
        own = run.config.model_dump(mode="json", exclude_unset=True)
        if flags["out"]:
            del own["out"]
        asks += of_config(own, given)
    kept = [ask if ask.flag.split(" ")[0] in _FLAGS else ask._replace(flag="") for ask in asks]
    permit(dict.fromkeys(kept), file, trusted=trusted)
    for run in runs:
        allow_options(run.config.task, run.config.options)
    return list(runs)


def _print_plan(found: Sequence[Prospect], as_json: bool) -> ExitCode:
    from listeval.cli.suite_result import name_failures, plan_json
    from listeval.report.plan import print_plan

    if as_json:
        say_json(plan_json(found))
    else:
        print_plan(found)
    failed = [(prospect.planned.name, prospect.error) for prospect in found if prospect.error]
    name_failures(failed)
    if not as_json:
        say()
        say("nothing was run (--plan)")
    return ExitCode.USAGE if failed else ExitCode.OK
