"""Numbers in text: what spells one, what does not, and that every digit counts."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.scoring.numbers import MAX_DIGITS, format_number, parse_number

NUMBERS = {
    "1,234.50": "1234.5", "1234.5": "1234.5", "3/4": "0.75", "0.75": "0.75", "$1,200": "1200", "72 apples": "72",
    "-5": "-5", "\u22125": "-5", "+5": "5", "- 5": "-5", "-$5": "-5", "$-5": "-5", "$ 5": "5", "€5": "5", "5€": "5",
    "5 €": "5", "5%": "5", "50 %": "50", "0.5%": "0.5", "5 % of it": "5", "1 3/4": "1.75", "-1 3/4": "-1.75",
    "5/ 6": "5/6", "3/4 cup": "0.75", ".5": "0.5", "5.": "5", "5. ": "5", " 5\n": "5", "5e3": "5000", "2E-3": "0.002",
    "007": "7", "5 km/h": "5", "5km": "5", "5 m²": "5", "5 °C": "5", "$5.00/hour": "5", "72 apples.": "72",
    "1,234 dollars": "1234", "5 Miles": "5", "5 tomatoes": "5", "12 months": "12", "5 o'clock": "5", "-0": "0",
    "1,000,000": "1000000", "$29.00": "29", "72.": "72", "-1,234.5": "-1234.5", "1/4": "0.25",
    "1.000": "1", "5 pairs of shoes": "5",
}  # fmt: skip

NOT_NUMBERS = (
    "", " ", ".", "-", "$", "%", "e5", "NaN", "nan", "inf", "-inf", "Infinity", "five", "--5", "-$-5", "x5", "=5",
    "3 quarters", "18 tenths", "18 thousandths", "18 halves", "18 squared", "18 lakh", "18 mil", "0,018", "00,123",
    "12 34", "1 000", "1.000,5", "1,5", "1,00", "1,234,56", "1,00,000", ",5", "1,", "1_000", "0x10", "1.2.3", "1e5.5",
    "3/0", "1/2/3", "1.5/2", "1 5/4", "1 0/4", "3-4", "3 - 4", "5-", "5 or 6", "5 and a half", "12:30", "5²", "5½", "½",
    "3 million", "3 Million dollars", "5k", "5 K", "5M", "2 dozen eggs", "5 times", "5 to six", "٣", "５", "5!", "(5)",
    "9{,}500", "12 and 3", ",", "5 dozen",
    "about 5", "5 (five)", "5 apples, 6 pears", "[5]", "5\x00", "1e9999999", "1e-9999999",
)  # fmt: skip


@pytest.mark.parametrize("text", NUMBERS)
def test_spelled_numbers(text):
    assert parse_number(text) == Fraction(NUMBERS[text])


@pytest.mark.parametrize("text", NOT_NUMBERS)
def test_other_texts(text):
    assert parse_number(text) is None


def test_no_digit_is_lost():
    assert parse_number("0.1") + parse_number("0.2") == parse_number("0.3")
    assert parse_number("9007199254740993") != parse_number("9007199254740992")
    assert parse_number("72.00000000000000000001") != 72
    assert parse_number("1/3") * 3 == 1


def test_the_longest_number():
    assert parse_number("9" * MAX_DIGITS) == 10**MAX_DIGITS - 1
    assert parse_number("9" * (MAX_DIGITS + 1)) is None
    assert parse_number(f"1e{MAX_DIGITS - 1}") == 10 ** (MAX_DIGITS - 1)
    assert parse_number(f"1e{MAX_DIGITS}") is None
    assert parse_number("1/" + "9" * MAX_DIGITS) is None


HOSTILE = ("9" * 10**6, "1" + ",234" * 250_000, "5 " + "a " * 500_000 + "1", "5" + " " * 10**6 + "1", "1 " * 500_000,
           "5 " + "a.-" * 300_000 + "!", "5" + "a" * 10**6 + "9", "5 " + "- " * 500_000 + "9", " " * 10**6)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:6])
def test_a_megabyte_is_refused_in_linear_time(text):
    # Quadratic time on these takes many minutes, so the test would not end.
    assert parse_number(text) is None


integers = st.integers(-(10**60), 10**60)
decimals = st.decimals(allow_nan=False, allow_infinity=False)


@given(st.fractions())
def test_format_is_read_back(value):
    assert parse_number(format_number(value)) == value


@given(integers)
def test_integers_with_and_without_commas(value):
    assert parse_number(f"{value}") == parse_number(f"{value:,}") == parse_number(f"{value:,}.00") == value
    assert format_number(Fraction(value)) == str(value)


@given(decimals.filter(lambda x: abs(x.adjusted()) < 1000))
def test_decimals_are_exact(value):
    assert parse_number(str(value)) == Fraction(value)


@given(integers, st.integers(1, 10**20))
def test_fractions(top, bottom):
    assert parse_number(f"{top}/{bottom}") == Fraction(top, bottom)


@given(integers, st.sampled_from(["%", " %", " apples", "km", " km/h", "€", " dollars per day"]))
def test_units_change_nothing(value, unit):
    assert parse_number(f"{value}{unit}") == value


@given(st.text())
def test_any_text_has_one_reading_or_none(text):
    value = parse_number(text)
    assert value is None or parse_number(f" {text} ") == value


@given(st.text("0123456789.,-+/eE $%k²½", max_size=12))
def test_what_looks_like_numbers_never_raises_and_agrees_with_decimal(text):
    value = parse_number(text)
    try:
        plain = Fraction(Decimal(text)) if "_" not in text else None
    except (ArithmeticError, ValueError):
        return
    assert value is None or value == plain


@pytest.mark.parametrize(
    ("value", "text"),
    [(Fraction(5, 2), "2.5"), (Fraction(-1, 8), "-0.125"), (Fraction(1, 3), "1/3"), (Fraction(-7), "-7"),
     (Fraction(1, 10**30), "0." + "0" * 29 + "1"), (Fraction(1, 2**40), f"1/{2**40}")],
)  # fmt: skip
def test_the_shortest_exact_spelling(value, text):
    assert format_number(value) == text
