"""The one engine that scores student, teacher and base alike.

T − B is multiplied by λ − 1 and is of the order of 1e-3 on scaffold tokens, so all three
networks go through the same code, the same numerics and the same padding. The head runs on
answer rows only (prompts are most of the tokens and carry no loss), in chunks whose logits are
recomputed on the way back, and the log-softmax is taken in float32: in bfloat16 a token of
probability 0.97 has log-probability zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from listeval.errors import UserError
from listopd.batch import AnsweredPrompt, Batch, BatchLayout
from listopd.head import head_logits
from listopd.objective.regulariser import entropy

_CPU_CHUNK_BYTES, GPU_CHUNK_BYTES = 64 << 20, 512 << 20
"""Bound on the float32 logits of one chunk of rows; a GPU reads the head's weights anew for each and wants more."""
_PROBE = (AnsweredPrompt((1, 2, 3), (4, 5, 6)), AnsweredPrompt((6, 5), (1, 0, 2, 3)))
_NEAR = {"no": 1e-3, "bf16": 0.2}
"""How far rounding may move a log-probability, by accelerate's name of the precision; another network is nats away."""


class Scores(NamedTuple):
    """`[B, T]`, float32 unless said, meaningful where the batch's mask is true."""

    logp: torch.Tensor
    """Log-probability of the answer's token."""
    entropy: torch.Tensor
    """Of the distribution that the token was drawn from, in nats; carries no gradient unless asked for."""
    top: torch.Tensor
    """Probability of the modal token; carries no gradient."""
    mode: torch.Tensor
    """The modal token, int64; carries no gradient."""
    other: torch.Tensor
    """Log-probability of the tokens that were asked for beside the answer's, NaN where none were; no gradient."""


class Scorer(nn.Module):  # type: ignore[misc]
    """A causal language model whose forward pass gives `Scores` instead of logits.

    Wrapped as a module, so that data parallelism and sharding see one forward call a pass.
    `temperature` divides the logits: a policy is scored at the temperature that it is sampled at.
    `vocab` is the tokenizer's size: rows of the head beyond it pad the matrix, by different numbers in
    models of one tokenizer, and get no probability. Without it all rows count.
    """

    def __init__(self, network: Any, temperature: float = 1.0, vocab: int | None = None) -> None:
        super().__init__()
        self.network, self.temperature = network, temperature
        self.vocab: int = vocab or network.config.get_text_config().vocab_size
        self.units = frozenset(getattr(network, "_no_split_modules", None) or ())
        """Names of the classes of decoder layers, which sharding gathers one at a time."""

    @property
    def _no_split_modules(self) -> list[str]:
        """Where accelerate looks for them; without it all of the network is one unit, gathered whole in every pass."""
        return sorted(self.units)

    @property
    def device(self) -> torch.device:
        """Where the network is, and batches must be."""
        return next(self.network.parameters()).device

    def forward(
        self,
        batch: Batch,
        entropy_grad: bool = False,
        states_only: bool = False,
        others: torch.Tensor | None = None,
    ) -> Scores | torch.Tensor:
        """`Scores`; with `states_only` what `states` gives, through the call that parallel wrappers watch."""
        states = self.states(batch)
        return states if states_only else self.scores(states, batch, entropy_grad, others)

    def scores(
        self, states: torch.Tensor, batch: Batch, entropy_grad: bool = False, others: torch.Tensor | None = None
    ) -> Scores:
        """`Scores` from what `states` gave for this batch; `others` `[B, T]` are tokens to look up besides."""
        ids = batch.answers[batch.mask]
        besides = None if others is None else others[batch.mask]

        def score(rows: torch.Tensor, at: slice) -> Scores:
            return row_scores(self.logits(rows), ids[at], entropy_grad, None if besides is None else besides[at])

        return Scores(*(spread(rows, batch) for rows in self.by_chunk(score, states)))

    def by_chunk(
        self, work: Callable[[torch.Tensor, slice], Sequence[torch.Tensor]], states: torch.Tensor
    ) -> list[torch.Tensor]:
        """What `work(rows, their place)` gives for all `states`, `[N]` each, a bounded number of rows at a time.

        Whatever `work` makes of the vocabulary's size is not kept for the way back but made again.
        """
        limit = _CPU_CHUNK_BYTES if states.device.type == "cpu" else GPU_CHUNK_BYTES
        size = max(1, limit // (4 * self.vocab))
        places = [slice(start, start + size) for start in range(0, len(states), size)]
        again = len(places) > 1 and torch.is_grad_enabled()
        run = partial(checkpoint, work, use_reentrant=False, preserve_rng_state=False) if again else work
        return [torch.cat(parts) for parts in zip(*(run(states[at], at) for at in places), strict=True)]

    def states(self, batch: Batch) -> torch.Tensor:
        """`[N, H]`: the last hidden state of the rows that predict answer tokens, in the mask's order."""
        where = {} if batch.positions is None else {"position_ids": batch.positions}
        states = self.network.base_model(input_ids=batch.ids, use_cache=False, **where).last_hidden_state
        picked: torch.Tensor = states.flatten(0, 1)[batch.rows[batch.mask]]
        return picked

    def logits(self, states: torch.Tensor) -> torch.Tensor:
        """`[N, V]` in float32, divided by the temperature."""
        logits = head_logits(self.network.get_output_embeddings(), states)[:, : self.vocab].float()
        cap = getattr(self.network.config, "final_logit_softcapping", None)
        if cap:
            logits = cap * torch.tanh(logits / cap)
        return logits if self.temperature == 1 else logits / self.temperature


class ScorerAsTrained(Scorer):
    """A scorer whose forward pass is that of training, to the bit: with what a gradient needs, none of which is kept.

    Compiled code of a pass with gradients may round otherwise than that of one without. Where S − B is to be 0 the base
    goes through the student's, which it shares as long as its weights have the student's types and require gradients.
    """

    def states(self, batch: Batch) -> torch.Tensor:
        """As of `Scorer`, without gradient."""
        with torch.enable_grad():
            return super().states(batch).detach()


def row_scores(
    logits: torch.Tensor, ids: torch.Tensor, entropy_grad: bool = False, others: torch.Tensor | None = None
) -> Scores:
    """`Scores` of `[N]` tokens from the `[N, V]` logits before them, all fields `[N]`."""
    log_probs = logits.log_softmax(-1)
    logp = _at(log_probs, ids)
    with torch.set_grad_enabled(entropy_grad and torch.is_grad_enabled()):
        uncertainty = entropy(log_probs if entropy_grad else log_probs.detach())
    top, mode = log_probs.detach().max(-1)
    other = torch.full_like(top, torch.nan) if others is None else _at(log_probs.detach(), others)
    return Scores(logp, uncertainty, top.exp(), mode, other)


def _at(log_probs: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    return log_probs.gather(1, ids.unsqueeze(1)).squeeze(1)


def spread(rows: torch.Tensor, batch: Batch) -> torch.Tensor:
    """`[N]` values of the answer tokens, in the mask's order, as `[B, T]` with zeros on padding."""
    return torch.zeros(batch.mask.shape, dtype=rows.dtype, device=rows.device).masked_scatter(batch.mask, rows)


@torch.no_grad()  # type: ignore[untyped-decorator]
def check_scorer(scorer: Scorer, layout: BatchLayout, precision: str, name: str) -> None:
    """Raises UserError where the network's own logits disagree with ours, to which its architecture gives no hint.

    The head may scale what comes before it, and an attention may not keep packed sequences apart. `precision` is
    accelerate's name of it.
    """
    worst = 0.0
    for places, batch in layout.batches(_PROBE, scorer.device):
        found = scorer(batch).logp
        for row, place in enumerate(places):
            prompt, answer = _PROBE[place]
            ids = torch.tensor([prompt + answer], device=scorer.device)
            logits = scorer.network(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 : -1, : scorer.vocab]
            expected = row_scores(logits.float() / scorer.temperature, ids[0, len(prompt) :]).logp
            worst = max(worst, float((found[row, : len(answer)] - expected).abs().max()))
    # Written so that NaN, which no comparison holds for, passes: broken weights have a message of their own.
    if worst > _NEAR[precision]:
        raise UserError(
            f"log-probabilities of this architecture come out {worst:.2g} nats from its own",
            place=name,
            fix="precision.packing=off if it was on; else train another architecture, such as Qwen3 or Llama",
        )
