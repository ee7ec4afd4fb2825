"""transformers in this process, CPU or GPU: batched `model.generate` on our token ids.

Requests are read in windows of eight batches, sorted by length inside a window (padding is
waste), and a batch's completions are yielded as it ends. Batches are padded on the left with
an attention mask, from which `generate` derives the positions. A batch that fails is halved
until the request at fault stands alone, so memory that runs out costs time, not rows.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from listeval.backends.hf.adapters import Adapters
from listeval.backends.protocol import BackendOptions, Capabilities, Completion, Request, Sampling
from listeval.decoding.constraint import PACKAGES, Constraint
from listeval.decoding.decoder import Decoder, Processor
from listeval.decoding.engines import EngineVocabulary
from listeval.errors import UserError, first_line
from listeval.models.adapter import Adapter
from listeval.models.channels import split_decoded
from listeval.models.checkpoint import (
    Checkpoint,
    open_checkpoint,
    package_versions,
    refusal,
    refuse_unused,
)
from listeval.models.cpu import keep_memory
from listeval.models.quantized import check_package, of_folder, quantization

if TYPE_CHECKING:
    import torch

    from listeval.backends.hf.hooks import GumbelSampler

_WINDOW = 8
_BATCH = {"cpu": 16, "cuda": 64}
_SCORE_BYTES = 256 << 20
"""Bound on one forward pass's logits in `score`."""


def open(model: str, options: BackendOptions) -> HFBackend:
    """Load `model`. `options.extra` goes to `from_pretrained` (`backends.engine_arg.HF`).

    Defaults: GPU where there is one; float32 on a CPU, the checkpoint's own dtype elsewhere;
    batches of 16 on a CPU, 64 elsewhere. Raises UserError for whatever keeps it from loading.
    """
    for package in ("torch", "transformers"):
        if find_spec(package) is None:
            raise UserError.missing_package(package, "pip install 'listeval[cpu]'", "the hf backend")
    refuse_unused(options, "hf", ("base_url", "concurrency", "structured", "api_key_env", "ray_address"))
    checkpoint = open_checkpoint(model, options)
    for adapter in (options.adapter, *options.adapters):
        checkpoint.with_adapter(adapter)  # which refuses one of another model before anything is loaded
    device = pick_device(options.device)
    if device.type == "cpu":
        keep_memory()
    dtype = options.dtype or ("float32" if device.type == "cpu" else "auto")
    quantized = quantization({"quantization_config": options.extra.get("quantization_config")})
    quantized = quantized or of_folder(checkpoint.path)
    told = dict(options.extra)
    if quantized is not None:
        check_package(quantized, checkpoint.path)
        told.setdefault("device_map", {"": str(device)})  # packed weights cannot be moved once they are loaded
    decoder = _decoder(options.constraint, checkpoint)
    loaded = load_network(checkpoint.path, device, dtype, told)
    batch_size = options.batch_size or _BATCH.get(device.type, 64)
    backend = HFBackend(checkpoint, loaded, batch_size, decoder, options.extra)
    backend.adapt(options.adapter)
    return backend


def _decoder(constraint: Constraint | None, checkpoint: Checkpoint) -> Decoder | None:
    if constraint is None:
        return None
    tokenizer = checkpoint.renderer.tokenizer
    return Decoder(constraint, EngineVocabulary(tokenizer, checkpoint.vocab_size or len(tokenizer), checkpoint.stops))


class HFBackend:
    """A loaded causal language model. `generate` may run in one thread while another calls `close`."""

    name = "hf"
    capabilities = Capabilities(token_prompts=True, logprobs=True)

    def __init__(
        self,
        checkpoint: Checkpoint,
        model: Any,
        batch_size: int,
        decoder: Decoder | None = None,
        arguments: Mapping[str, object] | None = None,
    ) -> None:
        self.model, self.renderer = checkpoint.info, checkpoint.renderer
        self._checkpoint, self._arguments = checkpoint, dict(arguments or {})
        self._stops, self._vocab, self._batch_size = checkpoint.stops, checkpoint.vocab_size, batch_size
        self._network, self._decoder = model, decoder
        self._device = model.device
        self._numerics = {
            "device": str(model.device),
            "dtype": str(model.dtype).removeprefix("torch."),
            "batch_size": batch_size,
            "attention": model.config._attn_implementation,
        }
        self._adapters = Adapters(model)
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def constrain(self, constraint: Constraint | None) -> bool:
        """Hold what is generated from now on to `constraint`. Raises UserError where the decoder cannot be had."""
        self._decoder = _decoder(constraint, self._checkpoint)
        return True

    def adapt(self, adapter: Adapter | None) -> bool:
        """Compute with `adapter` from now on, or with the base alone; loaded when it is first asked for."""
        info = self._checkpoint.with_adapter(adapter)
        self._adapters.use(adapter)
        self.model = info
        return True

    def versions(self) -> Mapping[str, str]:
        """Versions of the packages that compute."""
        peft = ["peft"] if self.model.adapter else []
        engine = PACKAGES.get(self._decoder.constraint.engine) if self._decoder else None
        return package_versions("torch", "transformers", "tokenizers", *peft, *([engine] if engine else []))

    def settings(self) -> Mapping[str, object]:
        """What shapes the numerics and the speed; also once it is closed."""
        import torch

        return {
            **self._arguments,
            **({"quantization_config": found} if (found := of_folder(self._checkpoint.path)) else {}),
            **self._numerics,
            "threads": torch.get_num_threads(),
            "stop_token_ids": list(self._stops),
            "constraint": self._decoder and self._decoder.settings(),
        }

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """One completion per request, batch by batch; ends early, without a completion for what is left, on `close`."""
        pending = iter(requests)
        while window := list(islice(pending, _WINDOW * self._batch_size)):
            runnable = []
            for request in window:
                if why := refusal(request.prompt, self.model.max_length, self._vocab):
                    yield Completion.failed(request, why)
                else:
                    runnable.append(request)
            for budget, batch in self._batches(runnable):
                yield from self._answer(batch, budget)
                if self._stop.is_set():
                    return

    def score(self, token_ids: Sequence[Sequence[int]]) -> list[list[float]]:
        """Log-probability of every token but the first: fp32 log-softmax of one forward pass a sequence.

        Raises UserError for a sequence longer than the model takes.
        """
        longest = max(map(len, token_ids), default=0)
        if self.model.max_length is not None and longest > self.model.max_length:
            raise UserError(f"a sequence has {longest} tokens, the model takes {self.model.max_length}", fix="cut it")
        scores: list[list[float]] = [[] for _ in token_ids]
        order = sorted((i for i, ids in enumerate(token_ids) if len(ids) > 1), key=lambda i: -len(token_ids[i]))
        while order:
            rows = max(1, _SCORE_BYTES // (4 * len(token_ids[order[0]]) * max(1, self._vocab)))
            chunk, order = order[:rows], order[rows:]
            for i, row in zip(chunk, self._forward([token_ids[i] for i in chunk]), strict=True):
                scores[i] = row
        return scores

    def close(self) -> None:
        """Stop between two tokens and let go of the weights."""
        self._stop.set()
        self._network = None

    def _batches(self, requests: Sequence[Request]) -> Iterator[tuple[int, list[Request]]]:
        """Batches of one sampling and one token budget, longest prompts first: memory runs out early or never."""
        groups: dict[tuple[Sampling, int], list[Request]] = {}
        for request in requests:
            room = (self.model.max_length or 1 << 62) - len(request.prompt.token_ids)
            groups.setdefault((request.sampling, min(request.sampling.max_tokens, room)), []).append(request)
        for (_, budget), group in groups.items():
            group.sort(key=lambda request: -len(request.prompt.token_ids))
            for start in range(0, len(group), self._batch_size):
                yield budget, group[start : start + self._batch_size]

    def _answer(self, batch: list[Request], budget: int) -> Iterator[Completion]:
        from listeval.backends.hf.hooks import GenerationStopped

        started = time.perf_counter()
        try:
            answers = self._run(batch, budget)
        except GenerationStopped:
            return
        except Exception as error:  # noqa: BLE001  what the network raises, or a contract that cannot be constrained
            # Only the text is kept: the traceback holds the tensors that memory ran out on.
            cause = first_line(error)
        else:
            seconds = time.perf_counter() - started
            yield from (self._completion(r, *found, seconds) for r, found in zip(batch, answers, strict=True))
            return
        _free_memory()
        if len(batch) == 1:
            yield Completion.failed(batch[0], cause, time.perf_counter() - started)
            return
        half = len(batch) // 2
        yield from self._answer(batch[:half], budget)
        yield from self._answer(batch[half:], budget)

    def _run(self, batch: Sequence[Request], budget: int) -> list[tuple[list[int], float | None]]:
        """Generated ids of each row, with whatever follows its end, and the mass that a constraint took away."""
        import torch
        from transformers import GenerationConfig

        from listeval.backends.hf.hooks import GenerationStopped, GumbelSampler, StopWhenSet

        network, device = self._network, self._device
        if network is None:
            raise GenerationStopped
        ids, mask = self._padded([r.prompt.token_ids for r in batch], left=True)
        sampling = batch[0].sampling
        sampler = [] if sampling.greedy else [GumbelSampler(sampling, [r.seed for r in batch], device)]
        if self._decoder is not None and self._decoder.constraint.kind == "scaffold":
            return self._scaffold(network, batch, budget, next(iter(sampler), None))
        constraint = self._constraint(batch)
        with torch.inference_mode():
            # Sampling is greedy over noisy logits, so the generation config is the neutral one either way.
            output = network.generate(
                input_ids=ids,
                attention_mask=mask,
                generation_config=GenerationConfig(
                    max_new_tokens=budget,
                    do_sample=False,
                    eos_token_id=list(self._stops) or None,
                    pad_token_id=self._pad,
                ),
                # The mask comes first: what is sampled is the model's distribution over what is allowed.
                logits_processor=[*constraint, *sampler],
                stopping_criteria=[StopWhenSet(self._stop, len(batch), device)],
            )
        masked = [mass.mean for mass in constraint[0].masses] if constraint else [None] * len(batch)
        return list(zip(output[:, ids.shape[1] :].tolist(), masked, strict=True))

    def _scaffold(
        self, network: Any, batch: Sequence[Request], budget: int, sampler: GumbelSampler | None
    ) -> list[tuple[list[int], float | None]]:
        """As `_run`; an answer that is complete within the budget ends with a stop token, which costs no pass."""
        import torch

        from listeval.backends.hf.hooks import GenerationStopped
        from listeval.decoding.scaffold.hf import Feeder, decode

        def between() -> None:
            if self._stop.is_set():
                raise GenerationStopped

        assert self._decoder is not None, "only a decoder asks for a scaffold"
        contracts, prompts = [r.contract for r in batch], [r.prompt.token_ids for r in batch]
        answers = self._decoder.scaffolds(contracts, prompts)
        feeder = Feeder(network)
        with torch.inference_mode():
            decode(answers, feeder, self._decoder.trie, sampler and sampler.noisy, between)
        self._decoder.passed(feeder.passes, max(len(answer.tokens) for answer in answers))
        return [([*answer.tokens, self._stops[0]][:budget], answer.mass.mean) for answer in answers]

    def _constraint(self, batch: Sequence[Request]) -> list[Processor]:
        if self._decoder is None:
            return []
        return [self._decoder.processor([request.contract for request in batch], self._device)]

    def _completion(self, request: Request, row: list[int], masked: float | None, seconds: float) -> Completion:
        stops = set(self._stops)
        end = next((i for i, token in enumerate(row) if token in stops), None)
        kept = row[:end]
        reasoning, answer = split_decoded(self.renderer, kept, request.prompt.text)
        return Completion(
            key=request.key,
            text=answer,
            finish_reason="length" if end is None else "stop",
            n_tokens=len(kept) + (end is not None),
            n_prompt_tokens=len(request.prompt.token_ids),
            token_ids=tuple(kept),
            reasoning=reasoning,
            latency_s=seconds,
            masked=masked,
        )

    def _forward(self, sequences: Sequence[Sequence[int]]) -> list[list[float]]:
        import torch

        ids, mask = self._padded(sequences, left=False)
        with torch.inference_mode():
            logits = self._network(input_ids=ids, attention_mask=mask, use_cache=False).logits
            return [self._row_scores(logits[i, : len(s) - 1], ids[i, 1 : len(s)]) for i, s in enumerate(sequences)]

    @staticmethod
    def _row_scores(logits: torch.Tensor, targets: torch.Tensor) -> list[float]:
        """`logits` [T, V], `targets` [T]; in chunks, for an fp32 copy of everything doubles the memory."""
        scores: list[float] = []
        for part, chosen in zip(logits.split(256), targets.split(256), strict=True):
            scores += part.float().log_softmax(-1).gather(-1, chosen[:, None])[:, 0].tolist()
        return scores

    def _padded(self, sequences: Sequence[Sequence[int]], *, left: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids and mask, both [rows, width]."""
        import torch

        width = max(map(len, sequences))
        ids = torch.full((len(sequences), width), self._pad)
        mask = torch.zeros_like(ids)
        for i, sequence in enumerate(sequences):
            place = slice(width - len(sequence), width) if left else slice(len(sequence))
            ids[i, place] = torch.tensor(sequence)
            mask[i, place] = 1
        return ids.to(self._device), mask.to(self._device)

    @property
    def _pad(self) -> int:
        """Any id of the vocabulary: padding is masked before the prompt and trimmed after the end."""
        own = self.renderer.tokenizer.pad_token_id
        return next((i for i in (own, *self._stops) if i is not None and i < self._vocab), 0)


def pick_device(name: str | None, place: str = "--device") -> torch.device:
    """The device asked for, else the best one there is. Raises UserError for one that this machine lacks."""
    import torch

    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UserError(
            f"the device '{name}' cannot be used ({first_line(error)})", place=place, fix=f"{place} cpu"
        ) from error
    return device


def load_network(path: Path, device: torch.device, dtype: str, extra: Mapping[str, object] | None = None) -> Any:
    """The network in evaluation mode, with a neutral generation config. Raises UserError where it cannot be loaded."""
    from transformers import AutoModelForCausalLM, GenerationConfig
    from transformers.utils import logging

    logging.disable_progress_bar()
    place, told = str(path), dict(extra or {})
    try:
        network, report = AutoModelForCausalLM.from_pretrained(path, dtype=dtype, output_loading_info=True, **told)
        network = network.eval()
        # A network that was spread over devices stays where it was put.
        network = network if "device_map" in told else network.to(device)
    except (
        Exception
    ) as error:  # a broken checkpoint raises anything: OSError, ValueError, SafetensorError, OutOfMemoryError
        raise UserError(
            f"the model cannot be loaded: {first_line(error)}", place=place, fix="check the checkpoint"
        ) from error
    # transformers fills absent weights with random numbers and only warns; a run would score noise.
    if absent := sorted([*report["missing_keys"], *report["mismatched_keys"]], key=str):
        raise UserError(
            f"{len(absent)} weights are missing or misshapen, first {absent[0]}",
            place=place,
            fix="save the checkpoint again",
        )
    # `generate` fills what a request leaves unset from here: penalties and temperatures of the checkpoint stay out.
    network.generation_config = GenerationConfig()
    return network


def _free_memory() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
