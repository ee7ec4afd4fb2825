"""Right answers of a run's rows, said by its task, where the task's code is there and the user lets it be imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from listeval.cli.say import say
from listeval.errors import UserError, first_line

if TYPE_CHECKING:
    from listeval.report.page.samples import RightAnswer
    from listeval.runs.store import Run


def right_answers(run: Run, *, trusted: bool) -> RightAnswer | None:
    """What the task says is the right answer to a row's target, None for an example without one.

    None, and a line on stderr, where the code is not to be had.
    """
    from listeval.cli.consent import permit
    from listeval.labelling.grading import Grading
    from listeval.plugins.open import make_task
    from listeval.runs.consent_requests import of_run, of_task

    entry = run.manifest.task
    if entry.name == Grading.name:
        # A judge's grades have no right answer.
        return None
    try:
        if not trusted and of_task(entry.name):
            cause = f"they need the code in ./tasks/{entry.name} (--trust imports it)"
            say(f"right answers are not shown: {cause}", err=True)
            return None
        if trusted:
            permit(of_run(entry), str(run.path), trusted=True)
        task = make_task(entry.name, entry.options)
    except UserError as error:
        say(f"right answers are not shown: {error}", err=True)
        return None

    def right(target: Mapping[str, Any]) -> str | None:
        try:
            return task.gold(target) if task.labelled(target) else None
        except Exception as error:  # noqa: BLE001 - a plug-in may raise anything, and a row may be of an older one
            return f"(not known: {first_line(error)})"

    return right


def right_answers_of(runs: Sequence[Run], *, trusted: bool) -> list[RightAnswer | None]:
    """Those of each run; a task with its options is made once."""
    made: dict[str, RightAnswer | None] = {}
    found = []
    for run in runs:
        key = f"{run.manifest.task.name} {sorted(run.manifest.task.options.items())!r}"
        if key not in made:
            made[key] = right_answers(run, trusted=trusted)
        found.append(made[key])
    return found
