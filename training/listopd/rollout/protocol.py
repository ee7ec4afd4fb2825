"""What a rollout is, and what writes one: token ids, never text that would be tokenised again."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Literal, NamedTuple, Protocol

from listopd.batch import AnsweredPrompt
from listopd.questions import Question


class Rollout(NamedTuple):
    """One sampled answer. `answer` and `logp` end with the stop token unless the budget ran out first."""

    question: Question
    answer: tuple[int, ...]
    logp: tuple[float, ...]
    """Log-probability of each token under what sampled it."""
    finish: Literal["stop", "length"]

    @property
    def answered(self) -> AnsweredPrompt:
        """What is scored: the very ids that were sampled."""
        return AnsweredPrompt(self.question.prompt, self.answer)


class Sampler(Protocol):
    """An engine at temperature T, top-p 1, without penalties, whose weights follow the student's."""

    def sample(self, questions: Sequence[Question], seeds: Sequence[int]) -> list[Rollout]:
        """One rollout per question, in order; a rollout is a function of weights, question and seed."""

    def sync(self, step: int) -> None:
        """Take over the student's weights as they are after optimiser step `step`."""

    def close(self) -> None:
        """Free the engine; safe to call twice."""


def seed_of(run_seed: int, step: int, question: int, copy: int) -> int:
    """63 bits that depend on nothing else, so a resumed run draws the rollouts that it would have drawn."""
    digest = blake2b(f"{run_seed}/{step}/{question}/{copy}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
