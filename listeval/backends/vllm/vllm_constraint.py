"""A constraint on a vLLM engine: what the engine is started with for it, and what each request carries.

Schemas, grammars and scaffolds go through vLLM's structured outputs (every token is decoded there, a scaffold's
too); our own permutation is a logits processor inside the engine, which writes masked masses into a file.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from listeval.decoding.bind import bind
from listeval.decoding.constraint import Constraint, GrammarForm, JsonForm, RegexForm, require
from listeval.decoding.engines.engine_protocol import refused
from listeval.decoding.engines.json_mode import json_mode
from listeval.decoding.engines.native_output import captured_native_output
from listeval.decoding.permutation.automaton import Permutation
from listeval.decoding.permutation.permutation_spec import PermutationSpec
from listeval.decoding.tokens.token_trie import trie_of
from listeval.decoding.vllm_payload import KEY, LEDGER, PROCESSOR, Payload
from listeval.errors import UserError, first_line

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from listeval.contract import Contract
    from listeval.models.checkpoint import Checkpoint

_BACKENDS = {"xgrammar": "xgrammar", "llguidance": "guidance", "outlines": "outlines"}
"""vLLM's names of the engines."""

_RUNNER = "VLLM_USE_V2_MODEL_RUNNER"


class VLLMConstraint:
    """Raises UserError where the engine's package is missing."""

    def __init__(self, constraint: Constraint, checkpoint: Checkpoint) -> None:
        require(constraint.engine)
        self.constraint, self._checkpoint = constraint, checkpoint
        self._ledger: Path | None = None
        self._read = 0
        self._masses: dict[str, float | None] = {}

    def arguments(self) -> dict[str, Any]:
        """For `vllm.LLM`. Also sets what an engine reads from its environment."""
        told = self.engine_arguments()
        if self.constraint.engine != "own":
            return told
        handle, name = tempfile.mkstemp(prefix="listeval-masked-", suffix=".jsonl")
        os.close(handle)
        self._ledger = Path(name)
        os.environ[LEDGER] = name
        os.environ.setdefault(_RUNNER, "0")
        return told

    def engine_arguments(self) -> dict[str, Any]:
        """For an engine in another process, which then tells no masked masses."""
        if self.constraint.engine != "own":
            # Whitespace is no flag here: every form says it itself.
            return {"structured_outputs_config": {"backend": _BACKENDS[self.constraint.engine]}}
        return {"logits_processors": [PROCESSOR]}

    def parameters(self, contract: Contract[Any], tag: str) -> dict[str, Any]:
        """For the `SamplingParams` of one request. Raises UserError for a contract that cannot be had this way."""
        fields = self.fields(contract, tag)
        if "structured_outputs" not in fields:
            return fields
        from vllm.sampling_params import StructuredOutputsParams

        return {"structured_outputs": StructuredOutputsParams(**fields["structured_outputs"])}

    def fields(self, contract: Contract[Any], tag: str) -> dict[str, Any]:
        """The same as plain data. Raises UserError for a contract that cannot be had this way."""
        form = bind(self.constraint, contract)
        if isinstance(form, PermutationSpec):
            checkpoint = self._checkpoint
            text = payload(form, checkpoint.renderer.tokenizer, checkpoint.vocab_size or None, checkpoint.stops, tag)
            return {"extra_args": {KEY: text}}
        if isinstance(form, JsonForm):
            form = self._json_mode(form)
        return {"structured_outputs": structured_outputs(form)}

    def _json_mode(self, form: JsonForm) -> JsonForm | GrammarForm | RegexForm:
        engine = self.constraint.engine
        try:
            with captured_native_output():
                return json_mode(engine, form)
        except Exception as error:  # the bindings raise whatever C++ threw
            raise refused(
                engine, form, first_line(error), lambda less: json_mode(engine, cast("JsonForm", less))
            ) from error

    def masked(self, tag: str) -> float | None:
        """Mean masked mass of a finished request; None where the engine does not tell."""
        if self._ledger is None:
            return None
        with self._ledger.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if line.endswith(b"\n"):
                    self._read += len(line)
                    found = json.loads(line)
                    self._masses[found["tag"]] = found["mean"]
        return self._masses.pop(tag, None)

    def settings(self) -> Mapping[str, object]:
        """The constraint; vLLM compiles beside its steps and does not say how long it took."""
        return self.constraint.spec()

    def close(self) -> None:
        """Remove the file of masses."""
        if self._ledger is not None:
            self._ledger.unlink(missing_ok=True)
            os.environ.pop(LEDGER, None)


def together(
    wanted: Sequence[Constraint | None], checkpoint: Checkpoint
) -> tuple[dict[Constraint, VLLMConstraint], dict[str, Any]]:
    """The constraints that one engine can take, the first one first, and what `vllm.LLM` is told of them.

    An engine has one library for structured outputs and one file of masses: what needs another is left out, and so is
    all but the first whose package is missing. Raises UserError where the first one's is.
    """
    taken: dict[Constraint, VLLMConstraint] = {}
    arguments: dict[str, Any] = {}
    for constraint in wanted:
        if constraint is None or constraint in taken:
            continue
        same = [other.engine for other in taken if (other.engine == "own") == (constraint.engine == "own")]
        if same and (constraint.engine == "own" or constraint.engine not in same):
            continue
        try:
            taken[constraint] = VLLMConstraint(constraint, checkpoint)
        except UserError:
            if constraint == wanted[0]:
                raise
            continue
        arguments |= taken[constraint].arguments()
    return taken, arguments


def served_arguments(constraint: Constraint | None) -> tuple[dict[str, Any], dict[str, str]]:
    """Arguments and environment of a server that is to keep `constraint`."""
    if constraint is None or constraint.engine == "server":
        return {}, {}
    if constraint.engine == "own" and constraint.kind == "permutation":
        return {"logits_processors": [PROCESSOR]}, {_RUNNER: os.environ.get(_RUNNER, "0")}
    return {"structured_outputs_config": {"backend": _BACKENDS[constraint.engine]}}, {}


def payload(
    spec: PermutationSpec, tokenizer: PreTrainedTokenizerBase, size: int | None, stops: tuple[int, ...], tag: str = ""
) -> str:
    """What our processor inside an engine reads. Raises UserError for an id that the vocabulary cannot spell."""
    # Inside the engine one request of a batch cannot fail any more, so it is built here first.
    Permutation(spec, trie_of(tokenizer, size), stops)
    return Payload(spec, stops, tag).text()


def structured_outputs(form: JsonForm | GrammarForm | RegexForm) -> dict[str, Any]:
    """vLLM's structured-output parameters for a form, in process and served."""
    match form:
        case JsonForm(schema=schema):
            return {"json": schema}
        case GrammarForm(text):
            return {"grammar": text}
        case RegexForm(pattern):
            return {"regex": pattern}
