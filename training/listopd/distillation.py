"""One update's worth of rollouts, scored by teacher and base, and the loss that the student gets from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch

from listopd.batch import Batch, BatchLayout
from listopd.objective.aggregate import aggregate
from listopd.objective.divergence import divergence, expected_capped
from listopd.objective.kinds.aspo import high_entropy
from listopd.objective.regulariser import kl_k3
from listopd.objective.sampled import sampled_loss
from listopd.rollout.protocol import Rollout
from listopd.score import Scorer, Scores, row_scores, spread

if TYPE_CHECKING:
    from listopd.extrapolation import LambdaPolicy
    from listopd.objective.spec import ObjectiveSpec
    from listopd.recipe import Precision
    from listopd.tokens import Labeller


class Reference(Protocol):
    """A policy that only scores."""

    network: Any
    device: torch.device

    def __call__(self, batch: Batch, *, others: torch.Tensor | None = None, states_only: bool = False) -> Any:
        """`Scores`; with `states_only` `[N, H]`, as of `Scorer`. Of sharded networks only a call gathers weights."""

    def scores(self, states: torch.Tensor, batch: Batch, *, others: torch.Tensor | None = None) -> Scores: ...

    def logits(self, states: torch.Tensor) -> torch.Tensor: ...


class FrozenModels(NamedTuple):
    """The two policies that only score; `base` is None for the base-neutral objective."""

    teacher: Reference
    base: Reference | None


class PolicyScores(NamedTuple):
    """What a policy that only scores found in a batch."""

    scores: Scores
    states: torch.Tensor | None
    """`[N, H]`, from which an exact divergence makes the logits of every answer row; None where none is asked for."""


class ScoredBatch(NamedTuple):
    """Rollouts that go through the network together, with all that is known before the update; tensors are `[B, T]`."""

    batch: Batch
    sampled: torch.Tensor
    """Log-probability under the engine that wrote the answer."""
    scaffold: torch.Tensor
    teacher: PolicyScores
    base: PolicyScores | None
    lam: float | torch.Tensor
    old: torch.Tensor | None
    """The student's log-probability before the first of several updates; None where there is only one."""
    keys: torch.Tensor
    """`[B, 1]`: the question of each row, by its place in the data."""


def prepare(
    rollouts: Sequence[Rollout],
    frozen: FrozenModels,
    student: Any,
    label: Labeller,
    spec: ObjectiveSpec,
    precision: Precision,
    most: Callable[[int], int] = int,
) -> list[ScoredBatch]:
    """Score rollouts without gradients; λ is still 1, for the policy may first look at these scores.

    `most` gives the largest of a number over all processes: a sharded network exchanges weights in every
    forward pass, so a process with fewer passes repeats its last one.
    """
    scored = []
    read = _read_states if spec.full_vocabulary else _read
    device, layout = frozen.teacher.device, BatchLayout.of(precision, frozen.teacher.network)
    with torch.no_grad():
        batches = list(layout.batches([rollout.answered for rollout in rollouts], device))
        for places, batch in batches:
            rows = [rollouts[i] for i in places]
            teacher = read(frozen.teacher, batch)
            # λ policies ask what the base gives the teacher's own choice at every position.
            base = read(frozen.base, batch, teacher.scores.mode) if frozen.base is not None else None
            old = log_prob_before(student, batch, precision) if spec.updates > 1 else None
            sampled = _aligned([row.logp for row in rows], batch.mask, torch.float32)
            kinds = [[x.kind.is_scaffold for x in label(row.answer, row.question.prompt)] for row in rows]
            scaffold = _aligned(kinds, batch.mask, torch.bool)
            keys = torch.tensor([[row.question.key] for row in rows], device=device)
            scored.append(ScoredBatch(batch, sampled, scaffold, teacher, base, 1.0, old, keys))
        for _ in range(most(len(batches)) - len(batches)):
            _forward_for_other_processes(batches[-1][1], frozen, student, spec, precision)
    return scored


def _read(policy: Reference, batch: Batch, others: torch.Tensor | None = None) -> PolicyScores:
    return PolicyScores(policy(batch, others=others), None)


def _read_states(policy: Reference, batch: Batch, others: torch.Tensor | None = None) -> PolicyScores:
    """With hidden states, which are far smaller than the logits and save a second forward pass."""
    states = policy(batch, states_only=True)
    return PolicyScores(policy.scores(states, batch, others=others), states)


def log_prob_before(student: Any, batch: Batch, precision: Precision) -> torch.Tensor:
    """`[B, T]`: the student's log-probability by the very code that the updates run, so that the first ratio is 1."""
    with torch.set_grad_enabled(precision.compile):
        logp: torch.Tensor = student(batch).logp.detach()
    return logp


def _forward_for_other_processes(
    batch: Batch, frozen: FrozenModels, student: Any, spec: ObjectiveSpec, precision: Precision
) -> None:
    """The forward passes of networks that may be sharded, once more, for nothing but the other processes.

    In the order of those processes' own, for they exchange weights one after the other.
    """
    frozen.teacher(batch)
    if frozen.base is not None:
        frozen.base(batch)
    if spec.updates > 1:
        log_prob_before(student, batch, precision)


def _aligned(rows: Sequence[Sequence[float]], mask: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Values of answer tokens as `[B, T]`, zeros on padding."""
    flat = torch.tensor([value for row in rows for value in row], dtype=dtype, device=mask.device)
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_scatter(mask, flat)


def _logits(policy: Reference, reading: PolicyScores, at: slice) -> torch.Tensor:
    assert reading.states is not None, "prepare keeps them for every exact divergence"
    return policy.logits(reading.states[at])


def with_lambda(batches: Sequence[ScoredBatch], policy: LambdaPolicy) -> list[ScoredBatch]:
    """The same batches under the policy's present λ."""
    return [part._replace(lam=policy.values(part.scaffold)) for part in batches]


class Loss:
    """The loss of a pass, as `Trainee.update` calls it; sums what the log needs on the way.

    `denominator` counts tokens (`token_mean`) or answers (`sequence_mean`) of the whole update, all processes
    included. `sums` are over this process' answer tokens; `largest_weight` is before its cap.
    """

    def __init__(
        self, spec: ObjectiveSpec, frozen: FrozenModels, student: Any, head: Scorer, denominator: float
    ) -> None:
        self._spec, self._frozen, self._student, self._head = spec, frozen, student, head
        self._denominator = denominator
        self.sums: Counter[str] = Counter()
        self.largest_weight = 0.0

    def __call__(self, part: ScoredBatch, counted: bool = True) -> torch.Tensor:
        """This pass' share of the loss; `counted` is false where the pass is there for the other processes alone."""
        spec, batch = self._spec, part.batch
        before = self.sums.copy()
        per_token = self._exact(part) if spec.full_vocabulary else self._sampled(part)
        if not counted:
            self.sums = before
        return aggregate(per_token, batch.mask, spec.aggregate, self._denominator)

    def _sampled(self, part: ScoredBatch) -> torch.Tensor:
        spec, mask = self._spec, part.batch.mask
        scores: Scores = self._student(part.batch, entropy_grad=spec.entropy > 0)
        old = scores.logp.detach() if part.old is None else part.old
        split = None
        if spec.clips.epsilon_at_high_entropy is not None:
            split = high_entropy(scores.entropy.detach(), mask)
        base = part.base.scores.logp if part.base is not None else None
        teacher = part.teacher.scores.logp
        loss = sampled_loss(spec, scores.logp, old, teacher, base, part.lam, part.sampled, mask, split)
        self._count(part, scores, loss.reference, loss.advantage, loss.weights.values, loss.acted)
        self.largest_weight = max(self.largest_weight, float(loss.weights.max))
        return loss.per_token + self._regularised(part, scores)

    def _regularised(self, part: ScoredBatch, scores: Scores) -> torch.Tensor:
        spec = self._spec
        extra = torch.zeros_like(scores.logp)
        if spec.kl_to_base and part.base is not None:
            extra = extra + spec.kl_to_base * kl_k3(scores.logp, part.base.scores.logp)
        if spec.entropy:
            where = part.batch.mask if spec.entropy_on == "all" else part.batch.mask & ~part.scaffold
            extra = extra - spec.entropy * scores.entropy * where
        return extra

    def _exact(self, part: ScoredBatch) -> torch.Tensor:
        """`[B, T]`: the divergence at every answer row, from the logits of all three networks."""
        batch, frozen = part.batch, self._frozen
        ids = batch.answers[batch.mask]
        lam = part.lam[batch.mask] if isinstance(part.lam, torch.Tensor) else None

        def rows(states: torch.Tensor, at: slice) -> tuple[torch.Tensor, ...]:
            logits = self._head.logits(states)
            with torch.no_grad():
                towards = _logits(frozen.teacher, part.teacher, at)
                away = _logits(frozen.base, part.base, at) if frozen.base and part.base else None
            strength = part.lam if lam is None else lam[at]
            loss, acted = self._exact_rows(logits, towards, away, strength)
            return loss, acted, *row_scores(logits.detach(), ids[at])

        found = self._head.by_chunk(rows, self._student(batch, states_only=True))
        loss, acted, *scores = (spread(x, batch) for x in found)
        capped = {"teacher_ratio_cap": acted} if self._spec.clips.on else {}
        self._count(part, Scores(*scores), scores[0], None, None, capped)
        return loss

    def _exact_rows(
        self, student: torch.Tensor, teacher: torch.Tensor, base: torch.Tensor | None, lam: float | torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """`[N]`: the loss from `[N, V]` logits, and the share of probability on which a cap acted."""
        cap = self._spec.clips.teacher_ratio_cap
        if cap is not None:
            return expected_capped(student, teacher, base, lam, cap)
        loss = divergence(student, teacher, base, lam, self._spec)
        return loss, torch.zeros_like(loss).detach()

    def _count(
        self,
        part: ScoredBatch,
        scores: Scores,
        reference: torch.Tensor,
        advantage: torch.Tensor | None,
        weights: torch.Tensor | None,
        acted: dict[str, torch.Tensor],
    ) -> None:
        mask = part.batch.mask
        values = mask & ~part.scaffold
        counted = {
            "tokens": mask,
            "scaffold": part.scaffold & mask,
            "values": values,
            "reverse_kl": (reference - part.teacher.scores.logp) * mask,
            "entropy_scaffold": scores.entropy.detach() * (part.scaffold & mask),
            "entropy_values": scores.entropy.detach() * values,
            "sampling_gap": ((scores.logp.detach() if part.old is None else part.old) - part.sampled).abs() * mask,
        }
        if advantage is not None and weights is not None:
            kept = advantage * mask
            counted |= {"advantage": kept, "advantage_squared": kept.square(), "weight": weights * mask}
        counted |= {f"clipped_{name}": hit for name, hit in acted.items()}
        # One transfer for all, because each makes a GPU wait.
        totals = torch.stack([tensor.sum().float() for tensor in counted.values()]).tolist()
        self.sums.update(dict(zip(counted, totals, strict=True)))
