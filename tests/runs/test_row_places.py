"""A run without its ledger: the loss is said, no row counts for which the data have no place, and `run` mends it."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from listeval.runs import load_run
from listeval.runs.ledger import FILE
from listeval.runs.rows import encode


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A complete run of two seeds, and its file of rows."""
    from listeval.runs import RunConfig, run

    out = tmp_path_factory.mktemp("run")
    config = RunConfig(task="fashion", model="gold", backend="null", limit=5, seeds=(0, 1), out=str(out))
    done = run(config)
    return done, (out / "samples.jsonl").read_bytes()


ALTERED = st.fixed_dictionaries(
    {"key": st.text("0123456789abcdef", min_size=32, max_size=32), "text": st.just("[]"), "kind": st.just("no_json")},
    optional={"example": st.sampled_from(["other", "x"]), "index": st.integers(0, 90), "seed": st.integers(0, 3)},
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 9), ALTERED), min_size=1, max_size=4))
def test_rows_that_have_no_place_in_a_complete_run_are_named_and_count_nowhere(whole, foreign):
    done, own = whole
    (done.path / FILE).unlink(missing_ok=True)
    rows = [{**done.rows[at], **changes} for at, changes in foreign]
    (done.path / "samples.jsonl").write_bytes(own + b"".join(map(encode, rows)))
    found = load_run(done.path)
    assert [stray.number for stray in found.strays] == list(range(11, 11 + len(foreign)))
    assert found.summary.to_json() == done.summary.to_json()
    assert any("its ledger is lost" in notice for notice in found.notices)


def test_the_next_run_knows_its_own_rows_by_its_data_and_notes_no_others(start):
    """Also where a place was free, so that nothing told the foreign row before."""
    done = start(limit=8)
    rows = done.rows
    foreign = rows[3] | {"key": "f" * 32, "example": "other"}
    (done.path / "samples.jsonl").write_bytes(b"".join(map(encode, [*rows[:3], foreign, *rows[4:]])))
    (done.path / FILE).unlink()
    assert load_run(done.path).summary.n == 8 and load_run(done.path).strays == []
    mended = start(limit=2)
    assert [stray.number for stray in mended.strays] == [4]
    assert (mended.summary.n, mended.without_row, mended.notices) == (7, 1, [])
    assert [row["key"] for row in start(limit=8).rows] == [row["key"] for row in rows]


def test_a_run_from_before_there_was_a_ledger_is_taken_as_it_is(start):
    done = start(limit=4)
    values = json.loads((done.path / "manifest.json").read_text())
    del values["ledger"]
    (done.path / "manifest.json").write_text(json.dumps(values))
    (done.path / FILE).unlink()
    assert load_run(done.path).notices == []
    assert start(limit=6).strays == []


def test_a_ledger_of_an_earlier_name_is_read_and_gone_on_with(start):
    done = start(limit=4)
    (done.path / FILE).rename(done.path / ".owed")
    assert load_run(done.path).notices == []
    more = start(limit=6)
    assert (more.strays, more.summary.n, (more.path / FILE).exists()) == ([], 6, False)
    assert (more.path / ".owed").read_bytes().count(b"\n") == 6
