"""Each figure is defined once: metrics of a run and columns of a comparison come from the same rows in the same way."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.comparison.paired_columns import COMPARED
from listeval.comparison.paired_columns import columns as arm_columns
from listeval.contract import Kind
from listeval.runs.figures import columns as figures
from listeval.runs.figures.as_text import change, interval, plain
from listeval.runs.figures.row_table import RowTable
from listeval.runs.figures.words import title
from listeval.runs.metrics import summarise
from listeval.stats.intervals import Interval
from listeval.task import Metric
from tests.row_shapes import judged

METRICS = [Metric("a", useful=True, bounds=(-1.0, 1.0), at=(1, 2)), Metric("b", bounds=(0.0, 1.0))]


@st.composite
def rows(draw):
    """Scored rows of up to three seeds; a score may be undefined."""
    found = []
    for example in range(draw(st.integers(1, 5))):
        for seed in range(draw(st.integers(1, 3))):
            kind = draw(st.sampled_from([Kind.OK, Kind.MISSING_ID, Kind.NO_JSON]))
            score = st.none() | st.sampled_from([-1.0, 0.0, 0.5, 1.0])
            scores = {"a": draw(score), "b": draw(st.none() | st.floats(0, 1))} if kind is Kind.OK else {}
            found.append(
                {
                    "example": str(example), "seed": seed, "cluster": "", "kind": kind.value, "outcome": "scored",
                    "missing": draw(st.integers(1, 2)) if kind is Kind.MISSING_ID else 0, "reason": None, "flags": [],
                    "bare": draw(st.none() | st.booleans()), "scores": scores, "verdict": None, "masked": None,
                    "attempts": None, "n_tokens": draw(st.integers(0, 9)), "n_prompt_tokens": 1,
                }
            )  # fmt: skip
    return found


@given(rows())
def test_a_runs_figures_are_the_means_of_a_comparisons_columns(found):
    (own,) = arm_columns([RowTable.of(judged(*found))], METRICS)
    summary = summarise(judged(*found), METRICS)
    for name in (*COMPARED, "useful_a", "a", "b"):
        known = own[name][~np.isnan(own[name])]
        mean = math.fsum(known) / len(known) if len(known) else math.nan
        assert summary.metrics[name].value == pytest.approx(mean, abs=1e-12, nan_ok=True), name


@given(rows())
def test_a_useful_column_has_a_zero_where_the_contract_is_broken_and_the_score_elsewhere(found):
    table = RowTable.of(judged(*found))
    scored, ok = figures.scores(table, METRICS), table.parsed
    column = figures.useful(table, METRICS)["useful_a"]
    assert not column[~ok].any()
    np.testing.assert_array_equal(column[ok], scored["a"][ok])
    assert "useful_b" not in figures.useful(table, METRICS)


@given(rows())
def test_every_value_of_a_column_lies_within_its_bounds(found):
    limits = figures.bounds(METRICS)
    table = RowTable.of(judged(*found))
    scored = figures.scores(table, METRICS)
    columns = scored | figures.useful(table, METRICS) | figures.best_of(judged(*found), table, METRICS)
    for name, column in columns.items():
        low, high = limits[name]
        assert np.nanmin(column, initial=low) >= low and np.nanmax(column, initial=high) <= high, name


@given(rows())
def test_rates_are_hits_and_misses_or_unknown(found):
    for name, column in figures.rates(RowTable.of(judged(*found))).items():
        assert set(column[~np.isnan(column)]) <= {0.0, 1.0}
        assert name == figures.BARE_RATE or not np.isnan(column).any()


def test_a_figure_is_written_one_way():
    value = Interval(0.4375, 0.2314, 0.6681)
    assert interval("parse_rate", value) == interval("raw_parse_rate", value) == "43.8 % [23.1, 66.8]"
    assert interval("ndcg@1", value) == "0.438 [0.231, 0.668]"
    assert change("parse_rate", value) == "+43.8 [+23.1, +66.8]"
    assert (plain("tokens", 91.26), plain("a", math.nan)) == ("91.3", "n/a")
    assert (title("useful_a_b"), title("a_b"), title("parse_rate")) == ("useful a b", "a_b", "parse rate")


BOUNDED = [
    Metric("count", bounds=(0.0, None), less_is_better=True),
    Metric("open", bounds=(0.0, math.inf)),
    Metric("gain", useful=True, bounds=(None, 1.0)),
    Metric("tau", bounds=(-1.0, 1.0)),
    Metric("free"),
]


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(-1, 1), st.booleans()), min_size=1, max_size=12))
def test_no_limit_lies_beyond_the_bounds_of_a_metric(found):
    """Few samples, where Student's limits reach far: an open side is not closed, a closed one is kept."""
    rows = [
        {
            "example": str(at), "seed": 0, "cluster": "", "kind": "ok" if ok else "no_json", "outcome": "scored",
            "missing": 0, "reason": None, "flags": [], "bare": True, "verdict": None, "masked": None, "attempts": None,
            "n_tokens": count, "n_prompt_tokens": 1,
            "scores": {"count": count, "open": count, "gain": share, "tau": share, "free": share} if ok else {},
        }
        for at, (count, share, ok) in enumerate(found)
    ]  # fmt: skip
    summary = summarise(judged(*rows), BOUNDED)
    known = figures.bounds(BOUNDED)
    assert known["count"] == known["open"] == (0.0, math.inf) and known["useful_gain"] == (-math.inf, 1.0)
    for name, value in summary.metrics.items():
        low, high = figures.bounds_of(name, known)
        if not math.isnan(value.low):
            assert low - 1e-12 <= value.low <= value.high <= high + 1e-12, name
            assert math.isfinite(value.low) and math.isfinite(value.high), name


def test_what_is_known_of_a_figure_holds_for_its_first_answers_too():
    known = figures.bounds(METRICS)
    assert figures.bounds_of("raw_parse_rate", known) == figures.bounds_of("fmc", known) == (0.0, 1.0)
    assert figures.bounds_of("raw_a", known) == (-1.0, 1.0) and figures.bounds_of("tokens", known) == (0.0, math.inf)
    assert figures.bounds_of("nobody", known) == (-math.inf, math.inf)


@st.composite
def asked_again(draw):
    """Rows of a run that asks again: whatever came of a last answer, all before it broke the contract."""
    found = draw(rows())
    for row in found:
        row["scores"] = dict.fromkeys(row["scores"], 0.5)
        earlier = draw(st.lists(st.sampled_from([Kind.MISSING_ID, Kind.NO_JSON]), max_size=2))
        came_of_it = draw(st.sampled_from(["scored", "unscored", "error"]))
        if came_of_it != "scored":
            failed = came_of_it == "error" or draw(st.booleans())
            row |= {"outcome": came_of_it, "scores": {}} | ({"kind": "engine_error", "bare": None} if failed else {})
        else:
            row["bare"] = draw(st.booleans())
        kinds = [*earlier, row["kind"]] if earlier else []
        row["attempts"] = [
            {
                "attempt": at, "seed": 0, "kind": kind, "detail": "", "missing": 0, "text": "", "reasoning": None,
                "finish_reason": "stop", "n_tokens": 1, "n_prompt_tokens": 1, "latency_s": 0.0, "masked": None,
                "bare": False,
            }
            for at, kind in enumerate(kinds, 1)
        ] or None  # fmt: skip
    return found


@given(asked_again())
def test_figures_of_first_and_of_final_answers_are_over_the_same_samples(found):
    summary = summarise(judged(*found), METRICS, asks_again=True)
    for name in ("parse_rate", "fmc", "useful_a"):
        assert summary.over[f"raw_{name}"] == summary.over[name], name
    # A first answer that was asked again is never right, so no figure of the run falls by asking.
    for name in ("parse_rate", "useful_a"):
        raw, final = summary.metrics[f"raw_{name}"].value, summary.metrics[name].value
        assert math.isnan(raw) == math.isnan(final) and not raw > final + 1e-12, name
    unscored = [row for row in found if row["outcome"] == "unscored"]
    dropped = summarise(judged(*(row for row in found if row not in unscored)), METRICS, asks_again=True)
    assert summary.metrics["useful_a"].value == pytest.approx(dropped.metrics["useful_a"].value, nan_ok=True)
    assert summary.metrics["raw_useful_a"].value == pytest.approx(dropped.metrics["raw_useful_a"].value, nan_ok=True)
