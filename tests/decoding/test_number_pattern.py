"""Numbers as regular expressions: the form's language, what a schema promises, and never an endless digit."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.decoding.number_pattern import ANY_INTEGER, ANY_NUMBER, number_pattern, pattern_of
from listeval.decoding.permutation.number_form import NumberForm
from listeval.errors import UserError
from tests.decoding.permutation.test_number_form import language, spellings


@given(st.integers(-120, 120), st.integers(0, 150), st.integers(0, 2))
def test_the_pattern_is_the_form(low, more, decimals):
    form = NumberForm(low, low + more, decimals)
    pattern = re.compile(number_pattern(form))
    near = spellings(low - 3, low + more + 3, min(decimals + 1, 2))
    assert {text for text in near | {"-0", "00", "1.", ".5", "-"} if pattern.fullmatch(text)} == language(form)


def test_the_prompts_promise_stands_where_the_schema_states_nothing():
    promise = NumberForm(0, 3, 0)
    assert pattern_of({"type": "number", "title": "Score"}, promise) == number_pattern(promise)
    assert pattern_of({"type": "integer"}, promise) == number_pattern(promise)
    assert pattern_of({"type": "integer"}, NumberForm()) == number_pattern(NumberForm(0, 10, 0))
    assert pattern_of({"type": "number", "maximum": 5}, NumberForm()) == number_pattern(NumberForm(0, 5, 1))


def test_bounds_of_the_schema_stand_without_a_promise():
    whole = re.compile(pattern_of({"type": "integer", "minimum": 1, "maximum": 5}))
    assert [text for text in ("0", "1", "5", "6", "1.0", "55") if whole.fullmatch(text)] == ["1", "5"]
    above = re.compile(pattern_of({"type": "number", "minimum": 0}))
    assert all(above.fullmatch(text) for text in ("0", "0.25", "123456789.5", "3.141592653589793"))
    assert not any(above.fullmatch(text) for text in ("-1", "9" * 17, "0." + "1" * 16))


@pytest.mark.parametrize(("kind", "pattern"), [("number", ANY_NUMBER), ("integer", ANY_INTEGER)])
def test_nothing_promised_is_any_number_of_bounded_length(kind, pattern):
    assert pattern_of({"type": kind}) == pattern
    assert all(re.fullmatch(pattern, text) for text in ("0", "-7", "18", "999999999999999"))
    assert not any(re.fullmatch(pattern, text) for text in ("", "-", "01", "+1", "1.", ".5", "1e3", "7" * 16))
    assert bool(re.fullmatch(pattern, "-12.050")) == (kind == "number")
    assert not re.fullmatch(pattern, "0." + "7" * 16)


@pytest.mark.parametrize(
    "schema", [{"type": "string"}, {"type": "number", "multipleOf": 2}, {"type": "number", "not": {"const": 0}}, {}]
)
def test_what_a_pattern_would_lose_has_none(schema):
    assert pattern_of(schema) is None
    assert pattern_of(schema, NumberForm()) is None


def test_bounds_that_hold_nothing_are_refused():
    with pytest.raises(UserError, match="holds no number"):
        pattern_of({"type": "integer", "minimum": 3, "maximum": 2})


@pytest.mark.parametrize("engine", ["xgrammar", "llguidance", "outlines"])
def test_stock_engines_take_the_patterns(engine, byte_level):
    pytest.importorskip({"outlines": "outlines_core"}.get(engine, engine))
    from listeval.decoding.constraint import RegexForm
    from listeval.decoding.engines import EngineVocabulary, open_engine
    from listeval.decoding.engines.walk import tokens_of, walk

    vocabulary = EngineVocabulary(byte_level, len(byte_level), (byte_level.eos_token_id,))
    opened = open_engine(engine, vocabulary)
    for pattern in (ANY_NUMBER, ANY_INTEGER, number_pattern(NumberForm(-2.5, 12, 2))):
        for text in ("0", "-1", "12", "7.25", "13", "7" * 16, "1.", "-0.5"):
            # Within an answer: outlines drops what may follow a number that could be the end of all.
            form, tokens = RegexForm(rf"\[{pattern}\]"), tokens_of(f"[{text}]", vocabulary)
            taken = walk(opened.matcher(form), tokens, vocabulary)
            assert taken == bool(re.fullmatch(pattern, text)), (pattern, text)
