"""From a task's name to a task that is ready: made with its options, permitted, its data loaded, prepared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pydantic import ValidationError

from listeval.errors import UserError, config_error
from listeval.plugins.blame import blame, home_of
from listeval.plugins.declared import check_declared
from listeval.plugins.loaded import check_loaded
from listeval.plugins.registry import load_task
from listeval.task import MOST, Dataset, Task


def make_task(name: str, options: dict[str, Any]) -> Task:
    """The task with its options. Raises UserError for an unknown task or option."""
    task_type = load_task(name)
    try:
        chosen_options = task_type.Options.model_validate(options)
    except ValidationError as error:
        raise config_error(error, task_type.Options.option_names(), prefix="--set ") from None
    with blame(task_type.__new__(task_type), "cannot be made"):
        task = task_type(chosen_options)
        check_declared(task, str(home_of(task)))
        return task


def token_budget(task: Task) -> int:
    """`task.max_tokens`; raises UserError where the task raises or it is no budget."""
    with blame(task, "has no token budget (max_tokens)"):
        found = task.max_tokens
        if type(found) is not int or not 1 <= found <= MOST:
            raise TypeError(f"it is {found!r:.60}, not an integer from 1 on")
        return found


def permit(task: Task, allowed: bool) -> None:
    """Raises UserError where the task runs code that a model wrote and the user has not allowed that."""
    if task.executes_code and not allowed:
        cause = f"task '{task.name}' runs the code that the model writes"
        raise UserError(cause, fix="add --allow-code-execution to run it sandboxed")


def load(task: Task, data: str | None, seed: int) -> Dataset:
    """`task.load`; raises UserError with the plug-in's own line for whatever it raises."""
    with blame(task, "cannot load its data", fix="correct the task, or give it other data"):
        found = task.load(data, seed)
        check_loaded(found)
        return found


@contextmanager
def ready(task: Task) -> Iterator[None]:
    """`task.prepare` before the block and `task.close` after it; raises UserError for whatever they raise."""
    with blame(task, "cannot get ready to score"):
        task.prepare()
    try:
        yield
    except BaseException:
        # What went wrong inside matters more than what closing makes of it.
        with suppress(Exception):
            task.close()
        raise
    with blame(task, "cannot close"):
        task.close()
