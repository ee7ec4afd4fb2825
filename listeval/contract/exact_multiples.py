"""`multipleOf` as JSON Schema defines it, on the decimals that stand in the texts: 19.99 is a multiple of 0.01.

`jsonschema` divides floats, which know no 0.01: it refuses 19.99 and fails on integers beyond the range of a float.
Section 6.2.1 of the validation vocabulary (2020-12): valid if division by the keyword's value results in an integer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any


def is_multiple(value: float, step: float) -> bool:
    """Whether `value` is a whole number of `step`s, both as their shortest decimals say.

    An infinity, which no JSON text means, is a multiple of every step, and 0 alone is one of an infinite step.
    """
    if isinstance(value, int) and isinstance(step, int):
        return value % step == 0
    if not math.isfinite(_size(step)):
        return value == 0
    return not math.isfinite(_size(value)) or _decimal(value) % _decimal(step) == 0


def multiple_of(validator: Any, step: Any, value: Any, _schema: Mapping[str, Any]) -> Iterator[Any]:
    """The keyword for a validator of `jsonschema`."""
    from jsonschema.exceptions import ValidationError

    if validator.is_type(value, "number") and not is_multiple(value, step):
        yield ValidationError(f"{value!r} is not a multiple of {step}")


def _size(value: float) -> float:
    """A finite stand-in for an integer, which may be beyond the range of a float."""
    return 0.0 if isinstance(value, int) else value


def _decimal(value: float) -> Fraction:
    return Fraction(value) if isinstance(value, int) else Fraction(str(value))
