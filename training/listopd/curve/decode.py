"""Greedy decoding from the targets of two models at many λ together.

Both models see one row for each distinct answer begun: as long as two λ write the same tokens they are one row, and
where they part it is doubled, in both caches. So a grid of λ costs what its different answers cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import torch

from listopd.curve.target import TargetArm, target_scores

Choice = dict[int, int]
"""The next token of one row by arm."""


class DecodingNetwork(Protocol):
    """A network with the cache of the rows that it is decoding (`CachedNetwork`)."""

    def start(self, prompts: Sequence[Sequence[int]]) -> torch.Tensor:
        """(N, V) log-probabilities of the token after each prompt."""
        ...

    def go_on(self, parents: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """(M, V) after `tokens` (M,), each written behind the row that `parents` (M,) names; other rows are dropped."""
        ...


class WrittenAnswer(NamedTuple):
    """An answer's tokens without its stop token; `stopped` says whether one came."""

    tokens: tuple[int, ...]
    stopped: bool


class _Row(NamedTuple):
    """An answer begun: to which prompt, for which arms, and what is written."""

    prompt: int
    arms: tuple[int, ...]
    tokens: tuple[int, ...]


def decode(
    teacher: DecodingNetwork,
    base: DecodingNetwork,
    prompts: Sequence[Sequence[int]],
    arms: Sequence[TargetArm],
    stops: Sequence[int],
    budgets: Sequence[int],
) -> list[list[WrittenAnswer]]:
    """For each prompt the answer of each arm, in order, of at most `budgets` tokens, its prompt's.

    An arm's answer is a function of its prompt alone, up to the rounding that other shapes of a batch bring.
    """
    found: list[list[WrittenAnswer]] = [[WrittenAnswer((), False)] * len(arms) for _ in prompts]
    rows = [_Row(place, tuple(range(len(arms))), ()) for place in range(len(prompts))]
    networks = (teacher, base)
    with torch.inference_mode():
        p, b = (network.start(prompts) for network in networks)
        while rows:
            live: list[tuple[int, _Row]] = []
            for parent, row in _grown(rows, _choose(rows, p, b, arms)):
                stopped = row.tokens[-1] in stops
                if not stopped and len(row.tokens) < budgets[row.prompt]:
                    live.append((parent, row))
                    continue
                for arm in row.arms:
                    found[row.prompt][arm] = WrittenAnswer(row.tokens[: len(row.tokens) - stopped], stopped)
            rows = [row for _, row in live]
            if rows:
                parents = torch.tensor([parent for parent, _ in live], device=p.device)
                tokens = torch.tensor([row.tokens[-1] for row in rows], device=p.device)
                p, b = (network.go_on(parents, tokens) for network in networks)
    return found


def _choose(rows: Sequence[_Row], teacher: torch.Tensor, base: torch.Tensor, arms: Sequence[TargetArm]) -> list[Choice]:
    chosen: list[Choice] = [{} for _ in rows]
    for number, arm in enumerate(arms):
        places = [place for place, row in enumerate(rows) if number in row.arms]
        if not places:
            continue
        at = torch.tensor(places, device=teacher.device)
        best = target_scores(teacher[at], base[at], arm).argmax(-1).tolist()
        for place, token in zip(places, best, strict=True):
            chosen[place][number] = token
    return chosen


def _grown(rows: Sequence[_Row], chosen: Sequence[Choice]) -> Iterator[tuple[int, _Row]]:
    """The rows a token longer, each with the place of the one that it came from: one for each token that was chosen."""
    for place, (row, choice) in enumerate(zip(rows, chosen, strict=True)):
        for token in sorted(set(choice.values())):
            arms = tuple(arm for arm in row.arms if choice[arm] == token)
            yield place, _Row(row.prompt, arms, (*row.tokens, token))
