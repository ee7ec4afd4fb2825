"""`listeval score`: re-score a run from its own rows."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from listeval.cli.consent import permit
from listeval.cli.gate import judge_runs, run_gates, wanted
from listeval.cli.say import say, say_json, say_strays, say_unfinished
from listeval.errors import ExitCode

if TYPE_CHECKING:
    from listeval.runs import Run


@click.command("score", short_help="Parse and score a run's answers again, without a model.")
@click.argument("run_path", metavar="RUN", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object to stdout.")
@click.option("--allow-code-execution", is_flag=True, help="Let the task run the model's code again, sandboxed.")
@click.option("--quiet", is_flag=True, help="No progress.")
@click.option("--trust", is_flag=True, help="Import the code that RUN names: a task in ./tasks, a contract.")
@run_gates
def command(
    run_path: str, as_json: bool, allow_code_execution: bool, quiet: bool, trust: bool, **gates: Any
) -> ExitCode:
    """Parse and score RUN again with today's task code; needs neither model nor data."""
    from listeval.cli.progress import Progress
    from listeval.runs import load_run, rescore
    from listeval.runs.consent_requests import of_run

    asked = wanted(**gates)
    permit(of_run(load_run(run_path).manifest.task), run_path, trusted=trust)
    with Progress(quiet=quiet) as progress:
        finished = rescore(run_path, allow_code_execution=allow_code_execution, observer=progress)
    code = say_strays([finished])
    say_unfinished([finished])
    _say_newer_files(finished)
    if as_json:
        say_json(finished.to_json())
    else:
        from listeval.report.terminal import print_runs

        print_runs([finished])
    return max(code, judge_runs([finished], asked))


def _say_newer_files(run: Run) -> None:
    """Name on stderr each file of the task's options, such as a schema, that was written after the run was made."""
    made = datetime.fromisoformat(run.manifest.created).timestamp()
    for name in run.manifest.task.files:
        value = str(run.manifest.task.options.get(name))
        try:
            newer = Path(value).stat().st_mtime > made
        except (OSError, ValueError):
            continue
        if newer:
            cause = f"{name}={value} was written after the run, whose rows keep what was right when they were made"
            fix = f"to judge its answers by the file: listeval run ... --backend replay --model {run.path}"
            say(f"listeval: {cause}. Fix: {fix}", err=True)
