"""A count that nobody told is unknown, in whatever a figure, a table or a page says of it; it is never 0."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.contract import Kind
from listeval.report.explain import print_rows
from listeval.runs import RunConfig, run
from listeval.runs.data_frames import data_frame
from listeval.runs.figures.row_table import RowTable
from listeval.runs.figures.words import asked_again
from listeval.runs.reask import ReaskCounts, further, read, written
from listeval.runs.row_columns import table
from listeval.runs.token_counts import read_tokens, written_tokens
from tests.row_shapes import judged

WORDED = [kind for kind in Kind if kind not in (Kind.ENGINE_ERROR, Kind.EMPTY, Kind.REFUSAL)]
COUNTS = st.integers(0, 3)


@given(st.sampled_from(list(Kind)), COUNTS, COUNTS)
def test_a_count_is_what_was_told_or_unknown(kind, written, read):
    found = written_tokens(kind, written, read)
    assert found in (None, written) and (found is None) <= (written == 0)
    assert read_tokens(kind, read) in (None, read)
    if kind in WORDED:
        assert (found is None, read_tokens(kind, read) is None) == (written == 0, read == 0)
    if kind is Kind.ENGINE_ERROR:
        assert (found, read_tokens(kind, read)) == (written, read)


def test_a_prompt_of_known_length_tells_that_a_wordless_answer_has_no_token():
    assert [written_tokens(kind, 0, 9) for kind in (Kind.EMPTY, Kind.REFUSAL)] == [0, 0]
    assert [written_tokens(kind, 0, 0) for kind in (Kind.EMPTY, Kind.REFUSAL)] == [None, None]


@given(
    st.lists(st.lists(st.tuples(st.sampled_from(["ok", "no_json", "engine_error"]), COUNTS), min_size=1, max_size=3))
)
def test_what_all_attempts_took_is_known_where_each_ones_is(samples):
    rows = []
    for tried in samples:
        attempts = [{"kind": kind, "n_tokens": n, "n_prompt_tokens": n} for kind, n in tried]
        rows.append({**attempts[-1], "attempts": attempts if len(attempts) > 1 else None})
    found = RowTable.of(judged(*rows))
    for tried, *took in zip(samples, found.spent, found.prompt_spent, strict=True):
        known = all(n or kind == "engine_error" for kind, n in tried)
        for total in took:
            assert total == sum(n for _, n in tried) if known else math.isnan(total)


@pytest.fixture
def made(tmp_path):
    """A run of the null engine, whose answers each have a token or more."""
    return run(RunConfig(task="fashion", model="m", backend="null", limit=40, out=str(tmp_path / "run")))


def test_the_null_engine_tells_its_tokens(made):
    assert not np.isnan(RowTable.of(made.judged).spent).any()
    assert data_frame(table([made]))["n_tokens"].dtype == "int64"


def test_a_frame_and_show_say_that_tokens_are_unknown(made, capsys):
    for row in made.rows[:3]:
        row["n_tokens"] = row["n_prompt_tokens"] = 0
        row["kind"] = "ok"
    frame = data_frame(table([made]))
    for name in ("n_tokens", "n_prompt_tokens"):
        assert frame[name].dtype == "Int64" and frame[name].isna().tolist() == [True] * 3 + [False] * 37
    print_rows(made.rows[:1])
    assert "tokens unknown, finished by" in capsys.readouterr().out


def test_a_run_whose_tokens_are_unknown_has_no_speed(made):
    made.manifest.backend.name = "openai"
    assert made.tokens_per_second
    del made.__dict__["_tells_tokens"]
    made.__dict__["judged"] = judged({"n_tokens": 0}, {})
    assert made.tokens_per_second is None


def test_further_answers_of_unknown_tokens_do_not_cost_nothing():
    assert "(tokens unknown)" in asked_again(ReaskCounts(2, 1, 2, None, None))
    assert "(unknown tokens written, 9 read)" in asked_again(ReaskCounts(2, 1, 2, None, 9))
    assert "(5 tokens written, 9 read)" in asked_again(ReaskCounts(2, 1, 2, 5, 9))


ATTEMPTS = st.builds(
    lambda kind, written, read: {"kind": kind.value, "n_tokens": written, "n_prompt_tokens": read},
    st.sampled_from(list(Kind)), COUNTS, COUNTS,
)  # fmt: skip


@given(st.lists(st.lists(ATTEMPTS, max_size=3), max_size=3))
def test_what_further_answers_took_is_unknown_where_that_of_one_is(samples):
    found = further((tried, True) for tried in samples)
    later = [one for tried in samples for one in tried[1:]]
    for counts, summed in ((map(written, later), found.tokens), (map(read, later), found.prompt_tokens)):
        known = list(counts)
        assert summed == (None if None in known else sum(known))
