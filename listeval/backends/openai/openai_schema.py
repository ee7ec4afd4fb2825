"""A contract's schema as a server takes it: what one server refuses of JSON Schema is learned before the run begins.

OpenAI's own endpoint takes only objects at the root, others know no `minItems`, no `$defs` or no `const`. What can be
said in another way is (a list goes into an object and comes out of it again); a keyword that only narrows is left out,
which is recorded and lessens what the constraint promises; of any other the refusal names the keyword.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from listeval.contract import KeyedList
from listeval.contract.schema_nodes import closed, each_node, inlined, keywords, without
from listeval.decoding.constraint import json_form
from listeval.decoding.promise import promised_schema
from listeval.decoding.refused_keywords import NARROWING, named

if TYPE_CHECKING:
    from listeval.contract import Contract

WRAPPER = "answer"
"""The one key of the object around a list."""

_INVALID = (400, 422)
_ROOT = re.compile(r"\b(?:object|root|top[- ]?level)\b", re.IGNORECASE)
_REFERENCE = re.compile(r"\$ref|\$defs|\bdefinitions\b|\breferences?\b")


class ServedSchema:
    """The schemas of one server's requests. `settle` ends the learning: a run never weakens on its way."""

    def __init__(self) -> None:
        self.wrapped = self.settled = self._inlined = self._listed = False
        self.left_out: dict[str, str] = {}
        self._bounded = True

    def of(self, contract: Contract[Any]) -> dict[str, Any]:
        """The schema for an answer to `contract`."""
        found = closed(promised_schema(contract) if self._bounded else json_form(contract).schema)
        if self._inlined:
            found = inlined(found)
        if self._listed:
            listed = each_node(found, lambda node: {**node, "enum": [node["const"]]} if "const" in node else node)
            found = without(listed, {"const"})
        found = without(found, self.left_out)
        return _wrap(found) if self.wrapped else found

    def learn(self, status: int, words: str, contract: Contract[Any]) -> bool:
        """Whether there is another way to put what the server refused with `words`; the next `of` goes that way."""
        if self.settled or status not in _INVALID:
            return False
        schema = self.of(contract)
        keyword = named(schema, words)
        if keyword in NARROWING:
            self.left_out[str(keyword)] = words[:200]
            return True
        if _REFERENCE.search(words) and "$ref" in keywords(schema) and not self._inlined and _finite(schema):
            self._inlined = True
            return True
        if keyword == "const" and not self._listed:
            self._listed = True
            return True
        rooted = schema.get("type") == "object" and not {"anyOf", "oneOf", "allOf", "$ref"} & schema.keys()
        if not rooted and not self.wrapped and (_ROOT.search(words) or not self._has_bounds(contract)):
            self.wrapped = True
            return True
        if self._has_bounds(contract):
            self._bounded = False
            self.left_out |= dict.fromkeys(("minimum", "maximum"), words[:200])
            return True
        return False

    def _has_bounds(self, contract: Contract[Any]) -> bool:
        """Whether bounds that the contract's own schema does not have are still sent."""
        return self._bounded and isinstance(contract, KeyedList) and "minimum" not in self.left_out

    def settle(self) -> None:
        """The server has answered under a schema: from now on it is what it is."""
        self.settled = True

    def told(self) -> dict[str, Any]:
        """For the manifest."""
        found: dict[str, Any] = {"wrapped": WRAPPER} if self.wrapped else {}
        return found | ({"left_out": dict(self.left_out)} if self.left_out else {})

    def unwrapped(self, text: str) -> str:
        """The answer inside the object that was asked for around it, however much of that came; other text as it is."""
        opening = _OPENING.match(text) if self.wrapped else None
        if opening is None:
            return text
        start = opening.end()
        try:
            _, end = json.JSONDecoder().raw_decode(text, start)
        except (ValueError, RecursionError):
            return text[start:]
        return text[start:end] if text[end:].strip() in ("}", "") else text


_OPENING = re.compile(rf'\s*\{{\s*"{WRAPPER}"\s*:\s*')


def _wrap(schema: dict[str, Any]) -> dict[str, Any]:
    inner = {name: value for name, value in schema.items() if name not in ("$defs", "definitions")}
    shared: dict[str, Any] = {name: schema[name] for name in ("$defs", "definitions") if name in schema}
    properties = {"properties": {WRAPPER: inner}, "required": [WRAPPER]}
    return {"type": "object", **properties, "additionalProperties": False, **shared}


def _finite(schema: dict[str, Any]) -> bool:
    try:
        inlined(schema)
    except ValueError:
        return False
    return True
