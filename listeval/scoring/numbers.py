"""Numbers as people and models write them, read exactly: no float is ever made, so nothing is rounded.

What spells a number (white space around it is ignored):

- digits, with thousands commas in groups of three or without, a decimal point, a power of ten: `1,234.50`, `.5`, `2e3`
- a fraction of integers, also after a whole number: `3/4`, `1 3/4`
- a sign before it, `+`, `-` or the minus sign U+2212, and a currency sign on either side of that: `-$5`, `$-5`
- a percent sign or a unit in words after it, which change nothing: `50%` is 50, `72 apples` is 72, `5 km/h` is 5

Anything that has two readings, or another value than its digits, is no number: `12 34`, `1.000,5`, `3-4`,
`2 million`, `5k`, `two`, `NaN`. A comma separates thousands, never decimals: `1,5` is no number.
"""

from __future__ import annotations

import re
from fractions import Fraction

MAX_DIGITS = 4300
"""A number that takes more digits to write out is none: CPython's own limit for the text of an integer."""

_MAX_DECIMALS = 30

_NUMBER = re.compile(
    r"""
    \s*+ (?P<sign>[+\-\u2212]?) \s*+ [$€£¥₹]?+ \s*+ (?P<inner>[+\-\u2212]?)
    (?:
        (?: (?P<whole>[0-9]++) \s++ (?=[1-9]) )? (?P<top>[0-9]++) \s*+ / \s*+ (?P<bottom>[0-9]++)
      | (?P<digits> [1-9][0-9]{0,2}+ (?:,[0-9]{3})++ | [0-9]*+ )
        (?:\.(?P<decimals>[0-9]*+))? (?:[eE](?P<power>[+-]?[0-9]++))?
    )
    """,
    re.VERBOSE,
)
_AFTER = ("%", "€", "£", "¥", "₹", "$", "¢", "°")
_IN_UNITS = frozenset(" ./'·²³-")
_SCALES = re.compile(
    r"""\b(?:[KMBk]|(?i:
        bn|mn|mil|lakhs?|crores?|(?:dozen|hundred|thousand|million|billion|trillion)s?
      | half|halves|(?:third|quarter|fourth|fifth|sixth|seventh|eighth|ninth|tenth|(?:hundred|thousand|million)th)s?
      | squared|cubed|doubled|tripled|halved|percent(?:age)?[ ]points?
      | and|or|to|minus|plus|times|point
    ))\b""",
    re.VERBOSE,
)
"""Words after a number that give it another value, or make it one of two."""


def parse_number(text: str) -> Fraction | None:
    """The number that `text` spells, exactly, or None where it spells none (see the module). Linear in the text."""
    found = _NUMBER.match(text)
    if found is None or (found["sign"] and found["inner"]) or not _is_unit(text[found.end() :].strip()):
        return None
    value = _fraction(found) if found["bottom"] else _decimal(found)
    negative = (found["sign"] or found["inner"]) in ("-", "\u2212")
    return -value if value is not None and negative else value


def format_number(value: Fraction) -> str:
    """The shortest exact spelling: an integer, a decimal of at most 30 places, else a fraction."""
    places = _decimal_places(value.denominator)
    if places is None or places > _MAX_DECIMALS:
        return f"{value.numerator}/{value.denominator}"
    digits = str(abs(value.numerator) * 10**places // value.denominator).zfill(places + 1)
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else f"{sign}{digits}"


def _is_unit(rest: str) -> bool:
    """Whether what follows a number leaves its value as it is."""
    rest = rest[1:].lstrip() if rest.startswith(_AFTER) else rest
    if not rest:
        return True
    if not rest.removeprefix("/").lstrip()[:1].isalpha() or not all(c.isalpha() or c in _IN_UNITS for c in rest):
        return False
    return _SCALES.search(rest) is None


def _fraction(found: re.Match[str]) -> Fraction | None:
    whole, top, bottom = found["whole"] or "0", found["top"], found["bottom"]
    if len(whole) + len(top) + len(bottom) > MAX_DIGITS or not int(bottom):
        return None
    part = Fraction(int(top), int(bottom))
    return None if found["whole"] and part >= 1 else int(whole) + part


def _decimal(found: re.Match[str]) -> Fraction | None:
    whole, decimals, power = found["digits"].replace(",", ""), found["decimals"] or "", found["power"] or "0"
    if not (whole or decimals) or len(power) > 6:
        return None
    exponent = int(power) - len(decimals)
    if len(whole) + len(decimals) + abs(int(power)) > MAX_DIGITS:
        return None
    mantissa = int(whole + decimals)
    return Fraction(mantissa * 10**exponent) if exponent >= 0 else Fraction(mantissa, 10**-exponent)


def _decimal_places(denominator: int) -> int | None:
    """How many decimals write out 1 / denominator; None where none do."""
    twos = (denominator & -denominator).bit_length() - 1
    rest, fives = denominator >> twos, 0
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    return max(twos, fives) if rest == 1 else None
