"""Whether one argument of a call is one of those accepted, by the rules of BFCL's AST checker for Python.

The rules are those of `bfcl_eval` 2026.3.23 (`ast_checker.py`), quirks included, so that the
figures compare with the leaderboard's; tests hold the two against each other. They are:

- An argument has its documented type exactly (an integer is also a float where one is due), or
  else the type of the first accepted value, for documents that contradict their own answers.
  `any` is documented text. `""` among the accepted values means that the argument may be left out.
- Items of a list have the documented type or that of the accepted list's first item, and there
  an integer is no float; where the argument may be left out its items are of any type.
- Text is compared without case, spaces and any of `,./-_*^`, and quotes are all alike: also text
  that stands directly in a list or in an object's values. All other values are compared by
  Python's `==`, under which `1`, `1.0` and `true` are equal.
- An object has accepted keys only, each with one of its own accepted values, and lacks none but
  those that may be left out. A list of objects is compared item by item, in order.
- A value of the first accepted value's type, where that is not the documented one, is compared by `==`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from typing import Any, Literal

from listeval.contract.documents import Node, python_type

Accepted = Sequence[Any]
"""The accepted values of one argument."""

_LEVELLED = str.maketrans("'", '"', " ,./-_*^")


def argument_fault(
    value: Any, accepted: Accepted, node: Node
) -> Literal["wrong_argument_type", "wrong_argument_value"] | None:
    """What is wrong with a JSON value for the parameter that `node` describes; None for an accepted one."""
    expected = python_type(node) or str
    items = (python_type(node["items"]) or str) if expected is list and "items" in node else None
    if expected is float and type(value) is int:
        value = _as_float(value)
    match _fit(value, accepted, expected, items):
        case _Fit.NEITHER:
            return "wrong_argument_type"
        case _Fit.ACCEPTED:
            right = value in accepted
        case _Fit.DOCUMENTED:
            right = _matches(value, accepted, items)
    return None if right else "wrong_argument_value"


class _Fit(Enum):
    """Whose type a value has."""

    DOCUMENTED = auto()
    ACCEPTED = auto()
    NEITHER = auto()


def _fit(value: Any, accepted: Accepted, expected: type, items: type | None) -> _Fit:
    given = next((type(option) for option in accepted if option != ""), None)
    if type(value) is not expected:
        return _Fit.ACCEPTED if given is not None and type(value) is given else _Fit.NEITHER
    if items is not None and not any(_items_fit(value, option, items) for option in accepted):
        return _Fit.NEITHER
    return _Fit.DOCUMENTED if given in (None, expected) else _Fit.ACCEPTED


def _items_fit(value: Any, option: Any, items: type) -> bool:
    return not isinstance(option, list) or all(_fit(item, option, items, None) is not _Fit.NEITHER for item in value)


def _matches(value: Any, accepted: Accepted, items: type | None) -> bool:
    """Whether a value of the documented type is one of the accepted ones."""
    if isinstance(value, str):
        return _level(value) in [_level(option) for option in accepted if isinstance(option, str)]
    if isinstance(value, dict):
        return any(_object_matches(value, option) for option in accepted)
    if not isinstance(value, list):
        return value in accepted
    if items is dict:
        return any(_objects_match(value, option) for option in accepted)
    options = [list(map(_level, option)) for option in accepted if isinstance(option, (list, str))]
    return list(map(_level, value)) in options


def _objects_match(value: list[Any], option: Any) -> bool:
    if not isinstance(option, (list, str)) or len(value) != len(option):
        return False
    return all(_object_matches(item, wanted) for item, wanted in zip(value, option, strict=True))


def _object_matches(value: Any, option: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(option, dict):
        return False
    for key, item in value.items():
        if not isinstance(option.get(key), list) or _level(item) not in map(_level, option[key]):
            return False
    return all(key in value or "" in accepted for key, accepted in option.items() if isinstance(accepted, list))


def _level(value: Any) -> Any:
    return value.translate(_LEVELLED).lower() if isinstance(value, str) else value


def _as_float(value: int) -> float | int:
    try:
        return float(value)
    except OverflowError:
        return value
