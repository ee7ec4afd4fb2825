"""What says that a cell is empty, by the kind of its field."""

import math

import pytest

from listeval.kit.cells import is_missing, is_missing_id, is_missing_number


@pytest.mark.parametrize("value", [None, math.nan, float("-nan")])
def test_nothing_is_missing_in_every_field(value):
    assert is_missing(value) and is_missing_id(value) and is_missing_number(value)


@pytest.mark.parametrize(
    "text", ["", " ", "nan", "NaN", "NaT", "None", "null", "NULL", "N/A", "<NA>", "#N/A", "#NA", "-nan", "\\N", " nan "]
)
def test_a_spelling_of_nothing_is_text_among_texts_only(text):
    assert not is_missing(text) and is_missing_id(text) and is_missing_number(text)


@pytest.mark.parametrize("text", ["NA", "-", "—"])
def test_what_may_be_an_id_is_no_number(text):
    assert not is_missing_id(text) and is_missing_number(text)


@pytest.mark.parametrize("value", [0, 0.0, False, "0", "no", "nano", [], {}, "Nan Goldin"])
def test_a_value_is_no_missing_one(value):
    assert not is_missing(value) and not is_missing_id(value) and not is_missing_number(value)
