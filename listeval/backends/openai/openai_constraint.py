"""A constraint on a server: which request fields carry it, and what the server must be for that.

A schema goes to vLLM as an expression of ours in `structured_outputs` (its `guided_json` is gone since 0.12, and
ignored without a word) and to any other server as OpenAI's `response_format`, as far as the server takes it
(`openai_schema`); how that server spaces its answers is its own affair, and measured. Grammars and scaffolds need a
vLLM server; our own permutation
needs one that was started with our logits processor.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from listeval.backends.openai import wire
from listeval.backends.openai.openai_schema import ServedSchema
from listeval.backends.vllm.vllm_constraint import payload, structured_outputs
from listeval.decoding.bind import bind
from listeval.decoding.constraint import Constraint, JsonForm
from listeval.decoding.permutation.permutation_spec import PermutationSpec
from listeval.decoding.vllm_payload import KEY, PROCESSOR
from listeval.errors import UserError
from listeval.models.checkpoint import stop_token_ids

if TYPE_CHECKING:
    from listeval.contract import Contract
    from listeval.models.renderer import Renderer


class ServerConstraint:
    """Raises UserError for a server that cannot have `constraint`, saying what to start."""

    def __init__(self, constraint: Constraint, url: str, *, vllm: bool, renderer: Renderer | None) -> None:
        self.constraint, self._vllm, self._renderer = constraint, vllm, renderer
        self._stops: tuple[int, ...] = ()
        self._schema = ServedSchema()
        # Whether a vLLM server's engine turned out to take no expressions.
        self._no_regex = False
        if constraint.kind != "schema" and not vllm:
            cause = f"a {constraint.kind} needs a vLLM server, and this one does not say that it is one"
            raise UserError(
                cause, place=url, fix=f"start `vllm serve MODEL{_flag(constraint)}`, or --constraint schema"
            )
        if constraint.engine == "own":
            if renderer is None:
                cause = "our own permutation needs the model's tokenizer here too, to name its stop tokens"
                raise UserError(cause, place=url, fix="add --tokenizer CKPT")
            self._stops = stop_token_ids(Path(str(renderer.tokenizer.name_or_path)), renderer)

    def fields(self, contract: Contract[Any]) -> dict[str, Any]:
        """Request fields for an answer to `contract`. Raises UserError for one that cannot be had this way."""
        if self.constraint.kind == "schema" and not self._vllm:
            return {"response_format": wire.response_format(self._schema.of(contract))}
        form = bind(self.constraint, contract)
        if isinstance(form, PermutationSpec):
            assert self._renderer is not None, "refused above"
            text = payload(form, self._renderer.tokenizer, None, self._stops)
            # The server may know fewer stop tokens than we do, and would go on after ours to the budget.
            return {"vllm_xargs": {KEY: text}, "stop_token_ids": list(self._stops)}
        if self.constraint.kind == "schema" and (self._no_regex or isinstance(form, JsonForm)):
            form = JsonForm(self._schema.of(contract))
        return {"structured_outputs": structured_outputs(form)}

    def learn(self, status: int, words: str, contract: Contract[Any]) -> bool:
        """Whether to ask again in another way after a refusal: only before the first answer, and never without."""
        if self.constraint.kind != "schema":
            return False
        if self._vllm and not self._no_regex and not self._schema.settled and status in (400, 422):
            self._no_regex = True
            return True
        return self._schema.learn(status, words, contract)

    def settle(self) -> None:
        """The server has answered: requests keep to what it took."""
        self._schema.settle()

    def answer(self, text: str) -> str:
        """The contract's own answer in the text of a completion."""
        return self._schema.unwrapped(text)

    def settings(self) -> dict[str, Any]:
        """The constraint, the field that carries it, and what the server made of a schema."""
        field = "structured_outputs" if self._vllm else "response_format"
        if self.constraint.engine == "own":
            field = "vllm_xargs"
        form = {"form": "the server's own JSON mode"}
        if self.constraint.kind != "schema":
            form = {}
        elif self._vllm and not self._no_regex:
            form = {"form": "our expression, where the schema has one"}
        return {**self.constraint.spec(), "field": field, **form, **self._schema.told()}


def _flag(constraint: Constraint) -> str:
    return f" --logits-processors {PROCESSOR}" if constraint.engine == "own" else ""
