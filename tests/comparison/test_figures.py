"""The figures of a comparison: planted truths come back, and the same runs give the same bits."""

import json
import math

import numpy as np
import pytest
from planted import edit_manifest, edit_rows, ranked, reversed_order

from listeval.comparison import compare
from listeval.contract import Kind


def half(row):
    return ranked(row, drop=row["index"] % 2)


def test_planted_rates_and_migrations(make_run):
    found = compare([make_run("free", half), make_run("perm", ranked, constraint="permutation")])
    d = found.contrasts[0].differences["parse_rate"]
    assert (d.before, d.after, d.gained, d.lost, d.n) == (0.5, 1.0, 20, 0, 40)
    assert d.difference.low > 0.3
    assert found.contrasts[0].adjusted["parse_rate"] < 0.001
    assert [contrast.migrations for contrast in found.contrasts] == [{("ok", "ok"): 20, ("missing_id", "ok"): 20}]
    assert found.values[0]["fmc"].value == 0.5
    assert found.kinds[1] == {kind.value: 40 if kind is Kind.OK else 0 for kind in Kind}


def test_common_is_what_parses_in_every_arm(make_run):
    third = lambda row: ranked(row, drop=row["index"] % 3 == 0)  # noqa: E731
    found = compare([make_run("a", half), make_run("b", third, model="b"), make_run("c", reversed_order, model="c")])
    assert found.common == sum(at % 2 == 0 and at % 3 != 0 for at in range(40))
    for values in found.values:
        assert not math.isnan(values["common_ndcg@1"].value)
    assert found.values[0]["common_ndcg@1"].value == found.values[1]["common_ndcg@1"].value == pytest.approx(1)
    assert found.values[2]["common_ndcg@1"].value < 0.5
    assert found.contrasts[1].differences["common_ndcg@1"].n == found.common


def test_an_arm_in_which_nothing_parses_does_not_empty_the_common_subset(make_run):
    found = compare([make_run("a", half), make_run("b", lambda row: "no", model="b"), make_run("c", ranked, model="c")])
    assert found.common == 20
    assert math.isnan(found.values[1]["common_ndcg@1"].value)
    assert found.contrasts[0].differences["common_ndcg@1"].n == 0
    assert math.isnan(found.contrasts[0].adjusted["common_ndcg@1"])


def test_useful_counts_failures_as_zero(make_run):
    found = compare([make_run("a", half), make_run("b", ranked, model="b")])
    d = found.contrasts[0].differences["useful_ndcg@1"]
    assert (d.before, d.after) == pytest.approx((0.5, 1.0))
    assert d.difference.value == pytest.approx(d.after - d.before)


def test_an_arms_own_figures_are_those_of_its_report(make_run):
    a, b = make_run("a"), make_run("b", model="b")
    found = compare([a, b])
    for arm, values in zip(found.arms, found.values, strict=True):
        # Whether an answer is bare is of one run's texts: a repaired arm has none of its own.
        for name, value in ((n, v) for n, v in arm.run.summary.metrics.items() if n != "bare_rate"):
            assert values[name] == pytest.approx(value, abs=1e-12, nan_ok=True), name


def test_the_same_runs_give_the_same_bits(make_run):
    runs = [make_run(name, model=name) for name in "abc"]
    assert json.dumps(compare(runs).to_json()) == json.dumps(compare(runs).to_json())
    assert compare(runs, seed=1).contrasts[0].differences["tokens"] != compare(runs).contrasts[0].differences["tokens"]


def test_an_arm_more_changes_no_interval_but_the_corrected_p(make_run):
    runs = [make_run("a", half), *(make_run(name, model=name) for name in "bc")]
    two, three = compare(runs[:2]), compare(runs)
    assert two.contrasts[0].differences["useful_ndcg@1"] == three.contrasts[0].differences["useful_ndcg@1"]
    assert two.contrasts[0].adjusted["parse_rate"] <= three.contrasts[0].adjusted["parse_rate"]


def test_seeds_of_one_product_are_one_cluster(make_run):
    seeds = {"limit": 30, "seeds": (0, 1)}
    found = compare([make_run("a", half, **seeds), make_run("b", ranked, model="b", **seeds)])
    assert len(found.pairing.keys) == 60
    assert found.pairing.n_clusters < 60
    assert found.pairing.seeds == [0, 1]


def test_everything_is_json(make_run):
    found = compare([make_run("a", half), make_run("b", lambda row: "no", model="b")]).to_json()
    text = json.dumps(found, allow_nan=False)
    assert json.loads(text) == found
    arm = found["arms"][1]
    assert arm["differences"]["parse_rate"]["lost"] == 20
    assert arm["migrations"] == [["ok", "no_json", 20], ["missing_id", "no_json", 20]]
    assert found["statistics"]["family"] == {
        "method": "Holm", "figures": ["parse_rate", "useful_ndcg@1", "common_ndcg@1"], "arms": 1, "tests": 2,
    }  # fmt: skip


def test_costs_are_read_where_they_were_recorded(make_run):
    a, b = make_run("a", half), make_run("b", ranked, constraint="permutation")

    def slow(values):
        values["attempts"] = [{**values["attempts"][0], "seconds": 20.0, "tokens": 4000, "rows": 40}]
        values["backend"]["name"] = "hf"
        values["backend"]["settings"]["constraint"] = {"engine": "own", "compile_ms": 0.25}

    edit_manifest(b, slow)
    edit_rows(b, lambda row: row.update(masked=row["index"] / 100))
    cost = compare([a, b]).costs[1]
    assert (cost.tokens_per_second, cost.seconds_per_1000, cost.compile_ms) == (200.0, 500.0, 0.25)
    assert cost.masked == pytest.approx(np.mean(np.arange(40) / 100))
    assert compare([a, b]).costs[0].compile_ms is None


def test_a_run_without_a_finished_attempt_has_no_speed(make_run):
    a, b = make_run("a", half), make_run("b", ranked, model="b")
    edit_manifest(b, lambda values: values.update(attempts=[]))
    cost = compare([a, b]).costs[1]
    assert (cost.tokens_per_second, cost.seconds_per_1000) == (None, None)
