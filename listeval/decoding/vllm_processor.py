"""The exact permutation inside a vLLM engine: in process, in an engine process of its own, or served.

Give the engine `logits_processors=[vllm_payload.PROCESSOR]` and a request
`SamplingParams(extra_args={KEY: Payload(...).text()})`; a server takes the same in `vllm_xargs`.
Requests without a payload are not constrained. A request whose spec the tokenizer cannot spell must
be refused before it comes here (build its `Permutation`); here it may only end at once, since an
engine has no way to fail one request of a batch, and going on unconstrained would be a lie.

vLLM has two model runners with an interface each. One name serves both: an engine constructs it in the way of the
runner that it has, and gets the processor for that. vLLM up to 0.26 has processors on its V1 runner alone, and takes
that one by itself where a processor is asked for; 0.31 to 0.33 have both. Imports vLLM at the top: only an engine
imports this module.
"""

from __future__ import annotations

from typing import Any

import torch

from listeval.decoding.vllm_answers import ConstrainedAnswer, ConstrainedAnswers
from listeval.decoding.vllm_payload import read_payload
from listeval.errors import UserError

try:
    from vllm.v1.sample.logits_processor import LogitsProcessor as V1Interface
except ImportError:  # a vLLM whose V1 runner is gone
    V1Interface = type("V1Interface", (), {})
try:
    from vllm.v1.worker.gpu.sample.logits_processor import LogitsProcessor as V2Interface
except ImportError:  # a vLLM whose V2 runner takes no processors
    V2Interface = type("V2Interface", (), {})


class PermutationProcessor(V1Interface, V2Interface):  # type: ignore[misc]
    """What both runners know the processor by. Raises RuntimeError where an engine would mask wrongly."""

    def __new__(cls, vllm_config: Any, *runner: Any) -> Any:
        """V1 hands over (device, is_pin_memory), V2 the state of its requests."""
        found = V2Processor if len(runner) == 1 else V1Processor
        return found(vllm_config, *runner)

    @classmethod
    def validate_params(cls, sampling_params: Any) -> None:
        """Raises ValueError for a broken payload, which vLLM answers with an error of that request alone."""
        _validate(sampling_params)


class V1Processor(V1Interface):  # type: ignore[misc]
    """Masks the rows of constrained requests; a row is a place in the batch, which moves."""

    def __init__(self, vllm_config: Any, device: torch.device, is_pin_memory: bool) -> None:
        self._made = ConstrainedAnswers(vllm_config.model_config)
        self._answers: dict[int, ConstrainedAnswer] = {}

    @classmethod
    def validate_params(cls, sampling_params: Any) -> None:
        """As `PermutationProcessor` has it."""
        _validate(sampling_params)

    def is_argmax_invariant(self) -> bool:
        """False: greedy requests need it most."""
        return False

    def update_state(self, batch_update: Any) -> None:
        """Follow the batch: removed, added, moved, in vLLM's order."""
        if batch_update is None:
            return
        answers = self._answers
        for row in batch_update.removed:
            answers.pop(row, None)
        for row, params, _, outputs in batch_update.added:
            answers.pop(row, None)
            if (payload := read_payload(params.extra_args)) is not None:
                answers[row] = self._made.begin(payload, outputs, params.max_tokens)
        for source, target, direction in batch_update.moved:
            moved, displaced = answers.pop(source, None), answers.pop(target, None)
            if moved is not None:
                answers[target] = moved
            if displaced is not None and direction.name == "SWAP":
                answers[source] = displaced

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """`logits` is [requests, vocabulary]; constrained rows are cut down in place."""
        # Masked here and not in `update_state`: only now are the last tokens sure to be in the engine's lists.
        self._made.mask(logits, list(self._answers), list(self._answers.values()))
        return logits


class V2Processor(V2Interface):  # type: ignore[misc]
    """Masks the rows of constrained requests; a request keeps its slot, and its tokens lie on the device."""

    def __init__(self, vllm_config: Any, req_states: Any) -> None:
        if getattr(vllm_config, "speculative_config", None) is not None:
            raise RuntimeError("the permutation processor does not follow drafts: leave speculative decoding out")
        self._made = ConstrainedAnswers(vllm_config.model_config)
        self._states = req_states
        self._answers: dict[int, ConstrainedAnswer] = {}
        self._outputs: dict[int, list[int]] = {}

    @classmethod
    def validate_params(cls, sampling_params: Any) -> None:
        """As `PermutationProcessor` has it."""
        _validate(sampling_params)

    def add_request(self, req_idx: int, sampling_params: Any) -> bool:
        """A request takes a slot: a new one, or one that was preempted, whose first tokens are there already."""
        self._answers.pop(req_idx, None)
        if (payload := read_payload(sampling_params.extra_args)) is None:
            return False
        self._outputs[req_idx] = []
        self._answers[req_idx] = self._made.begin(payload, self._outputs[req_idx], sampling_params.max_tokens)
        return True

    def apply(self, logits: torch.Tensor, ctx: Any) -> torch.Tensor:
        """`logits` is [requests, vocabulary]; constrained rows are cut down in place."""
        slots = ctx.idx_mapping_np.tolist()
        if len(slots) != len(logits):
            raise RuntimeError(f"{len(logits)} rows of logits for {len(slots)} requests: this runner drafts tokens")
        rows = [row for row, slot in enumerate(slots) if slot in self._answers]
        if rows:
            self._fetch(slots, rows, ctx.seq_lens_upper_bound_np)
            self._made.mask(logits, rows, [self._answers[slots[row]] for row in rows])
        return logits

    def _fetch(self, slots: list[int], rows: list[int], lengths: Any) -> None:
        """Bring what the requests wrote since their last step from the device, in one transfer."""
        states = self._states
        known = [int(states.prompt_len.np[slots[row]]) + len(self._outputs[slots[row]]) for row in rows]
        # Exact without drafts; below the prompt's length while a prompt is read in pieces.
        new = [max(0, int(lengths[row]) - start) for row, start in zip(rows, known, strict=True)]
        if not any(new):
            return
        device = states.all_token_ids.gpu.device
        at = torch.tensor(known, device=device)[:, None] + torch.arange(max(new), device=device)
        held = torch.tensor([slots[row] for row in rows], device=device)[:, None]
        at = at.clamp_max(states.all_token_ids.gpu.shape[1] - 1)
        for row, count, tokens in zip(rows, new, states.all_token_ids.gpu[held, at].tolist(), strict=True):
            self._outputs[slots[row]] += tokens[:count]


def _validate(sampling_params: Any) -> None:
    try:
        read_payload(sampling_params.extra_args)
    except UserError as error:
        raise ValueError(str(error)) from error
