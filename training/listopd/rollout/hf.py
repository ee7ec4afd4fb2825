"""Rollouts by transformers' own `generate`, from the very weights that are trained: nothing to synchronise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoModelForCausalLM, GenerationConfig, LogitsProcessor, LogitsProcessorList, StaticCache

from listeval.backends.hf.hooks import GumbelSampler
from listeval.backends.protocol import Sampling
from listopd.batch import passes
from listopd.parallel import weights_of
from listopd.questions import Question
from listopd.rollout.protocol import Rollout

if TYPE_CHECKING:
    from listeval.models.checkpoint import Checkpoint
    from listopd.recipe import Recipe
    from listopd.trainee import Trainee


_TOKENS = 32_768
"""Tokens of rollouts that are decoded together: no activations are kept, so more than a pass of training takes."""
_SHARE = 0.7
"""Of a GPU's free memory that rollouts are planned to take."""


class HFSampler:
    """Samples from the network of `trainee`, which is trained between two calls, or from a copy that follows it.

    A copy is kept where processes hold parts of the weights only, and where training computes in bfloat16. Autocast
    would there round all weights again for every token; the copy is bfloat16 throughout, as vLLM's is, and the
    weight trainer/rollout stands for the difference.
    """

    def __init__(
        self, trainee: Trainee, student: Checkpoint, max_tokens: int, temperature: float, recipe: Recipe
    ) -> None:
        self._trainee, self._stops = trainee, student.stops
        self._sampling = Sampling(max_tokens, temperature)
        asked = recipe.precision.tokens_per_pass
        self._tokens = None if asked is None else 4 * asked
        self._network = trainee.network
        dtype = torch.bfloat16 if trainee.accelerator.mixed_precision == "bf16" else torch.float32
        # `generate` runs as long as its own rows need, so processes cannot exchange weights on the way.
        self._own = trainee.sharded or dtype != torch.float32
        if self._own:
            self._network = _unlike_trained(trainee.network, dtype)
            self.sync(0)

    def sample(self, questions: Sequence[Question], seeds: Sequence[int]) -> list[Rollout]:
        """One rollout per question; a seed's rollout is the same in any batch, up to the rounding of padding."""
        found: dict[int, Rollout] = {}
        lengths = [len(question.prompt) + self._sampling.max_tokens for question in questions]
        for places in passes(lengths, self._tokens or _room(self._network)):
            group = [questions[i] for i in places]
            found |= zip(places, self._generate(group, [seeds[i] for i in places]), strict=True)
        return [found[i] for i in range(len(questions))]

    def sync(self, step: int) -> None:
        """The student's weights are the sampler's own, unless it has a copy."""
        if self._own:
            own = self._network.state_dict()
            for name, weight in weights_of(self._trainee.accelerator, self._trainee.scorer):
                own.pop(name).copy_(weight)
            assert not own, f"the student has no {', '.join(own)}"

    def close(self) -> None:
        """Let go of the copy, where there is one."""
        self._network = self._trainee.network

    def _generate(self, group: Sequence[Question], seeds: Sequence[int]) -> list[Rollout]:
        device = self._network.device
        width = max(len(question.prompt) for question in group)
        ids = torch.zeros(len(group), width, dtype=torch.long, device=device)
        mask = torch.zeros_like(ids)
        for row, question in enumerate(group):
            ids[row, width - len(question.prompt) :] = torch.tensor(question.prompt, device=device)
            mask[row, width - len(question.prompt) :] = 1
        vocab = self._trainee.head.vocab
        recorder = _Recorder(width, self._sampling.temperature)
        training = self._network.training
        self._network.eval()
        # Code compiled for passes of training would be compiled anew for every layer of a cache.
        with torch.no_grad(), torch.compiler.set_stance("force_eager"):
            output = self._network.generate(
                input_ids=ids,
                attention_mask=mask,
                generation_config=GenerationConfig(
                    do_sample=False,  # greedy over noisy logits is a draw
                    max_new_tokens=self._sampling.max_tokens,
                    eos_token_id=list(self._stops),
                    pad_token_id=self._stops[0],
                    disable_compile=True,  # every batch has a width of its own
                ),
                past_key_values=self._cache(width),
                logits_processor=LogitsProcessorList(
                    [_Vocabulary(vocab), recorder, GumbelSampler(self._sampling, seeds, device)]
                ),
            )
        self._network.train(training)
        logp = recorder.finish(output)
        return [
            self._rollout(question, row, scores)
            for question, row, scores in zip(group, output[:, width:].tolist(), logp.tolist(), strict=True)
        ]

    def _cache(self, width: int) -> Any:
        """Room for the keys and values of whole answers, which otherwise are copied for every token.

        None, for transformers' own choice, where an architecture has no such cache.
        """
        if not self._network._can_compile_fullgraph:
            return None
        config = self._network.config.get_text_config(decoder=True)
        return StaticCache(config=config, max_cache_len=width + self._sampling.max_tokens)

    def _rollout(self, question: Question, row: Sequence[int], logp: Sequence[float]) -> Rollout:
        end = next((i + 1 for i, token in enumerate(row) if token in self._stops), None)
        return Rollout(question, tuple(row[:end]), tuple(logp[:end]), "length" if end is None else "stop")


def _unlike_trained(network: Any, dtype: torch.dtype) -> Any:
    """A network of the same architecture, its weights still random: without adapters, and whole on every process."""
    attention = network.config._attn_implementation
    with torch.random.fork_rng(), torch.device(network.device):
        made = AutoModelForCausalLM.from_config(network.config, dtype=dtype, attn_implementation=attention)
    return made.eval().requires_grad_(False)


def _room(network: Any) -> int:
    """Tokens of rollouts to decode together: on a GPU as many as its free memory has room for.

    For each, keys and values of all layers, and what one layer makes of the prompt's tokens on the way.
    """
    if network.device.type != "cuda":
        return _TOKENS
    config = network.config.get_text_config(decoder=True)
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    groups = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    numbers = 2 * config.num_hidden_layers * groups * size + 3 * config.intermediate_size + 8 * config.hidden_size
    unused = torch.cuda.memory_reserved(network.device) - torch.cuda.memory_allocated(network.device)
    free = torch.cuda.mem_get_info(network.device)[0] + unused
    planned = int(_SHARE * free / (numbers * network.dtype.itemsize))
    return max(_TOKENS, planned)


class _Vocabulary(LogitsProcessor):  # type: ignore[misc]
    """Leaves out rows of the head that no token stands for, as scoring does.

    Cut off, not forbidden: the draw after this has a random number for every row, and which tokens it draws is not to
    depend on how many rows pad the head.
    """

    def __init__(self, size: int) -> None:
        self._size = size

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        return scores[:, : self._size]


class _Recorder(LogitsProcessor):  # type: ignore[misc]
    """Keeps the log-probability of every token that is chosen, without changing any."""

    def __init__(self, width: int, temperature: float) -> None:
        self._width, self._temperature = width, temperature
        self._last: torch.Tensor | None = None
        self._kept: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        self._look_up(input_ids)
        self._last = (scores.float() / self._temperature).log_softmax(-1)
        return scores

    def finish(self, output: torch.Tensor) -> torch.Tensor:
        """`[B, T]` for the complete `output`."""
        self._look_up(output)
        return torch.stack(self._kept, dim=1)

    def _look_up(self, ids: torch.Tensor) -> None:
        if self._last is not None and ids.shape[1] > self._width + len(self._kept):
            self._kept.append(self._last.gather(1, ids[:, -1:]).squeeze(1))
