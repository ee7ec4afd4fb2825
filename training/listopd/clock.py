"""The time that a chat template prints: one for all prompts of a training, on whatever day it goes on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from listopd.journal import recorded_clock
from listopd.parallel import gathered

if TYPE_CHECKING:
    from accelerate import Accelerator

    from listeval.models.renderer import Renderer


def keep_clock(renderer: Renderer, recorded_in: Path | None, accelerator: Accelerator) -> None:
    """Hold the template's clock still, in all processes alike: where the training in `recorded_in` began, else at now.

    To be called before a prompt is rendered. Nothing happens for a template without a clock.
    """
    if renderer.clock is None:
        return
    told = recorded_clock(recorded_in) if recorded_in is not None else None
    renderer.set_clock(gathered(told or renderer.clock, accelerator)[0])
