"""A number in an answer keeps every digit, in a record of any fields."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from listeval.contract import Failure, Item, Kind, Parsed, Record
from listeval.scoring.exact_number import ExactNumber, ExactRecord
from listeval.scoring.numbers import parse_number


class Two(Item):
    first: ExactNumber
    why: str
    second: ExactNumber = Field(alias="2nd")


def read(contract, first, second="0"):
    return contract.parse(f'{{"first": {first}, "why": "so", "2nd": {second}}}')


@given(st.integers(-(10**40), 10**40), st.integers(0, 40))
def test_a_json_number_is_kept_digit_for_digit(digits, places):
    text = f"{'-' if digits < 0 else ''}{abs(digits) // 10**places}.{abs(digits) % 10**places:0{max(places, 1)}d}"
    found = read(ExactRecord(Two), digits, text)
    assert isinstance(found, Parsed)
    assert parse_number(found.value.first) == digits
    assert found.value.second == text and parse_number(found.value.second) == Fraction(text)


def test_what_spells_a_number_stays_as_it_is():
    found = read(ExactRecord(Two), '"$1,200"', '"3/4"').value
    assert (found.first, found.second) == ("$1,200", "3/4")


@pytest.mark.parametrize("wrong", ["true", "null", '"five"', "[1]", "1e999"])
def test_what_is_no_number_is_a_bad_value(wrong):
    for contract in (ExactRecord(Two), Record(Two)):
        failure = read(contract, "1", wrong)
        assert isinstance(failure, Failure) and failure.kind is Kind.BAD_VALUE


def test_in_a_plain_record_it_is_a_number_in_words_all_the_same():
    found = read(Record(Two), "0.10", "1e22").value
    assert [parse_number(text) for text in (found.first, found.second)] == [Fraction("0.1"), 10**22]


def test_decoders_and_row_keys_see_a_record_with_numbers():
    exact, plain = ExactRecord(Two), Record(Two)
    assert exact.json_schema() == plain.json_schema()
    assert exact.json_schema()["properties"]["first"]["type"] == "number"
    assert exact.spec() == plain.spec()
