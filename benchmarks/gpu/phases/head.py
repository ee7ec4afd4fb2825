"""The head's products in bfloat16 against sums in float32: what both do to entropy and advantage, and to training.

The student's head learns for 50 small steps of AdamW towards a teacher's by reverse KL on sharp rows, three times: with
products rounded to bfloat16, with the trainer's own (bfloat16 factors, sums in float32), and in float32 throughout.
Biases are against float32 with the same weights, means over rows and updates, the interval over rows; the drift is the
entropy after the last update, measured in float32, less that of the float32 training.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from benchmarks.gpu.bench import LAM
from benchmarks.gpu.job import Job
from listeval.stats.intervals import student_quantile
from listopd.head import head_logits
from listopd.objective.advantage import extrapolated_advantage
from listopd.optimise import make_optimiser
from listopd.recipe import Optimiser
from listopd.score import Scores, row_scores

Product = Callable[[nn.Linear, torch.Tensor], torch.Tensor]
_SHARP = (13.0, 20.0)
"""Logits of the rows' own tokens: probabilities of 0.6 to 0.999 beside 151,936 others."""
_APART, _RATE = 0.3, 2e-5
"""The teacher's distance from the start, in sizes of a weight, and the learning rate."""


def exact(head: nn.Linear, states: torch.Tensor) -> torch.Tensor:
    """All in float32."""
    return nn.functional.linear(states, head.weight)


def wide(head: nn.Linear, states: torch.Tensor) -> torch.Tensor:
    """As the trainer has it."""
    with torch.autocast(states.device.type, dtype=torch.bfloat16):
        return head_logits(head, states)


def narrow(head: nn.Linear, states: torch.Tensor) -> torch.Tensor:
    """As autocast alone has it."""
    with torch.autocast(states.device.type, dtype=torch.bfloat16):
        return nn.functional.linear(states, head.weight).float()


ARMS: dict[str, Product] = {"float32 sums": wide, "bfloat16 sums": narrow}


def run(job: Job) -> None:
    """float32 once, then both arms against it."""
    torch.set_float32_matmul_precision("highest")
    updates = job.pick(50, 3)
    rows, hidden, vocab = job.pick((256, 2048, 151_936), (16, 32, 512))
    world = World(job.device, rows, hidden, vocab)
    reference = world.train(exact, updates).entropy_after
    for name, product in ARMS.items():
        with job.case(name) as found:
            trained = world.train(product, updates)
            for what, biases in (("entropy", trained.entropy), ("advantage", trained.advantage)):
                found[f"{what}_bias"], found[f"{what}_half_width"] = interval(biases)
            found["entropy_drift"], found["drift_half_width"] = interval(trained.entropy_after - reference)
            found |= {"rows": rows, "updates": updates}


class Trained:
    """`[updates, rows]`: an arm's entropy and advantage less float32's, of the same weights; entropy `[rows]` after."""

    def __init__(self) -> None:
        self._entropy: list[torch.Tensor] = []
        self._advantage: list[torch.Tensor] = []
        self.entropy_after = torch.empty(0)

    def note(self, entropy: torch.Tensor, advantage: torch.Tensor) -> None:
        """Of one update."""
        self._entropy.append(entropy)
        self._advantage.append(advantage)

    @property
    def entropy(self) -> torch.Tensor:
        """`[rows]`, means over updates."""
        return torch.stack(self._entropy).mean(0)

    @property
    def advantage(self) -> torch.Tensor:
        """`[rows]`, means over updates."""
        return torch.stack(self._advantage).mean(0)


class World:
    """Rows that are sure of their tokens: hidden states that point at them, a start, and a teacher near it."""

    def __init__(self, device: torch.device, rows: int, hidden: int, vocab: int) -> None:
        torch.manual_seed(0)
        self._start = torch.randn(vocab, hidden, device=device) / math.sqrt(hidden)
        self._teacher = self._linear(self._start + _APART * torch.randn_like(self._start) / math.sqrt(hidden))
        self._base = self._linear(self._start)
        self._ids = torch.randint(vocab, (rows,), device=device)
        sharp = torch.linspace(*_SHARP, rows, device=device).unsqueeze(1)
        self._states = sharp * self._start[self._ids] + torch.randn(rows, hidden, device=device)

    def train(self, product: Product, updates: int) -> Trained:
        """`updates` steps of the trainer's optimiser, without decay."""
        found, head = Trained(), self._linear(self._start.clone())
        head.weight.requires_grad_(True)
        optimiser = make_optimiser(head.parameters(), Optimiser.model_validate({"lr": _RATE, "weight_decay": 0.0}))
        for _ in range(updates):
            with torch.no_grad():
                theirs, ours = (self._advantage(head, x) for x in (product, exact))
                found.note(theirs[0] - ours[0], theirs[1] - ours[1])
            self._loss(head, product).backward()
            optimiser.step()
            optimiser.zero_grad()
        with torch.no_grad():
            found.entropy_after = self._scores(head, exact).entropy.cpu()
        return found

    def _loss(self, head: nn.Linear, product: Product) -> torch.Tensor:
        log_q = product(head, self._states).log_softmax(-1)
        with torch.no_grad():
            log_p = product(self._teacher, self._states).log_softmax(-1)
        return (log_q.exp() * (log_q - log_p)).sum(-1).mean()

    def _advantage(self, head: nn.Linear, product: Product) -> tuple[torch.Tensor, torch.Tensor]:
        """`[rows]`: entropy, and A of the row's token."""
        student, teacher, base = (self._scores(x, product) for x in (head, self._teacher, self._base))
        advantage = extrapolated_advantage(student.logp, teacher.logp, base.logp, LAM)
        return student.entropy.cpu(), advantage.values.cpu()

    def _scores(self, head: nn.Linear, product: Product) -> Scores:
        return row_scores(product(head, self._states).float(), self._ids)

    @staticmethod
    def _linear(weight: torch.Tensor) -> nn.Linear:
        head = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
        head.weight = nn.Parameter(weight, requires_grad=False)
        return head


def interval(values: torch.Tensor) -> tuple[float, float]:
    """Mean of `[rows]`, and half the width of its 95 % interval."""
    n = len(values)
    return float(values.mean()), student_quantile(0.95, n - 1) * float(values.std()) / math.sqrt(n)
