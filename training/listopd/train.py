"""The two stages by name; torch is imported only once a stage begins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from listopd.journal import check_out

if TYPE_CHECKING:
    from listopd.recipe import Opd, Recipe, Sft, Stage

Report = Callable[[int, int, dict[str, Any]], None]
"""Called after every step with the step (from 1), their number, and the step's figures."""


def train(recipe: Recipe, stage: str, out: Path, report: Report, *, place: str = "", resume: bool = False) -> Path:
    """Run `stage` of the recipe in the directory `out` and give the folder of the trained checkpoint.

    Raises UserError for whatever a user can put right; `place` names the recipe in its message.
    """
    from listeval.models.cpu import keep_memory, wait_passively

    section = recipe.section(cast("Stage", stage), place)
    if not resume:
        check_out(out)
    wait_passively()
    keep_memory()
    if stage == "sft":
        from listopd.sft import train_sft

        return train_sft(recipe, cast("Sft", section), out, report, resume=resume)
    from listopd.on_policy import train_opd

    return train_opd(recipe, cast("Opd", section), out, report, resume=resume)
