"""Number forms: exactly the numbers between the bounds, in all their spellings, and nothing that dangles."""

from __future__ import annotations

import json
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.decoding.permutation.number_form import LARGEST, NumberForm, number_automaton
from listeval.errors import UserError


def language(form: NumberForm) -> set[str]:
    automaton = number_automaton(form)
    found, ahead = set(), [("", 0)]
    while ahead:
        text, state = ahead.pop()
        if state in automaton.ends:
            found.add(text)
        ahead += [(text + chr(byte), after) for byte, after in automaton.edges[state].items()]
    return found


def spellings(low: int, high: int, decimals: int) -> set[str]:
    """By brute force: every JSON number of these digits whose value lies between the bounds."""
    most = max(len(str(abs(low))), len(str(abs(high))))
    wholes = [w for n in range(1, most + 1) for w in map("".join, product("0123456789", repeat=n))]
    wholes = [w for w in wholes if w == "0" or w[0] != "0"]
    tails = ["", *("." + "".join(d) for n in range(1, decimals + 1) for d in product("0123456789", repeat=n))]
    texts = (sign + whole + tail for sign in ("", "-") for whole in wholes for tail in tails)
    return {t for t in texts if low <= float(t) <= high and not (t[0] == "-" and float(t) == 0)}


def test_the_default_is_a_score_from_0_to_10_with_one_decimal() -> None:
    found = language(NumberForm())
    assert found == {f"{n}" for n in range(11)} | {f"{n / 10:.1f}" for n in range(101)}
    assert all(0 <= json.loads(text) <= 10 for text in found)


@given(st.integers(-120, 120), st.integers(0, 150), st.integers(0, 2))
def test_the_language_is_that_of_brute_force(low: int, more: int, decimals: int) -> None:
    assert language(NumberForm(low, low + more, decimals)) == spellings(low, low + more, decimals)


@pytest.mark.parametrize(
    ("form", "inside", "outside"),
    [
        (NumberForm(0, 10, 1), ("10", "10.0", "0.0", "9.9"), ("10.1", "11", "-1", "01", "1.", ".5", "1.25", "", "-0")),
        (NumberForm(0.25, 0.75, 2), ("0.25", "0.3", "0.75", "0.30"), ("0", "0.2", "0.76", "0.8", "1")),
        (NumberForm(-1.5, -0.5, 1), ("-1.5", "-1", "-0.5", "-1.0"), ("-0.4", "-1.6", "-2", "0", "1", "-0")),
        (NumberForm(7, 7, 0), ("7",), ("7.0", "6", "8", "70")),
        (NumberForm(95, 1205, 0), ("95", "100", "999", "1205"), ("94", "1206", "9", "9999", "120500")),
    ],
)
def test_bounds(form: NumberForm, inside: tuple[str, ...], outside: tuple[str, ...]) -> None:
    found = language(form)
    assert found.issuperset(inside)
    assert found.isdisjoint(outside)
    assert max(map(len, found)) == len(form.longest)
    assert form.longest in found


def test_a_wide_form_has_few_states() -> None:
    assert len(number_automaton(NumberForm(-123456789, 987654321, 6)).edges) < 120


@pytest.mark.parametrize(
    "arguments",
    [(1, 0, 1), (0.01, 0.04, 1), (0, float("inf"), 1), (float("nan"), 1, 1), (0, 1, -1), (0, 1, 16), (0, 1e16, 0)],
)
def test_forms_that_hold_nothing_are_refused(arguments: tuple[float, float, int]) -> None:
    with pytest.raises(UserError, match="number form"):
        NumberForm(*arguments)


def test_a_field_may_state_its_own_bounds() -> None:
    default = NumberForm()
    assert NumberForm.of_schema({"type": "number", "title": "Score"}, default) == default
    assert NumberForm.of_schema({"type": "integer", "minimum": 1, "maximum": 5}, default) == NumberForm(1, 5, 0)
    assert NumberForm.of_schema({"type": "number", "maximum": 4.5}, default) == NumberForm(0, 4.5, 1)
    assert NumberForm.of_schema({"type": "integer", "minimum": 1900}, default) == NumberForm(1900, LARGEST, 0)
    assert NumberForm.of_schema({"type": "number", "maximum": -1}, default) == NumberForm(-LARGEST, -1, 1)
    assert NumberForm.of_schema({"type": "string"}, default) is None
    assert NumberForm.of_schema({"type": "number", "multipleOf": 2}, default) is None


bounds = st.none() | st.decimals(-12, 12, places=2).map(float)


@given(bounds, bounds, bounds, bounds, st.sampled_from(["number", "integer"]))
def test_the_form_of_a_field_is_what_its_bounds_admit(low, high, above, below, kind):
    given = {"minimum": low, "maximum": high, "exclusiveMinimum": above, "exclusiveMaximum": below}
    schema = {"type": kind, **{word: bound for word, bound in given.items() if bound is not None}}
    everything = spellings(-15, 15, 0 if kind == "integer" else 1)
    ends = [low is not None or above is not None, high is not None or below is not None]
    admitted = {
        text
        for text in everything
        if (low is None or float(text) >= low)
        and (high is None or float(text) <= high)
        and (above is None or float(text) > above)
        and (below is None or float(text) < below)
        and (ends[0] or float(text) >= -15)
        and (ends[1] or float(text) <= 15)
    }
    default = NumberForm(-15, 15, 1)
    if not admitted:
        with pytest.raises(UserError, match="holds no number"):
            NumberForm.of_schema(schema, default)
    else:
        assert language(NumberForm.of_schema(schema, default)) == admitted
