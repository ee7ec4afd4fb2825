"""The two stages by name; torch is imported only once a stage begins."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from listeval.disk import user_path
from listeval.errors import UserError, first_line
from listopd.journal import check_out

if TYPE_CHECKING:
    from listopd.recipe import Opd, Recipe, Sft, Stage
    from listopd.training_loop import StepReport


def train(recipe: Recipe, stage: str, out: Path, report: StepReport, *, place: str = "", resume: bool = False) -> Path:
    """Run `stage` of the recipe in the directory `out` and give the folder of the trained checkpoint.

    Raises UserError for whatever a user can put right; `place` names the recipe in its message. Where that is the
    directory of a training, it is repeated with the date that its prompts had.
    """
    from listeval.models.cpu import keep_memory, wait_passively

    section = recipe.section(cast("Stage", stage), place)
    if not resume:
        check_out(out)
    wait_passively()
    keep_memory()
    earlier = user_path(place) if place and user_path(place).is_dir() else None
    with _repeatable(recipe), _in_group():
        if stage == "sft":
            from listopd.sft import train_sft

            return train_sft(recipe, cast("Sft", section), out, report, resume=resume, earlier=earlier)
        from listopd.on_policy import train_opd

        return train_opd(recipe, cast("Opd", section), out, report, resume=resume, earlier=earlier)


@contextmanager
def _in_group() -> Iterator[None]:
    """Whatever ends a training, its processes leave each other before Python ends.

    Raises UserError in those that another one left behind, which has said what ended it.
    """
    from listopd.parallel import leave_group, of_lost_process

    try:
        yield
    except RuntimeError as error:
        if not of_lost_process(error):
            raise
        cause = "another process of this training ended or cannot be reached"
        raise UserError(cause, place=first_line(error), fix="put right what that one's own message says") from error
    finally:
        leave_group()


@contextmanager
def _repeatable(recipe: Recipe) -> Iterator[None]:
    """Where the recipe asks for it, algorithms that repeat themselves to the bit, for as long as this lasts.

    Raises UserError for an operation that torch has none for.
    """
    if not recipe.precision.deterministic:
        yield
        return
    import torch

    # Read once, when cuBLAS is first used.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    except RuntimeError as error:
        if "deterministic" not in str(error):
            raise
        fix = "precision.deterministic=false, or another precision.attention"
        raise UserError(first_line(error), place="precision.deterministic", fix=fix) from error
    finally:
        torch.use_deterministic_algorithms(before)
