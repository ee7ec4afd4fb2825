"""The network that learns, with its optimiser: gradients summed over passes and processes, then one checked step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import torch

from listopd.optimise import check_finite, make_optimiser, set_rate
from listopd.parallel import gathered
from listopd.score import Scorer

if TYPE_CHECKING:
    from accelerate import Accelerator

    from listopd.recipe import Optimiser

P = TypeVar("P")


class Update(NamedTuple):
    """What one optimiser step did: the loss over all processes, and the gradient's norm before it was clipped."""

    loss: float
    grad_norm: float


class Trainee:
    """A network under training."""

    def __init__(
        self,
        network: Any,
        spec: Optimiser,
        accelerator: Accelerator,
        temperature: float = 1.0,
        vocab: int | None = None,
    ) -> None:
        self.network, self.accelerator, self._spec = network, accelerator, spec
        scorer = Scorer(network, temperature, vocab)
        self.head = scorer
        """The scorer without a parallel wrapper, for its head alone."""
        self.scorer, self.optimiser = accelerator.prepare(scorer, make_optimiser(scorer.parameters(), spec))

    @property
    def sharded(self) -> bool:
        """Whether each process holds a part of the weights only."""
        return any(hasattr(parameter, "full_tensor") for parameter in self.network.parameters())

    def update(self, passes: Sequence[P], loss: Callable[[P, bool], torch.Tensor], rate: float, step: int) -> Update:
        """One optimiser step on the sum of `loss` over this process' passes and all processes.

        `loss` divides by a count over ALL processes and passes, so the step does not depend on how the
        batch was cut; its second argument is false for a pass that is done once more only to keep step with
        other processes. Raises UserError, the weights untouched, where loss or gradient is not finite.
        """
        world = self.accelerator.num_processes
        total = torch.zeros((), device=self.accelerator.device)
        # Sharded networks exchange weights in every pass, so all processes need as many; spare ones weigh nothing.
        rounds = max(gathered(len(passes), self.accelerator))
        for i in range(rounds):
            own, last = i < len(passes), i == rounds - 1
            with nullcontext() if last else self.accelerator.no_sync(self.scorer):
                with self.accelerator.autocast():
                    part = loss(passes[min(i, len(passes) - 1)], own) * float(own)
                # Processes' gradients are averaged, ours are parts of one sum.
                self.accelerator.backward(part * world)
            total += part.detach()
        return self._step(total, rate, step)

    def _step(self, total: torch.Tensor, rate: float, step: int) -> Update:
        summed = float(self.accelerator.reduce(total, "sum"))
        try:
            check_finite("loss", summed, step)
            norm = float(self.accelerator.clip_grad_norm_(self.scorer.parameters(), self._spec.max_grad_norm))
            check_finite("gradient's norm", norm, step)
            set_rate(self.optimiser, rate)
            self.optimiser.step()
        finally:
            self.optimiser.zero_grad()
        return Update(summed, norm)
