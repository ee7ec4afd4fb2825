"""Two JSON values compared leaf by leaf: which paths both have, and which values are right by a stated rule.

A leaf is a number, a text, true, false, null, or an empty object or list; its path is the keys and positions that lead
to it. Elements of lists are compared by position.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

Path = tuple[str | int, ...]

TOLERANCE = 1e-9
"""Relative; at this, the default, two whole numbers have to be the same."""
_PLAIN = re.compile(r"[^\W\d][\w-]*")


class Rule(NamedTuple):
    """When two leaves of one type are the same: how far numbers may lie apart, and how texts are read."""

    tolerance: float = TOLERANCE
    text: Literal["normal", "exact"] = "normal"


class Leaves(NamedTuple):
    """The paths of two values, each in one of four places, in the order of the expected value, then of the given."""

    right: tuple[Path, ...]
    wrong: tuple[Path, ...]
    omitted: tuple[Path, ...]
    invented: tuple[Path, ...]

    @property
    def accuracy(self) -> float:
        """The share of expected leaves that are right."""
        return len(self.right) / (len(self.right) + len(self.wrong) + len(self.omitted))

    @property
    def precision(self) -> float:
        """The share of given paths that are expected, whatever stands there."""
        both = len(self.right) + len(self.wrong)
        return both / (both + len(self.invented))

    @property
    def recall(self) -> float:
        """The share of expected paths that are given, whatever stands there."""
        both = len(self.right) + len(self.wrong)
        return both / (both + len(self.omitted))


def compare_leaves(expected: Any, given: Any, rule: Rule) -> Leaves:
    """Every leaf of both values. Each value has at least one, so no share is undefined."""
    wanted, found = dict(leaves(expected)), dict(leaves(given))
    right = tuple(path for path, leaf in wanted.items() if path in found and same_leaf(leaf, found[path], rule))
    correct = set(right)
    return Leaves(
        right,
        tuple(path for path in wanted if path in found and path not in correct),
        tuple(path for path in wanted if path not in found),
        tuple(path for path in found if path not in wanted),
    )


def leaves(value: Any) -> Iterator[tuple[Path, Any]]:
    """Every leaf with its path, in order. Nested to any depth: no recursion."""
    stack: list[tuple[Path, Any]] = [((), value)]
    while stack:
        path, node = stack.pop()
        inner = list(node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ())
        if inner:
            stack += [((*path, key), part) for key, part in reversed(inner)]
        else:
            yield path, node


def same_leaf(expected: Any, given: Any, rule: Rule) -> bool:
    """Whether two leaves are the same: of one JSON type, and equal as the rule reads that type."""
    if isinstance(expected, str) and isinstance(given, str):
        return expected == given if rule.text == "exact" else normal(expected) == normal(given)
    if _is_number(expected) and _is_number(given):
        whole = isinstance(expected, int) and isinstance(given, int)
        if expected == given or (whole and rule.tolerance <= TOLERANCE):
            return bool(expected == given)
        try:
            return math.isclose(expected, given, rel_tol=rule.tolerance)
        except OverflowError:  # a whole number beyond every float
            return False
    return type(expected) is type(given) and bool(expected == given)


def same_json(expected: Any, given: Any) -> bool:
    """Whether two values are the same JSON: order of keys and the spelling of a number (1, 1.0) are nothing."""
    if isinstance(expected, dict) and isinstance(given, dict):
        return expected.keys() == given.keys() and all(same_json(expected[key], given[key]) for key in expected)
    if isinstance(expected, list) and isinstance(given, list):
        return len(expected) == len(given) and all(map(same_json, expected, given))
    if _is_number(expected) and _is_number(given):
        return bool(expected == given)
    return type(expected) is type(given) and bool(expected == given)


def normal(text: str) -> str:
    """A text without what changes no meaning: Unicode's compatible forms, upper case, runs and ends of white space."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def path_text(path: Path, *, positions: bool = True) -> str:
    """The path as JSONPath: `$.items[2].name`; without `positions` `$.items[].name`, for all elements together."""
    parts = [_part(key, positions) for key in path]
    return "$" + "".join(parts)


def _part(key: str | int, positions: bool) -> str:
    if isinstance(key, int):
        return f"[{key}]" if positions else "[]"
    return f".{key}" if _PLAIN.fullmatch(key) else f"[{json.dumps(key, ensure_ascii=False)}]"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
