"""`multipleOf` as JSON Schema defines it, on the decimals that stand in the texts: 19.99 is a multiple of 0.01.

`jsonschema` divides floats, which know no 0.01: it refuses 19.99 and fails on integers beyond the range of a float.
Section 6.2.1 of the validation vocabulary (2020-12): valid if division by the keyword's value results in an integer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

_NAMES = ("multipleOf", "divisibleBy")
"""What the keyword is called; the second in draft 3."""


def is_multiple(value: float, step: float) -> bool:
    """Whether `value` is a whole number of `step`s, both as their shortest decimals say.

    An infinity, which no JSON text means, is a multiple of every step, and 0 alone is one of an infinite step.
    """
    if isinstance(value, int) and isinstance(step, int):
        return value % step == 0
    if not math.isfinite(_size(step)):
        return value == 0
    return not math.isfinite(_size(value)) or _decimal(value) % _decimal(step) == 0


@lru_cache(maxsize=16)
def exact(kind: Any) -> Any:
    """The validator class `kind` of `jsonschema` with the exact keyword, also below nodes that name their own draft."""
    from jsonschema.validators import extend

    made = extend(kind, {name: _multiple_of for name in _NAMES if name in kind.VALIDATORS})
    made.evolve = _evolving(made.evolve)
    return made


def _evolving(evolve: Any) -> Any:
    """`evolve`, which `jsonschema` calls for every node, with the exact class for nodes that have a `$schema`."""

    def exactly(self: Any, **changes: Any) -> Any:
        found = evolve(self, **changes)
        if isinstance(found, type(self)):
            return found
        kind: Any = type(found)
        given = {field.alias: getattr(found, field.name) for field in kind.__attrs_attrs__ if field.init}
        return exact(kind)(**given)

    return exactly


def _multiple_of(validator: Any, step: Any, value: Any, _schema: Mapping[str, Any]) -> Iterator[Any]:
    from jsonschema.exceptions import ValidationError

    if validator.is_type(value, "number") and not is_multiple(value, step):
        yield ValidationError(f"{value!r} is not a multiple of {step}")


def _size(value: float) -> float:
    """A finite stand-in for an integer, which may be beyond the range of a float."""
    return 0.0 if isinstance(value, int) else value


def _decimal(value: float) -> Fraction:
    return Fraction(value) if isinstance(value, int) else Fraction(str(value))
