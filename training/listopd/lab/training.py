"""On-policy training of many arms side by side: answers, scores, loss and update of all in one set of tensors.

What an arm becomes depends on its own λ, c, learning rate, seed and networks only: prompts and uniform numbers are
drawn by seed and step, lengths are fixed, and each sum and each norm stays within an arm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from listopd.lab.adamw import AdamW
from listopd.lab.chance import generator
from listopd.lab.lab_decode import sample
from listopd.lab.language import LabAnswers
from listopd.lab.losses import LOSSES, Losses, Rows, arm_means, cap_tensor, sampled_log_probs
from listopd.lab.network import Network


@dataclass(frozen=True)
class TrainingSettings:
    """What differs from arm to arm."""

    lam: float
    cap: float
    lr: float
    seed: int


@dataclass(frozen=True)
class Shape:
    """What all arms of a stack share: the method, rollouts a step, and updates that a rollout serves.

    The rollouts are dealt to the updates in equal parts.
    """

    method: str = "listopd"
    batch: int = 32
    updates: int = 1


class LabStep(NamedTuple):
    """A step of all arms, before its update.

    Prompts [A, N, P], answers [A, N, L], logits [A, N, L, V] of three networks, how far the cap acted [A, N, L], and
    the norm [A] of the last update's gradient before its clip.
    """

    prompts: Tensor
    answers: LabAnswers
    student: Tensor
    teacher: Tensor
    base: Tensor
    capped: Tensor
    norm: Tensor


class ArmStack:
    """Arms side by side. All weights are [A, P] and stay on their device; the student's change with every `step`."""

    def __init__(
        self,
        network: Network,
        shape: Shape,
        knobs: Sequence[TrainingSettings],
        student: Tensor,
        teacher: Tensor,
        base: Tensor,
    ) -> None:
        self.network, self.shape, self.knobs = network, shape, tuple(knobs)
        self.frozen = torch.cat([teacher, base])
        self.adam = AdamW(student.clone())
        device = student.device
        self.lam, self.rate = (torch.tensor(values, device=device) for values in self._columns())
        self.cap = cap_tensor([knob.cap for knob in knobs]).to(device)

    def _columns(self) -> tuple[list[float], list[float]]:
        return [knob.lam for knob in self.knobs], [knob.lr for knob in self.knobs]

    @property
    def weights(self) -> Tensor:
        """The students' [A, P]."""
        return self.adam.flat

    def step(self) -> LabStep:
        """Answer, score and update once."""
        prompts, uniforms = self._drawn(self.adam.steps // self.shape.updates)
        answers = sample(self.network, self.weights, prompts, uniforms)
        tokens = torch.cat([prompts, answers.tokens], dim=-1)
        with torch.no_grad():
            twice = torch.cat([tokens, tokens])
            teacher, base = self._logits(self.frozen, twice).chunk(2)
        parts = [slice(at, None, self.shape.updates) for at in range(self.shape.updates)]
        old: Tensor | None = None
        if len(parts) > 1:
            with torch.no_grad():
                old = sampled_log_probs(self._logits(self.weights, tokens), answers.tokens)
        student, capped = torch.empty_like(teacher), torch.empty(answers.tokens.shape, device=teacher.device)
        for part in parts:
            leaf = self.weights.detach().requires_grad_()
            logits = self._logits(leaf, tokens[:, part])
            answer = LabAnswers(answers.tokens[:, part], answers.mask[:, part])
            then = sampled_log_probs(logits.detach(), answer.tokens) if old is None else old[:, part]
            found = self._losses(logits, teacher[:, part], base[:, part], answer, then)
            arm_means(found.per_token, answer.mask, len(leaf)).sum().backward()
            student[:, part], capped[:, part] = logits.detach(), found.capped.view(answer.tokens.shape)
            assert leaf.grad is not None, "the loss depends on the weights"
            norm = self.adam.step(leaf.grad, self.rate)
        return LabStep(prompts, answers, student, teacher, base, capped, norm)

    def _logits(self, flat: Tensor, tokens: Tensor) -> Tensor:
        """[A, N, L, V]: of each symbol of the answers."""
        first = self.network.language.prompt_length - 1
        return self.network.logits(self.network.unpack(flat), tokens[..., :-1], first)

    def _losses(self, student: Tensor, teacher: Tensor, base: Tensor, answers: LabAnswers, old: Tensor) -> Losses:
        symbols = student.shape[-1]
        each = answers.mask.shape[1] * answers.mask.shape[2]
        rows = Rows(
            student.reshape(-1, symbols),
            teacher.reshape(-1, symbols),
            base.reshape(-1, symbols),
            answers.tokens.flatten(),
            old.flatten(),
            self.lam.repeat_interleave(each),
            self.cap.repeat_interleave(each),
            answers.mask.flatten(),
        )
        return LOSSES[self.shape.method](rows)

    def _drawn(self, step: int) -> tuple[Tensor, Tensor]:
        """Prompts [A, N, P] and uniform numbers [A, N, L] of a step, the same for all arms of a seed."""
        language, batch = self.network.language, self.shape.batch
        prompts, uniforms = {}, {}
        for seed in {knob.seed for knob in self.knobs}:
            prompts[seed] = language.prompts(batch, generator("prompts", seed, step)).tokens
            uniforms[seed] = torch.rand(batch, language.answer_length, generator=generator("uniforms", seed, step))
        device = self.weights.device
        both = (torch.stack([drawn[knob.seed] for knob in self.knobs]) for drawn in (prompts, uniforms))
        first, second = (drawn.to(device) for drawn in both)
        return first, second
