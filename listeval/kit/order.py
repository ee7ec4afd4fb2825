"""The order in which a prompt shows the items of a list, as an option that list tasks share: `--set order=shuffled`."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Literal, TypeVar

from pydantic import Field

from listeval.task import TaskOptions

T = TypeVar("T")


class ListOptions(TaskOptions):
    """Options of a task whose prompts hold a list of items: base class of its own `Options`.

    With `order=shuffled` every seed asks about the lists of seed 0, under the same ids, with their items in an order
    that the seed draws. A task takes part with two calls in `load`: it makes its lists by `list_seed(seed)` and
    passes each through `in_order` before it writes prompt and target. A run then says what the order does to the
    answers (`listeval.runs.figures.order_figures`).
    """

    order: Literal["given", "shuffled"] = Field(
        "given", description="of a list's items in the prompt: as dealt, or the lists of seed 0 shuffled by the seed"
    )

    def list_seed(self, seed: int) -> int:
        """The seed that makes the lists: with `shuffled` the same for all, so that only the order changes."""
        return 0 if self.order == "shuffled" else seed

    def in_order(self, items: Sequence[T], seed: int, name: str) -> tuple[T, ...]:
        """The items of the list called `name`, as the prompt of `seed` shows them: a permutation that depends on both
        alone, so it is the same on every machine and engine.
        """
        if self.order == "given":
            return tuple(items)
        # Seeding with text hashes it with SHA-512, unlike hash(), which differs from process to process.
        return tuple(Random(f"order/{seed}/{name}").sample(items, len(items)))
