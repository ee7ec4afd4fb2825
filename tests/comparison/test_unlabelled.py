"""Which figure decides where data has no right answers, or right answers for a part of it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import edit_rows

from listeval import Metric
from listeval.comparison import compare
from listeval.comparison.paired_columns import headline
from listeval.export.figures import decisive
from listeval.report.comparison.headline import heads, remarks, rule
from listeval.report.comparison.sentence import sentence
from listeval.report.comparison.tables import tables
from listeval.report.page.run_page import heads as run_heads
from listeval.runs import RunConfig, load_run, run
from listeval.runs.figures.columns import COMMON, PARSE_RATE, USEFUL

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
ROWS = 90
METRICS = [Metric("a", useful=True), Metric("b"), Metric("c", useful=True)]


@pytest.fixture
def json_run(tmp_path):
    """`json_run(model, labelled)`: a run of the task `json` whose first `labelled` rows have a right answer."""

    def make(model, labelled):
        right = [{"expected": {"a": 1}} if at < labelled else {} for at in range(ROWS)]
        rows = [{"id": f"r{at}", "prompt": "p", "schema": SCHEMA, **own} for at, own in enumerate(right)]
        data = tmp_path / f"{labelled}.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in rows))
        out = str(tmp_path / f"{model}-{labelled}".replace(":", "-"))
        return run(RunConfig(task="json", model=model, backend="null", data=str(data), out=out)).path

    return make


def everything_said(found):
    own = [table for table in tables(found) if table.title in ("Headline figures", "Other figures")]
    cells = [cell for table in own for row in table.rows for cell in row]
    return " ".join([sentence(found.verdict), *(part for head in heads(found.verdict) for part in head), *cells])


def test_where_nothing_is_labelled_the_parse_rate_decides(json_run):
    found = compare([json_run("faults", 0), json_run("gold", 0)])
    assert (found.headline, found.decisive, found.scale) == ((PARSE_RATE,), PARSE_RATE, None)
    assert (found.verdict.choice, found.verdict.arm) == ("train", "gold-0")
    assert "raises the parse rate from" in sentence(found.verdict)
    assert "n/a" not in everything_said(found)
    assert rule(found).startswith("decided by parse rate")
    assert remarks(found) == [
        "not measured on the paired samples: useful exact, useful leaf accuracy; so parse rate decides"
    ]
    assert found.to_json()["statistics"]["family"]["figures"] == [PARSE_RATE]


def test_a_worse_parse_rate_is_said_there_too(json_run):
    found = compare([json_run("gold", 0), json_run("faults", 0)])
    assert found.verdict.choice == "keep"
    assert "lowers the parse rate from" in sentence(found.verdict)


def test_the_first_useful_metric_with_a_value_decides(json_run):
    runs = [json_run("faults", ROWS), json_run("gold", ROWS)]
    for path in runs:
        edit_rows(path, lambda row: row["scores"].update(exact=None) if row["kind"] == "ok" else None)
    found = compare(runs)
    assert found.headline == (PARSE_RATE, "useful_leaf_accuracy", "common_leaf_accuracy")
    assert found.scale.metric == "leaf_accuracy"
    assert remarks(found) == ["not measured on the paired samples: useful exact; so useful leaf accuracy decides"]


def test_zeros_of_broken_contracts_alone_measure_no_metric(json_run):
    """A task that leaves its metrics undefined without saying that nothing is labelled."""
    runs = [json_run("faults:no_json=0.6", ROWS), json_run("faults:no_json=0.2", ROWS)]
    for path in runs:
        edit_rows(path, lambda row: row.update(scores=dict.fromkeys(row["scores"])))
    found = compare(runs)
    assert not np.isnan([own["useful_exact"] for own in found.columns]).all(axis=1).any(), "both have zeros"
    assert (found.decisive, found.verdict.choice) == (PARSE_RATE, "train")
    assert [head.title for head in run_heads(load_run(runs[0]))] == ["parse rate", "bare rate"]
    assert decisive(load_run(runs[0]))[0] == PARSE_RATE


def test_where_nothing_parses_a_metric_is_measured_all_the_same(json_run):
    found = compare([json_run("garbage", ROWS), json_run("m", ROWS)])
    assert found.decisive == "useful_exact" and found.verdict.choice == "none"


def test_where_a_part_is_labelled_it_says_over_how_much_the_metric_is(json_run):
    found = compare([json_run("faults", 18), json_run("gold", 18)])
    assert (found.decisive, found.verdict.decided_by) == ("useful_exact", (18, 18))
    few = "; few data: 90 samples in 90 independent clusters, 18 of them with a value of useful exact."
    assert sentence(found.verdict).endswith(few)
    notes = " ".join(table.note for table in tables(found))
    labelled = sum(row.kind == "ok" for row in found.pairing.rows[0][:18])
    assert f"the {found.common} samples that parse in every arm, {labelled} of them with a value" in notes
    whole = compare([json_run("faults", ROWS), json_run("gold", ROWS)])
    assert sentence(whole.verdict).endswith("(90 samples).") and "with a value" not in " ".join(
        table.note for table in tables(whole)
    )


SCORES = st.sampled_from([np.nan, 0.0, 1.0])
ANSWERS = st.tuples(st.booleans(), SCORES, SCORES)
"""Whether it parses, and what it is worth by a and c if it does."""


@given(
    st.integers(2, 4).flatmap(lambda arms: st.lists(st.tuples(*[ANSWERS] * arms), min_size=1, max_size=4)),
    st.lists(st.booleans(), min_size=4, max_size=4),
)
def test_what_decides_differs_between_all_arms_and_no_earlier_metric_does(samples, labelled):
    """`samples` are (samples, arms, 3); a sample that is not labelled has no value in any arm."""
    told = np.array(samples, dtype=np.float64)
    parses, known = told[:, :, 0] == 1, np.array(labelled[: len(told)])[:, None]
    plain = {name: np.where(parses & known, told[:, :, at], np.nan) for at, name in enumerate("ac", 1)}
    useful = {name: np.where(parses, plain[name], np.where(known, 0.0, np.nan)) for name in "ac"}
    table = [
        {PARSE_RATE: parses[:, arm].astype(float)}
        | {name: plain[name][:, arm] for name in "ac"}
        | {USEFUL + name: useful[name][:, arm] for name in "ac"}
        for arm in range(parses.shape[1])
    ]

    def decides(name):
        both = ~np.isnan(useful[name][:, 1:] - useful[name][:, :1])
        return both.any(axis=0).all() and not (parses.any() and np.isnan(plain[name]).all())

    name = next(filter(decides, "ac"), None)
    assert headline(METRICS, table) == ((PARSE_RATE,) if name is None else (PARSE_RATE, USEFUL + name, COMMON + name))
    # Whatever the values are: nothing but their being there chooses the figure.
    other = [{key: column if key == PARSE_RATE else 1 - column for key, column in own.items()} for own in table]
    assert headline(METRICS, other) == headline(METRICS, table)
