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
from listeval.report.comparison.headline import heads, remarks, rule
from listeval.report.comparison.sentence import sentence
from listeval.report.comparison.tables import tables
from listeval.runs import RunConfig, run
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
    cells = [cell for table in tables(found)[:1] for row in table.rows for cell in row]
    return " ".join([sentence(found.verdict), *(part for head in heads(found.verdict) for part in head), *cells])


def test_where_nothing_is_labelled_the_parse_rate_decides(json_run):
    found = compare([json_run("faults", 0), json_run("gold", 0)])
    assert (found.headline, found.decisive, found.scale) == ((PARSE_RATE,), PARSE_RATE, None)
    assert (found.verdict.choice, found.verdict.arm) == ("train", "gold-0")
    assert "raises the parse rate from" in sentence(found.verdict)
    assert "n/a" not in everything_said(found)
    assert rule(found).startswith("decided by parse rate")
    assert remarks(found) == [
        "no pair of samples has a value of useful exact, useful leaf accuracy: parse rate decides"
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
    assert remarks(found) == ["no pair of samples has a value of useful exact: useful leaf accuracy decides"]


def test_where_a_part_is_labelled_it_says_over_how_much_the_metric_is(json_run):
    found = compare([json_run("faults", 18), json_run("gold", 18)])
    assert (found.decisive, found.verdict.decided_by) == ("useful_exact", (18, 18))
    few = "; few data: 90 samples in 90 independent clusters, 18 of them with a value of useful exact."
    assert sentence(found.verdict).endswith(few)
    notes = " ".join(table.note for table in tables(found))
    labelled = sum(row["kind"] == "ok" for row in found.pairing.rows[0][:18])
    assert f"the {found.common} samples that parse in every arm, {labelled} of them with a value" in notes
    whole = compare([json_run("faults", ROWS), json_run("gold", ROWS)])
    assert sentence(whole.verdict).endswith("(90 samples).") and "with a value" not in " ".join(
        table.note for table in tables(whole)
    )


@given(
    st.integers(2, 4).flatmap(
        lambda arms: st.lists(
            st.tuples(*[st.tuples(*[st.sampled_from([np.nan, 0.0, 1.0])] * 2)] * arms), min_size=1, max_size=4
        )
    )
)
def test_what_decides_differs_between_all_arms_and_no_earlier_metric_does(samples):
    """`samples` are (samples, arms, metrics): the figures a, c of each."""
    values = np.array(samples, dtype=np.float64)
    table = [{USEFUL + name: values[:, arm, at] for at, name in enumerate("ac")} for arm in range(values.shape[1])]
    differs = [bool((~np.isnan(values[:, 1:, at] - values[:, :1, at])).any(axis=0).all()) for at in range(2)]
    name = next((name for name, has in zip("ac", differs, strict=True) if has), None)
    assert headline(METRICS, table) == ((PARSE_RATE,) if name is None else (PARSE_RATE, USEFUL + name, COMMON + name))
    # Whatever the values are: nothing but their being there chooses the figure.
    other = [{key: 1 - column for key, column in own.items()} for own in table]
    assert headline(METRICS, other) == headline(METRICS, table)
