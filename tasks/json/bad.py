"""Known-bad answers of any schema: a right one with one thing changed at some depth, such that it is one fault only.

Which keywords a changed answer breaks is asked of `jsonschema`; what kind that makes is not asked of the contract under
test. A change that breaks keywords of several kinds, or none, is not used; nor is a key that only an option of several
asks for or forbids, since another option may be meant.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from listeval import Kind

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

Path = tuple[str | int, ...]
Breaks = Callable[["ValidationError"], bool]

_STRANGER = "zq_no_such_key"
_WRONG: tuple[Any, ...] = ({}, [], None, "zq_no_such_value", -0.5)
"""What is put in a value's place, the first that the schema refuses."""
_MOST = 64
"""So many changes are tried for a kind."""


def bad_answers(schema: Mapping[str, Any], good: Any) -> dict[Kind, str]:
    """An answer for each kind that a change of `good`, a right answer, makes certain."""
    found = {
        Kind.NO_JSON: "There is nothing of the kind.",
        Kind.REFUSAL: "I'm sorry, but I can't help with that.",
        Kind.EMPTY: "",
    }
    errors = _errors(schema)
    if not isinstance(good, dict | list) or errors(good):
        return found
    if good:
        text = json.dumps(good)
        found[Kind.MALFORMED_JSON] = f"{text[:-1]},,{text[-1]}"
    changes: dict[Kind, tuple[Iterable[Any], Breaks]] = {
        Kind.WRONG_TYPE: ([list(good) if isinstance(good, dict) else {_STRANGER: 1}], _type_of_root),
        Kind.MISSING_KEY: (_without_key(good), lambda error: _required(error) and error.parent is None),
        Kind.EXTRA_KEY: (_with_stranger(good), lambda error: _unknown_key(error) and error.parent is None),
        Kind.BAD_VALUE: (_with_wrong_value(good), _value),
    }
    for kind, (candidates, wanted) in changes.items():
        for candidate in islice(candidates, _MOST):
            broken = errors(candidate)
            if broken and all(map(wanted, broken)):
                found[kind] = json.dumps(candidate)
                break
    return found


def _errors(schema: Mapping[str, Any]) -> Callable[[Any], list[ValidationError]]:
    """What `jsonschema` refuses in a value, within each option of an `anyOf`; no address is opened."""
    validator = _validator(json.dumps(schema))
    # `multipleOf` is not exact there, and no change here is about it.
    return lambda value: [e for one in validator.iter_errors(value) for e in _parts(one) if e.validator != "multipleOf"]


@lru_cache(maxsize=64)
def _validator(schema: str) -> Any:
    from jsonschema import Draft202012Validator
    from jsonschema.validators import validator_for
    from jsonschema_specifications import REGISTRY

    read = json.loads(schema)
    return validator_for(read, default=Draft202012Validator)(read, registry=REGISTRY)


def _parts(error: ValidationError) -> Iterator[ValidationError]:
    if not error.context:
        yield error
    for part in error.context or ():
        yield from _parts(part)


def _type_of_root(error: ValidationError) -> bool:
    return error.validator == "type" and not error.absolute_path


def _required(error: ValidationError) -> bool:
    return error.validator in ("required", "dependentRequired")


def _unknown_key(error: ValidationError) -> bool:
    return error.validator in ("additionalProperties", "unevaluatedProperties")


def _value(error: ValidationError) -> bool:
    of_keys = _required(error) or _unknown_key(error) or "propertyNames" in error.absolute_schema_path
    return bool(error.absolute_path) and not of_keys


def _places(value: Any) -> Iterator[tuple[Path, Any]]:
    """Every part of a value with its path, those of little depth first."""
    waiting: deque[tuple[Path, Any]] = deque([((), value)])
    while waiting:
        path, part = waiting.popleft()
        yield path, part
        inner = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
        waiting.extend(((*path, key), each) for key, each in inner)


def _without_key(good: Any) -> Iterator[Any]:
    for path, part in _places(good):
        names: list[str] = list(part) if isinstance(part, dict) else []
        for name in reversed(names):
            yield _put(good, path, {key: each for key, each in part.items() if key != name})


def _with_stranger(good: Any) -> Iterator[Any]:
    for path, part in _places(good):
        if isinstance(part, dict):
            yield _put(good, path, {**part, _STRANGER: 1})


def _with_wrong_value(good: Any) -> Iterator[Any]:
    for path, part in _places(good):
        if path and not (part and isinstance(part, dict | list)):
            yield from (_put(good, path, wrong) for wrong in _WRONG if wrong != part)


def _put(value: Any, path: Path, new: Any) -> Any:
    """A copy of the value with another part at the path."""
    if not path:
        return new
    key, *rest = path
    if isinstance(value, dict):
        return {**value, key: _put(value[str(key)], tuple(rest), new)}
    return [_put(each, tuple(rest), new) if at == key else each for at, each in enumerate(value)]
