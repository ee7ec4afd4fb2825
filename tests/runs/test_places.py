"""Places as text are read as the places that they name, and written in one way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.errors import UserError
from listeval.runs.config import build_config
from listeval.runs.places import EVERY, holds, of_seeds, ranges_of, spell
from listeval.task import MOST

ranges = st.lists(st.builds(lambda start, n: range(start, start + n), st.integers(0, 40), st.integers(0, 9)))


@given(ranges)
def test_what_is_written_is_read(given):
    text = spell(given)
    assert [place for one in ranges_of(text) for place in one] == sorted({place for one in given for place in one})
    assert spell(ranges_of(text)) == text == spell(reversed(given))


@given(ranges, st.integers(0, 60))
def test_a_place_is_found_where_it_is(given, place):
    spelt = ranges_of(spell(given))
    assert holds(spelt, place) == any(place in one for one in given)


@pytest.mark.parametrize(("text", "plain"), [("3,1-2", "1-3"), ("4-,0-5", "0-"), ("", ""), ("9-4", ""), ("7,7", "7")])
def test_a_file_may_name_them_in_any_way(text, plain):
    assert spell(ranges_of(text)) == plain
    assert build_config({"task": "t", "model": "m", "places": {"0": text}}).places == {0: plain}


def test_all_have_no_end():
    assert MOST in ranges_of(EVERY)[0] and spell(ranges_of(EVERY)) == EVERY


@pytest.mark.parametrize(
    "values",
    [
        *({"places": {0: text}} for text in ("a", "-1", "1" * 30)),
        {"places": {0: "1"}, "limit": 2},
        {"places": {0: "1"}, "seeds": [0, 1]},
        {"places": {0: "1", 1: "2"}},
        {"places": {}},
    ],
)
def test_what_names_none_is_refused(values):
    with pytest.raises(UserError, match="place"):
        build_config({"task": "t", "model": "m", **values})


def test_a_new_seed_has_the_places_that_all_others_share():
    alike, unlike = {0: "0-2,8", "1": "0-2,8"}, {0: "0-2", 1: "4"}
    assert of_seeds([1, 2], alike) == {"1": "0-2,8", "2": "0-2,8"}
    assert of_seeds(["1"], unlike) == {"1": "4"}
    with pytest.raises(UserError, match=r"seed 2 .*--limit or --samples"):
        of_seeds([0, 2], unlike)
