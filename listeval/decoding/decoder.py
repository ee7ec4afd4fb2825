"""A constraint at work in this process: how each answer of a batch is held to it, and what binding that cost."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from listeval.decoding.bind import bind
from listeval.decoding.constraint import Constraint, Form
from listeval.decoding.engines import Engine, EngineVocabulary, open_engine
from listeval.decoding.mass import MaskedMass
from listeval.decoding.permutation.automaton import Permutation
from listeval.decoding.permutation.permutation_spec import PermutationSpec
from listeval.decoding.scaffold.scaffold_spec import Scaffold
from listeval.decoding.tokens.token_trie import TokenTrie, trie_of
from listeval.errors import UserError

if TYPE_CHECKING:
    import torch

    from listeval.contract import Contract
    from listeval.decoding.scaffold.hf import ScaffoldAnswer

T = TypeVar("T")


class Processor(Protocol):
    """A logits processor for one batch, to stand before any sampling."""

    @property
    def masses(self) -> list[MaskedMass]:
        """What the constraint has taken away from each row."""

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Cut raw logits, (rows, vocabulary), down to what may come next."""


class Decoder:
    """A constraint and its engine, for one vocabulary.

    Raises UserError where the engine is missing or cannot read the tokenizer, and for a model without a stop token.
    """

    def __init__(self, constraint: Constraint, vocabulary: EngineVocabulary) -> None:
        if not vocabulary.stops:
            place = str(vocabulary.tokenizer.name_or_path)
            raise UserError("the model has no stop token, so no answer could end", place=place, fix="set its eos token")
        self.constraint, self._vocabulary = constraint, vocabulary
        self._engine: Engine | None = None
        if constraint.engine != "own":
            self._engine = open_engine(constraint.engine, vocabulary)
        self._seconds: list[float] = []
        self._passes: Counter[str] = Counter()

    def processor(self, contracts: Sequence[Contract[Any]], device: torch.device) -> Processor:
        """For one call of `generate`, a row for each contract. Raises UserError for a contract that cannot be had."""
        if self._engine is None:
            from listeval.decoding.hf_processor import PermutationProcessor

            return PermutationProcessor([self._timed(self.permutation, contract) for contract in contracts])
        from listeval.decoding.masking import Masking

        engine = self._engine
        matchers = [self._timed(engine.matcher, contract) for contract in contracts]
        return Masking(matchers, self._vocabulary.stops, device)

    def permutation(self, form: Form) -> Permutation:
        """The exact-once automaton of one answer. Raises UserError for an id that the vocabulary cannot spell."""
        assert isinstance(form, PermutationSpec), "only a permutation is bound for our own engine"
        return Permutation(form, self.trie, self._vocabulary.stops)

    def scaffolds(self, contracts: Sequence[Contract[Any]], prompts: Sequence[Sequence[int]]) -> list[ScaffoldAnswer]:
        """Answers to write after prompts, for `hf_scaffold.decode`. Raises UserError as `processor` does."""
        from listeval.decoding.scaffold.hf import start

        tokenizer = self._vocabulary.tokenizer

        def build(form: Form) -> ScaffoldAnswer:
            assert isinstance(form, PermutationSpec), "only our own engine appends"
            return start(Scaffold.of(form), tokenizer, self.trie)

        answers = [self._timed(build, contract) for contract in contracts]
        for answer, prompt in zip(answers, prompts, strict=True):
            answer.pending[:0] = prompt
        return answers

    def passed(self, passes: int, one_by_one: int) -> None:
        """Count a batch's forward passes, and those that decoding its tokens one by one would have taken."""
        self._passes["forward_passes"] += passes
        self._passes["one_by_one"] += one_by_one

    @cached_property
    def trie(self) -> TokenTrie:
        """The vocabulary as our own engine walks it."""
        return trie_of(self._vocabulary.tokenizer, self._vocabulary.size)

    def _timed(self, build: Callable[[Form], T], contract: Contract[Any]) -> T:
        started = time.perf_counter()
        built = build(bind(self.constraint, contract))
        self._seconds.append(time.perf_counter() - started)
        return built

    def settings(self) -> Mapping[str, object]:
        """The constraint, milliseconds to bind and compile one answer's (median and most), a scaffold's passes."""
        times = sorted(1e3 * seconds for seconds in self._seconds)
        cost: dict[str, object] = {"compiled": len(times)}
        if times:
            cost |= {"compile_ms": round(times[len(times) // 2], 3), "compile_ms_max": round(times[-1], 3)}
        return {**self.constraint.spec(), **cost, **self._passes}
