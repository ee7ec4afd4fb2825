"""Whether a stage fits a card, and what would make it fit: changes of the recipe that planning anew has tried."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache, partial
from itertools import islice
from typing import TYPE_CHECKING

from listeval.errors import UserError
from listopd.floor import Machine, known
from listopd.plan.outline import Outline
from listopd.plan.training_plan import Plan, find_config, find_models, make_plan
from listopd.recipe import Opd, Recipe, Scratch, changed

if TYPE_CHECKING:
    import torch

    from listopd.recipe import Stage

_HALVINGS = 3
"""Of a bound on the data: with less than an eighth of a prompt it is another training."""
_MORE = (2, 4, 8)
"""Times the GPUs that there are."""


def check_fits(recipe: Recipe, plan: Plan, place: str) -> None:
    """Raises UserError, with what would help, where a card of the recipe's plan has not the memory."""
    for one in plan.on:
        if one.fits:
            continue
        need, has = one.memory.peak / 1e9, one.card.memory / 1e9
        each = " in each process" if plan.shards > 1 else ""
        cause = f"stage {plan.stage} takes about {need:.0f} GB{each}, and {one.card.name} has {has:.0f}"
        raise UserError(cause, place=place, fix=_Trial(plan, one.card, one.memory.peak).advice(recipe))


def check_device(recipe: Recipe, stage: Stage, device: torch.device, shards: int = 1) -> None:
    """Raises UserError for a training whose weights alone are larger than this GPU, before any of them is loaded.

    `shards` processes hold one copy of them.
    """
    import torch

    if device.type != "cuda":
        return
    name = torch.cuda.get_device_name(device)
    total = float(torch.cuda.get_device_properties(device).total_memory)
    rates = known(name) or Machine(1.0, 1.0, name)
    card = Machine(rates.flops, rates.bandwidth, rates.source, name, total)
    found = make_plan(recipe, stage, "", [card], shards)
    if found.on[0].memory.fixed > total:
        check_fits(recipe, found, name)


class _Trial:
    """Plans a stage that does not fit the card anew, with changes."""

    def __init__(self, plan: Plan, card: Machine, peak: float) -> None:
        self._plan, self._card, self._before = plan, card, peak
        # Many plans are made of the same few models.
        self._models = partial(find_models, read=cache(find_config))

    def advice(self, recipe: Recipe) -> str:
        """Changes each of which makes the stage fit, else those that do together; in words what else does."""
        ways = list(self._ways(recipe))
        tried = [self._lowered(recipe, [way]) for way in ways]
        fixes = [" ".join(changes) for changes, peak in tried if peak <= self._card.memory]
        together, least = self._lowered(recipe, ways)
        if not fixes and least <= self._card.memory:
            fixes = [" ".join(together)]
        fixes += self._gpus(recipe)
        if not fixes and together:
            fixes = [f"{gpus} with {' '.join(together)}" for gpus in self._gpus(changed(recipe, together))]
        stays = "" if fixes or not together else f": {least / 1e9:.0f} GB stay with {' '.join(together)}"
        return ", or ".join([*fixes, "smaller models"]) + stays

    def _gpus(self, recipe: Recipe) -> list[str]:
        """The fewest on which it fits, at most one entry."""
        enough = (n for n in (self._plan.shards * more for more in _MORE) if self._peak(recipe, n) <= self._card.memory)
        return [f"{n} GPUs (FSDP2)" for n in islice(enough, 1)]

    def _lowered(self, recipe: Recipe, ways: Iterable[list[str]]) -> tuple[list[str], float]:
        """Of each way the mildest change with which the stage fits, else the one with the lowest peak; and that peak.

        Ends where it fits. A way that does not lower the peak is left out.
        """
        taken, peak = list[str](), self._before
        for way in ways:
            best = recipe
            for change in way:
                lower = self._peak(new := changed(recipe, [change]), self._plan.shards)
                if lower >= peak:
                    continue
                taken = [*taken, change] if best is recipe else [*taken[:-1], change]
                best, peak = new, lower
                if peak <= self._card.memory:
                    return taken, peak
            recipe = best
        return taken, peak

    def _peak(self, recipe: Recipe, shards: int) -> float:
        try:
            plan = make_plan(recipe, self._plan.stage, "", [self._card], shards, self._models)
        except UserError:  # such as shares that are not even
            return float("inf")
        return plan.on[0].memory.peak

    def _ways(self, recipe: Recipe) -> Iterator[list[str]]:
        """By how little they change of the training; of each its changes, the mildest first."""
        stage, spec = self._plan.stage, recipe.section(self._plan.stage, "")
        yield ["precision.gradient_checkpointing=true"]
        (planned,) = (one for one in self._plan.on if one.card == self._card)
        yield [f"precision.tokens_per_pass={n}" for n in _halves(planned.memory.tokens) if n >= 64]
        if isinstance(spec, Opd):
            yield [f"opd.gpu_share={share:g}" for share in self._shares(spec)]
        if isinstance(spec, Opd) or not isinstance(spec.model, Scratch):
            # Beside weights that nobody trained, adapters learn nothing of use.
            yield [f"{stage}.lora.rank=16"]
        yield [f"max_prompt={n}" for n in islice(_halves(self._plan.prompt), _HALVINGS)]
        if isinstance(spec, Opd):
            yield [f"opd.max_tokens={n}" for n in islice(_halves(self._plan.answer), _HALVINGS)]

    def _shares(self, spec: Opd) -> list[float]:
        """Hundredths of the card that still hold vLLM's weights, and keys and values of the longest answer."""
        student = Outline.of(self._models(spec).student)
        least = 2 * student.weights + student.cache_token * (self._plan.prompt + self._plan.answer)
        hundredths = range(int(100 * spec.gpu_share) - 1, 0, -1)
        return [n / 100 for n in hundredths if n / 100 * self._card.memory >= least]


def _halves(count: int) -> Iterator[int]:
    """Half of it, a quarter, and so on down to 1."""
    while count > 1:
        count //= 2
        yield count
