"""The numbers that a constrained decoder may write, as a small spec and the byte automaton of exactly those.

A number is written as JSON writes it (optional minus, no leading zeros, optional fraction), without
an exponent, between two bounds and with at most so many decimals. Its length is therefore bounded,
so a decode that is held to it always ends. `7`, `7.0` and `7.00` are three spellings of one number;
each is allowed where its decimals are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, NamedTuple, Self

from listeval.errors import UserError

MOST_DECIMALS = 15
LARGEST = 10**15
_ZERO, _MINUS, _POINT = b"0-."

Span = tuple[int, int]
"""First and last number of an interval, in units of the last decimal."""


@dataclass(frozen=True, slots=True)
class NumberForm:
    """Numbers from `low` to `high` with at most `decimals` decimals; the default is the paper's score.

    Raises UserError for bounds that hold no number, that are not finite, or beyond 1e15.
    """

    low: float = 0
    high: float = 10
    decimals: int = 1

    def __post_init__(self) -> None:
        asked = f"a number form from {self.low} to {self.high} with {self.decimals} decimals"
        if not isinstance(self.decimals, int) or not 0 <= self.decimals <= MOST_DECIMALS:
            raise UserError(f"{asked}: decimals are 0 to {MOST_DECIMALS}", fix="change the decimals")
        try:
            holds = all(abs(bound) <= LARGEST for bound in (self.low, self.high)) and self.units[0] <= self.units[1]
        except (InvalidOperation, TypeError, ValueError, OverflowError):
            holds = False
        if not holds:
            raise UserError(f"{asked} holds no number, or one beyond 1e15", fix="change the bounds")

    @property
    def units(self) -> Span:
        """The bounds as whole numbers of the last decimal's unit, rounded inwards."""
        scale = Decimal(10) ** self.decimals
        low, high = Decimal(str(self.low)) * scale, Decimal(str(self.high)) * scale
        return int(low.to_integral_value(ROUND_CEILING)), int(high.to_integral_value(ROUND_FLOOR))

    @property
    def longest(self) -> str:
        """A number of the form that no other is longer than."""
        return max((f"{Decimal(units).scaleb(-self.decimals):f}" for units in self.units), key=len)

    def spec(self) -> dict[str, Any]:
        """JSON; `NumberForm(**spec)` is the form again."""
        return asdict(self)

    @classmethod
    def of_schema(cls, schema: Mapping[str, Any], default: NumberForm) -> Self | NumberForm | None:
        """The form of a field's JSON Schema: its own bounds, else the default's; None for another type.

        A default bound that the field's own contradicts says nothing of it: that end is then as wide as forms are.
        """
        kind = schema.get("type")
        if kind not in ("number", "integer") or not _KNOWN.issuperset(schema):
            return None
        decimals = 0 if kind == "integer" else default.decimals
        lows = [schema["minimum"]] if "minimum" in schema else []
        highs = [schema["maximum"]] if "maximum" in schema else []
        if "exclusiveMinimum" in schema:
            lows.append(_next(schema["exclusiveMinimum"], decimals))
        if "exclusiveMaximum" in schema:
            highs.append(-_next(-schema["exclusiveMaximum"], decimals))
        if not lows and not highs and decimals == default.decimals:
            return default
        low, high = max(lows, default=default.low), min(highs, default=default.high)
        if low > high and not (lows and highs):
            low, high = (low, LARGEST) if lows else (-LARGEST, high)
        return cls(low, high, decimals)


def _next(bound: float, decimals: int) -> float:
    """The first number above `bound` that so many decimals can write, and that a double tells from it."""
    told_apart = min(decimals, MOST_DECIMALS - len(str(int(abs(bound)))))
    return float(Decimal(_floor(bound, told_apart) + 1).scaleb(-told_apart))


def _floor(bound: float, decimals: int) -> int:
    return int(Decimal(str(bound)).scaleb(decimals).to_integral_value(ROUND_FLOOR))


_BOUNDS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
_KNOWN = _BOUNDS | {"type", "title", "description", "examples", "default"}
"""Keywords that the form keeps or that say nothing of the value; another one would be broken silently."""


class NumberAutomaton(NamedTuple):
    """`edges[state][byte]` is the next state; state 0 is the start, `ends` those where a number is complete.

    From every state a number can be completed.
    """

    edges: tuple[Mapping[int, int], ...]
    ends: frozenset[int]


@lru_cache(maxsize=64)
def number_automaton(form: NumberForm) -> NumberAutomaton:
    """The minimal-enough automaton of a form: a few states a digit, whatever the bounds."""
    return _Builder(form).automaton()


class _Whole(NamedTuple):
    """In the integer part. `rest[j]`: what j more integer digits and all decimals may add, relative to now."""

    rest: tuple[Span | None, ...]


class _Fraction(NamedTuple):
    """After the point. `span` is what `left` more decimals may add; a number ends only after the first."""

    left: int
    span: Span
    begun: bool


class _Start(NamedTuple):
    """Before the first digit of numbers whose size lies in `sizes`; `signed` where a minus may come."""

    sizes: Span | None
    negative: Span | None


_State = _Start | _Whole | _Fraction


class _Builder:
    """States are what may still be written, so prefixes that leave the same choices share one."""

    def __init__(self, form: NumberForm) -> None:
        self._decimals = form.decimals
        low, high = form.units
        # A minus stands for numbers below zero alone: "-0" is a spelling that no model needs.
        negative = (max(1, -high), -low) if low < 0 else None
        self._names: dict[_State, int] = {}
        self._edges: list[dict[int, int]] = []
        self._name(_Start((max(0, low), high) if high >= 0 else None, negative))

    def automaton(self) -> NumberAutomaton:
        ends = frozenset(name for state, name in self._names.items() if self._is_end(state))
        return NumberAutomaton(tuple(self._edges), ends)

    def _name(self, state: _State) -> int:
        if state not in self._names:
            self._names[state] = name = len(self._edges)
            self._edges.append({})
            self._edges[name].update({byte: self._name(after) for byte, after in self._moves(state)})
        return self._names[state]

    def _is_end(self, state: _State) -> bool:
        if isinstance(state, _Whole):
            return state.rest[0] is not None and state.rest[0][0] == 0
        return isinstance(state, _Fraction) and state.begun and state.span[0] == 0

    def _moves(self, state: _State) -> list[tuple[int, _State]]:
        if isinstance(state, _Start):
            return self._first(state)
        moves: list[tuple[int, _State]] = []
        if isinstance(state, _Whole):
            if self._decimals and state.rest[0] is not None:
                moves.append((_POINT, _Fraction(self._decimals, state.rest[0], begun=False)))
            digits = [(digit, self._longer(state, digit)) for digit in range(10)]
            return moves + [(_ZERO + digit, after) for digit, after in digits if any(after.rest)]
        for digit in range(10) if state.left else ():
            span = _within(state.span, digit * 10 ** (state.left - 1), 10 ** (state.left - 1))
            if span is not None:
                moves.append((_ZERO + digit, _Fraction(state.left - 1, span, begun=True)))
        return moves

    def _first(self, state: _Start) -> list[tuple[int, _State]]:
        moves: list[tuple[int, _State]] = []
        if state.negative is not None:
            moves.append((_MINUS, _Start(state.negative, None)))
        if state.sizes is None:
            return moves
        unit = 10**self._decimals
        most = len(str(state.sizes[1] // unit))
        for digit in range(10):
            lengths = range(most if digit else 1)
            rest = tuple(_within(state.sizes, digit * unit * 10**j, unit * 10**j) for j in lengths)
            if any(rest):
                moves.append((_ZERO + digit, _Whole(rest)))
        return moves

    def _longer(self, state: _Whole, digit: int) -> _Whole:
        sizes = [10 ** (self._decimals + j) for j in range(len(state.rest) - 1)]
        pairs = zip(state.rest[1:], sizes, strict=True)
        return _Whole(tuple(_within(span, digit * size, size) if span else None for span, size in pairs))


def _within(span: Span, start: int, size: int) -> Span | None:
    """The part of `span` in `size` numbers from `start` on, counted from `start`; None where there is none."""
    low, high = max(span[0] - start, 0), min(span[1] - start, size - 1)
    return (low, high) if low <= high else None
