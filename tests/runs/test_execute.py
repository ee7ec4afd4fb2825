"""Runs on the null engine: what is owed is run once, what is there is kept, and nothing is mixed."""

import json
from collections import Counter

import pytest

from listeval.contract import Kind
from listeval.errors import UserError
from listeval.runs import load_run, rescore
from listeval.runs.lock import exclusive
from listeval.runs.rows import encode

IDENTITY_CHANGES = {
    "another model": {"model": "other"},
    "another prompt": {"options": {"shots": 1}},
    "another contract": {"options": {"k": 4}},
    "another budget": {"max_tokens": 64},
    "a temperature": {"temperature": 0.7},
}


def lines(run):
    return (run.path / "samples.jsonl").read_bytes().splitlines()


def test_a_run_has_every_sample_once_and_its_table_sums_up(start):
    done = start()
    found = done.to_json()
    assert found["n"] == len(done.rows) == 40
    assert found["scored"] + found["unscored"] + found["errors"] == 40
    assert list(found["kinds"]) == [kind.value for kind in Kind]
    assert sum(found["kinds"].values()) == 40
    assert found["kinds"] == {kind.value: Counter(r["kind"] for r in done.rows)[kind] for kind in Kind}
    assert len({row["key"] for row in done.rows}) == 40


def test_the_json_has_the_promised_keys(start):
    found = start().to_json()
    metrics = ["parse_rate", "fmc", "kendall_tau", "ndcg@1", "ndcg@8", "mae", "useful_ndcg@1"]
    for name in ["task", "model", "backend", "n", "scored", "unscored", "errors", "kinds", "tokens_per_second", "run"]:
        assert name in found
    for name in metrics:
        assert list(found[name]) == ["value", "low", "high"]
    assert json.loads(json.dumps(found)) == found


def test_means_follow_from_the_rows(start):
    done = start()
    ok = [row for row in done.rows if row["kind"] == "ok"]
    found = done.summary.metrics
    assert found["parse_rate"].value == pytest.approx(len(ok) / 40)
    assert found["fmc"].value == pytest.approx(
        sum(r["kind"] == "missing_id" and r["missing"] == 1 for r in done.rows) / 40
    )
    total = sum(row["scores"]["ndcg@1"] for row in ok)
    assert found["ndcg@1"].value == pytest.approx(total / len(ok))
    assert found["useful_ndcg@1"].value == pytest.approx(total / 40)


def test_the_same_again_makes_nothing_and_more_makes_only_the_rest(start):
    first = lines(start(limit=10))
    assert lines(start(limit=10)) == first
    grown = start(limit=30)
    assert lines(grown)[:10] == first
    assert len(lines(grown)) == 30
    shrunk = start(limit=5)
    assert (len(lines(shrunk)), shrunk.summary.n) == (30, 5)


def test_named_samples_only(start):
    wanted = [start().rows[i]["example"] for i in (7, 3)]
    done = start(samples=tuple(wanted))
    assert sorted(row["example"] for row in done.rows) == sorted(wanted)
    with pytest.raises(UserError, match="no example 'nope'"):
        start(samples=("nope",))


def test_seeds_are_runs_over_other_groups_and_each_has_its_means(start):
    done = start(seeds=(0, 1), limit=10)
    assert [row["seed"] for row in done.rows] == [0] * 10 + [1] * 10
    assert set(done.to_json()["by_seed"]) == {"0", "1"}
    one = start(seeds=(0,), limit=10)
    assert (one.summary.n, one.to_json()["by_seed"]) == (10, {})
    means = done.to_json()["by_seed"]
    assert means["0"]["parse_rate"] == pytest.approx(one.summary.metrics["parse_rate"].value)


@pytest.mark.parametrize("name", IDENTITY_CHANGES)
def test_another_configuration_never_shares_a_directory_or_a_key(start, tmp_path, name):
    first = start(limit=8)
    with pytest.raises(UserError, match="holds another run"):
        start(limit=8, **IDENTITY_CHANGES[name])
    other = start(limit=8, out=str(tmp_path / "other"), **IDENTITY_CHANGES[name])
    assert not {r["key"] for r in first.rows} & {r["key"] for r in other.rows}


def test_errors_are_owed_again(start):
    done = start(limit=6)
    rows = done.rows
    rows[2] |= {"outcome": "error", "kind": "engine_error", "text": "", "error": "boom", "value": None, "scores": {}}
    (done.path / "samples.jsonl").write_bytes(b"".join(map(encode, rows)))
    assert load_run(done.path).summary.errors == 1
    again = start(limit=6)
    assert (again.summary.errors, len(lines(again))) == (0, 7)


def test_a_second_process_is_refused(start):
    done = start(limit=3)
    with exclusive(done.path), pytest.raises(UserError, match="another process"):
        start(limit=4)


def test_metrics_file_is_a_function_of_the_rows(start):
    done = start(seeds=(0, 1))
    first = (done.path / "metrics.json").read_bytes()
    rows = lines(done)
    (done.path / "samples.jsonl").write_bytes(b"\n".join(reversed(rows)) + b"\n")
    load_run(done.path).write_metrics()
    assert (done.path / "metrics.json").read_bytes() == first


def test_rescoring_from_rows_alone_changes_nothing_that_was_right(start):
    done = start()
    before = done.to_json()
    assert rescore(done.path).to_json() == before


def test_rescoring_mends_rows_that_were_scored_otherwise(start):
    done = start(limit=10)
    rows = done.rows
    for row in rows:
        row |= {"kind": "ok", "scores": {"ndcg@1": 1.0}, "outcome": "scored"}
    (done.path / "samples.jsonl").write_bytes(b"".join(map(encode, rows)))
    before = done.to_json()
    assert rescore(done.path).to_json()["kinds"] == start(limit=10).to_json()["kinds"] == before["kinds"]


def test_a_directory_without_a_manifest_is_no_run(tmp_path):
    with pytest.raises(UserError, match="not a run"):
        load_run(tmp_path)
