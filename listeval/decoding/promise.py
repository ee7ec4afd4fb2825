"""What an engine promised of an answer, and whether the answer breaks it.

A schema promises JSON that the schema admits: shape, ids from the enum, exactly K objects; no engine
promises that an id stands once. A permutation and a scaffold promise the whole contract, less what only the
task's own code checks. A truncated answer breaks no promise.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from listeval.contract.outcome import Failure
from listeval.contract.schema_nodes import without
from listeval.contract.schema_validator import schema_validator
from listeval.contract.taxonomy import Kind
from listeval.decoding.constraint import json_form

if TYPE_CHECKING:
    from listeval.contract import Contract


class Promise(NamedTuple):
    """The constraint of a run, less the `ignored` keywords that its engine was measured not to keep."""

    kind: str
    ignored: frozenset[str] = frozenset()

    def held(self, contract: Contract[Any], text: str, finish_reason: str, failure: Failure) -> Failure:
        """`failure`, or `constraint_ignored` with its detail where the engine had promised better."""
        if self.kind == "none" or finish_reason != "stop":
            return failure
        if self.kind != "schema" and failure.kind is Kind.CONTRACT_OTHER:
            return failure
        if not self.broken(contract, text):
            return failure
        return failure._replace(kind=Kind.CONSTRAINT_IGNORED, detail=f"{failure.kind.value}: {failure.detail}")

    def broken(self, contract: Contract[Any], text: str) -> bool:
        """Whether a complete answer that fails its contract breaks the promise."""
        if self.kind != "schema":
            return True
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return True
        schema = without(json_form(contract).schema, self.ignored)
        return not schema_validator(schema).is_valid(value)


def promised_schema(contract: Contract[Any]) -> dict[str, Any]:
    """The contract's schema, in a list of ids with the bounds that the prompt promises of plain numbers."""
    from listeval.contract import KeyedList

    schema = json_form(contract).schema
    items = schema.get("items")
    if not isinstance(contract, KeyedList) or not isinstance(items, dict) or "properties" not in items:
        return schema
    bounds = dict(zip(("minimum", "maximum"), contract.scale, strict=True))
    plain = ({"type": "number"}, {"type": "integer"})
    properties = {name: {**node, **bounds} if node in plain else node for name, node in items["properties"].items()}
    return {**schema, "items": {**items, "properties": properties}}
