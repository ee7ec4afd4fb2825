"""A contract's own schema with a mark in it that no free answer has: what the canary asks for.

Only keywords that the schema has already are used (and `integer`), so that a server which cannot take one of them
fails for the contract's sake, never for the canary's.
"""

from __future__ import annotations

import re
from typing import Any, get_args

from pydantic import BaseModel

from listeval.contract import Contract, KeyedList
from listeval.contract.extract import Extraction
from listeval.contract.schema_nodes import followed
from listeval.decoding.constraint import json_form

IDS = ("zq-4817", "zq-1748", "zq-8471")
MARK = "zq-4817"
"""A key that no contract has, and an id that no data has."""
_DEEPEST = 8
"""Levels of a schema that are marked."""

_MARKED = re.compile(r"\s*(?:\[\s*)?\{\s*(?:\"(?:[^\"\\]|\\.)*\"\s*:\s*)*\"zq-")


class MarkedContract(Contract[Any]):
    """Any contract but a list of ids: each object at the root, or in the root's list, begins with the key MARK."""

    depth = 0
    noun = "answer to the canary"
    extraction = Extraction.OUTERMOST_OBJECT

    def __init__(self, own: Contract[Any]) -> None:
        self._own, self.separators = own, own.separators

    def json_schema(self) -> dict[str, Any]:
        schema = json_form(self._own).schema
        return dict(_marked(schema, schema))

    def spec(self) -> dict[str, Any]:
        return {"canary": self._own.spec()}


def canary_contract(contract: Contract[Any]) -> Contract[Any]:
    """The shape of `contract`, which no answer to another question has."""
    if not isinstance(contract, KeyedList):
        return MarkedContract(contract)
    found = KeyedList(contract.item, key=contract.key, ids=IDS, scale=contract.scale, decimals=contract.decimals)
    found.separators = contract.separators
    return found


def begins_marked(text: str, contract: Contract[Any]) -> bool:
    """Whether an answer, perhaps cut, has the mark where it has to be."""
    if isinstance(contract, KeyedList):
        return (
            re.match(r"\s*\[\s*\{", text) is not None and f'"{contract.key}"' in text and any(id in text for id in IDS)
        )
    return _MARKED.match(text) is not None


def has_further_rules(contract: Contract[Any]) -> bool:
    """Whether a contract checks what its schema cannot say: validators of its models, or a `check` of its own."""
    from listeval.contract import Calls, Record

    own = type(contract).check not in (Contract.check, KeyedList.check, Calls.check, Record.check)
    held = [
        part for value in vars(contract).values() for part in (value.values() if isinstance(value, dict) else [value])
    ]
    return own or any(_has_validators(part, set()) for part in held)


def _has_validators(kind: Any, seen: set[Any]) -> bool:
    """Of a pydantic model, and of the models that its fields hold."""
    inner = list(get_args(kind))
    if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in seen:
        seen.add(kind)
        rules = kind.__pydantic_decorators__
        if rules.model_validators or rules.field_validators or rules.validators or rules.root_validators:
            return True
        inner += [field.annotation for field in kind.model_fields.values()]
    return any(_has_validators(part, seen) for part in inner)


def _marked(node: Any, root: dict[str, Any], depth: int = 0) -> Any:
    try:
        node = followed(node, root)
    except LookupError:
        return node
    # A schema may hold itself without end.
    if not isinstance(node, dict) or depth > _DEEPEST:
        return node
    for word in ("anyOf", "oneOf", "allOf"):
        if word in node:
            return {**node, word: [_marked(option, root, depth + 1) for option in node[word]]}
    if node.get("type") == "array" and isinstance(node.get("items"), dict):
        return {**node, "items": _marked(node["items"], root, depth + 1), "minItems": max(1, node.get("minItems", 0))}
    if node.get("type") == "object":
        properties = {MARK: {"type": "integer"}, **node.get("properties", {})}
        return {**node, "properties": properties, "required": [MARK, *node.get("required", ())]}
    return node
