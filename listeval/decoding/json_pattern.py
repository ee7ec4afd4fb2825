"""A JSON Schema as one regular expression: its own spacing, bounded numbers, and the same language in every engine.

The engines' own JSON modes write separators as they please and numbers without end. What is regular in a schema is
therefore said here, in the syntax that all of them share, and never more than the schema admits; the rest (`pattern`,
`format`, recursion, open objects) stays with an engine's own mode. Objects are closed and keep the order of their
properties, as in all engines.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from listeval.contract.schema_nodes import pointed
from listeval.contract.separators import USUAL, Separators
from listeval.decoding.disjoint import disjoint
from listeval.decoding.number_pattern import ANY_INTEGER, ANY_NUMBER, escaped, pattern_of
from listeval.decoding.permutation.number_form import LARGEST, NumberForm
from listeval.decoding.spacing import MOST_WHITESPACE, Spacing
from listeval.errors import UserError

OPEN = "a value of any type"
LONGEST = 400_000
"""Characters of an expression beyond which engines take minutes."""

_CHARACTER = r'([^"\\\x00-\x1f]|\\(["\\/bfnrt]|u([0-9a-cA-CeEfF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2})))'
"""One character of a string. Half a surrogate pair is no text, and both halves are better written as themselves."""

_SILENT = frozenset({"title", "description", "examples", "default", "$comment", "deprecated", "discriminator", "$defs",
                     "definitions"})  # fmt: skip
_OF_TYPE: Mapping[str, frozenset[str]] = {
    "string": frozenset({"minLength", "maxLength"}),
    "array": frozenset({"items", "prefixItems", "minItems", "maxItems"}),
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "number": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}),
    "integer": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}),
    "boolean": frozenset(),
    "null": frozenset(),
}


class NotRegular(Exception):
    """No regular expression says this schema; `keyword` is what it fails at."""

    def __init__(self, keyword: str) -> None:
        super().__init__(keyword)
        self.keyword = keyword


class SeparatorPatterns(NamedTuple):
    """What stands between items and after keys, and wherever else JSON allows whitespace, as expressions."""

    item: str
    key: str
    pad: str

    @classmethod
    def of(cls, spacing: Spacing, gold: Separators | None = USUAL) -> SeparatorPatterns:
        """Raises UserError for `gold` where the task's gold answers have no one pair of separators."""
        match spacing:
            case Spacing.EITHER:
                return cls(", ?", ": ?", "")
            case Spacing.COMPACT:
                return cls(",", ":", "")
            case Spacing.FREE:
                pad = f"[ \\t\\n\\r]{{0,{MOST_WHITESPACE}}}"
                return cls(f"{pad},{pad}", f"{pad}:{pad}", pad)
        if gold is None:
            cause = "the task's gold answers are not spaced in one way (after ',' and ':' alone, each time the same)"
            raise UserError(cause, place="--spacing gold", fix="use --spacing either or free")
        return cls(escaped(gold.item), escaped(gold.key), "")


def json_pattern(schema: Mapping[str, Any], marks: SeparatorPatterns, promise: NumberForm | None = None) -> str:
    """All texts that `schema` admits, spaced by `marks`.

    `promise` is what the prompt promises of numbers that state no bounds. Raises NotRegular for a schema that is not
    regular or too large, and UserError for bounds that hold no number.
    """
    found = marks.pad + _Writer(schema, marks, promise).node(schema)
    if len(found) > LONGEST:
        raise NotRegular("the size")
    return found


class _Writer:
    def __init__(self, root: Mapping[str, Any], marks: SeparatorPatterns, promise: NumberForm | None) -> None:
        self._root, self._marks, self._promise = root, marks, promise
        self._open: list[str] = []
        self._size = 0

    def node(self, node: Any) -> str:
        if not isinstance(node, dict):
            raise NotRegular(OPEN)
        said = node.keys() - _SILENT
        for word in ("anyOf", "oneOf", "allOf"):
            if word in said:
                return self._combined(word, node[word], said)
        if "$ref" in said:
            return self._referred(node["$ref"], said)
        if "const" in said or "enum" in said:
            return self._listed(node, said)
        kinds = node.get("type")
        kinds = kinds if isinstance(kinds, list) else [kinds]
        if len(kinds) > 1:
            own = {kind: _OF_TYPE.get(kind, frozenset()) | {"type"} for kind in kinds}
            _only(said, frozenset().union(*own.values()))
            parts = ({key: node[key] for key in node if key in own[kind]} | {"type": kind} for kind in kinds)
            return _choice([self.node(part) for part in parts])
        return self._typed(kinds[0], node, said)

    def _typed(self, kind: Any, node: Mapping[str, Any], said: set[str]) -> str:
        if not isinstance(kind, str) or kind not in _OF_TYPE:
            raise NotRegular(OPEN)
        _only(said, _OF_TYPE[kind] | {"type"})
        write: Callable[[Mapping[str, Any]], str] = {
            "string": _string,
            "array": self._array,
            "object": self._object,
            "boolean": lambda _: "(true|false)",
            "null": lambda _: "null",
        }.get(kind, self._number)
        found = write(node)
        self._size += len(found)
        if self._size > 4 * LONGEST:
            raise NotRegular("the size")
        return found

    def _combined(self, word: str, options: Sequence[Any], said: set[str]) -> str:
        _only(said, frozenset({word}))
        if (word == "allOf" and len(options) > 1) or (word == "oneOf" and not disjoint(options, self._root)):
            raise NotRegular(word)
        return _choice([self.node(option) for option in options])

    def _referred(self, reference: str, said: set[str]) -> str:
        _only(said, frozenset({"$ref"}))
        if reference in self._open:
            raise NotRegular("$ref")
        try:
            at = pointed(reference, self._root)
        except LookupError:
            raise NotRegular("$ref") from None
        self._open.append(reference)
        try:
            return self.node(at)
        finally:
            self._open.pop()

    def _listed(self, node: Mapping[str, Any], said: set[str]) -> str:
        _only(said, frozenset({"const", "enum", "type"}))
        values = [node["const"]] if "const" in node else node["enum"]
        kinds = node.get("type")
        kinds = [kinds] if isinstance(kinds, str) else kinds
        fitting = [value for value in values if kinds is None or any(_is(value, kind) for kind in kinds)]
        if not fitting:
            raise NotRegular("enum")
        return _choice([self._value(value) for value in fitting])

    def _value(self, value: Any) -> str:
        """A value as it may be written."""
        pad = self._marks.pad
        if isinstance(value, list):
            return rf"\[{pad}{self._marks.item.join(map(self._value, value))}{pad}\]"
        if isinstance(value, dict):
            cells = (self._key(name) + self._value(item) for name, item in value.items())
            return rf"\{{{pad}{self._marks.item.join(cells)}{pad}\}}"
        return escaped(json.dumps(value, ensure_ascii=False))

    def _key(self, name: str) -> str:
        return escaped(json.dumps(name, ensure_ascii=False)) + self._marks.key

    def _number(self, node: Mapping[str, Any]) -> str:
        told = {word: value for word, value in node.items() if word not in _SILENT}
        if self._promise is None and told.keys() == {"type", "minimum"} and told["minimum"] == 0:
            return f"({_UNSIGNED[node['type']]})"
        found = pattern_of(_within_reach(told), self._promise)
        if found is None:
            raise NotRegular(str(node.get("type")))
        # Where nothing is promised, physics' constants need their exponent.
        return f"({found}{_EXPONENT if found == ANY_NUMBER else ''})"

    def _array(self, node: Mapping[str, Any]) -> str:
        first = [self.node(item) for item in node.get("prefixItems", ())]
        least, most = node.get("minItems", 0), node.get("maxItems")
        if first:
            if least != len(first) or (most != least and node.get("items") is not False):
                raise NotRegular("prefixItems")
            return self._bracketed(self._marks.item.join(first))
        if most == 0:
            return self._bracketed("")
        item = self.node(node.get("items"))
        times = f"{{{max(least, 1) - 1},{most - 1 if most is not None else ''}}}"
        found = f"{item}({self._marks.item}{item}){times}" if most != 1 else item
        return self._bracketed(f"({found})?" if least == 0 else found)

    def _bracketed(self, inner: str) -> str:
        pad = self._marks.pad
        return rf"\[{pad}{inner}{pad}\]"

    def _object(self, node: Mapping[str, Any]) -> str:
        properties, further = node.get("properties", {}), node.get("additionalProperties", True)
        pad = self._marks.pad
        if not properties and further is True:
            raise NotRegular(OPEN)
        if not properties.keys() >= set(node.get("required", ())):
            raise NotRegular("required")
        if properties and isinstance(further, dict):
            raise NotRegular("additionalProperties")
        if not properties and further is not False:
            cell = _string({}) + self._marks.key + self.node(further)
            return rf"\{{{pad}({cell}({self._marks.item}{cell})*)?{pad}\}}"
        cells = [
            (self._key(name) + self.node(item), name in node.get("required", ())) for name, item in properties.items()
        ]
        return rf"\{{{pad}{self._cells(cells)}{pad}\}}"

    def _cells(self, cells: Sequence[tuple[str, bool]]) -> str:
        """The cells in their order, each optional one there or not: a choice of which stands first."""
        options = []
        for at, (cell, needed) in enumerate(cells):
            rest = (
                self._marks.item + text if must else f"({self._marks.item}{text})?" for text, must in cells[at + 1 :]
            )
            options.append(cell + "".join(rest))
            if needed:
                return _choice(options)
        return f"{_choice(options)}?" if options else ""


def _only(said: set[str], known: frozenset[str]) -> None:
    for word in sorted(said - known):
        raise NotRegular(word)


def _choice(options: Sequence[str]) -> str:
    return f"({'|'.join(dict.fromkeys(options))})"


def _string(node: Mapping[str, Any]) -> str:
    least, most = node.get("minLength", 0), node.get("maxLength")
    times = "*" if (least, most) == (0, None) else f"{{{least},{'' if most is None else most}}}"
    return f'"{_CHARACTER}{times}"'


def _within_reach(node: Mapping[str, Any]) -> dict[str, Any]:
    """Bounds as wide as a number can be written here; numbers without bounds have these anyway."""
    found = dict(node)
    for word in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"):
        if word in found and abs(found[word]) > LARGEST:
            # A bound of the other side's sign leaves no number that can be written.
            if (found[word] > 0) == (word in ("minimum", "exclusiveMinimum")):
                raise NotRegular(word)
            del found[word]
    return found


_EXPONENT = r"([eE][+\-]?[0-9]{1,2})?"
_UNSIGNED = {"number": ANY_NUMBER.removeprefix("-?") + _EXPONENT, "integer": ANY_INTEGER.removeprefix("-?")}


def _is(value: Any, kind: str) -> bool:
    """Whether a JSON value has a type of JSON Schema."""
    if isinstance(value, bool) or value is None:
        return kind == ("null" if value is None else "boolean")
    if isinstance(value, int | float):
        return kind == "number" or (kind == "integer" and float(value).is_integer())
    names = {"string": str, "array": list, "object": dict}
    return isinstance(value, names.get(kind, ()))
