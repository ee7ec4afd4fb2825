"""What `metrics.json` keeps of an appendix is shown only while its rows are those that the figures were made of."""

import json

import pytest

from listeval.errors import UserError
from listeval.plugins.open import make_task
from listeval.report.gates import check_run, fail_under
from listeval.runs import load_run, rescore
from listeval.runs.figures.order_figures import STABILITY
from listeval.runs.rows import encode
from listeval.suites.execute_suite import _finished

SHUFFLED = {"options": {"k": 4, "order": "shuffled"}, "seeds": (0, 1), "limit": 6}
FAILED = {"outcome": "error", "kind": "engine_error", "scores": {}, "verdict": None, "value": None, "error": "busy"}
CHANGES = {
    "an answer where there was an error": lambda row: row | FAILED,
    "another outcome": lambda row: row | {"outcome": "unscored", "reason": "score: gone", "scores": {}},
    "another kind": lambda row: row | {"kind": "no_json", "scores": {}},
    "another score": lambda row: row | {"scores": dict.fromkeys(row["scores"], 0.125)},
    "a score that is not defined": lambda row: row | {"scores": dict.fromkeys(row["scores"])},
    "another sample": lambda row: row | {"example": "F9999-0-0"},
}


def scored(row):
    return row["kind"] == "ok"


def write(run, rows):
    (run.path / "samples.jsonl").write_bytes(b"".join(map(encode, rows)))
    (run.path / "ledger").unlink(missing_ok=True)


def without_digest(run):
    """As an earlier listeval wrote it."""
    kept = json.loads((run.path / "metrics.json").read_text())
    del kept["rows_digest"]
    (run.path / "metrics.json").write_text(json.dumps(kept))


@pytest.mark.parametrize("name", CHANGES)
def test_figures_of_other_rows_are_not_shown_whatever_differs(start, name):
    done = start(**SHUFFLED)
    gate = fail_under(f"{STABILITY}=0.1", "value")
    assert check_run(load_run(done.path), [gate]) and load_run(done.path).notices == []
    assert load_run(done.path).order is not None and load_run(done.path).figures == done.figures != {}
    rows, at = done.rows, next(at for at, row in enumerate(done.rows) if scored(row))
    write(done, [CHANGES[name](row) if number == at else row for number, row in enumerate(rows)])
    changed = load_run(done.path)
    assert changed.summary.n == done.summary.n
    assert (changed.figures, changed.order, changed.estimates, changed.is_concluded) == ({}, None, {}, False)
    assert changed.notices[-1].endswith(f"not shown: listeval score {done.path}")
    with pytest.raises(UserError, match=f"anew: listeval score {done.path}"):
        check_run(changed, [gate])
    changed.conclude(make_task("fashion", SHUFFLED["options"]))
    assert load_run(done.path).figures != {} and load_run(done.path).is_concluded


@pytest.mark.parametrize("name", ["an answer where there was an error", "another outcome", "another kind"])
def test_a_file_without_a_digest_is_told_by_its_counts(start, name):
    done = start(**SHUFFLED)
    without_digest(done)
    assert load_run(done.path).figures == done.figures != {}
    rows, at = done.rows, next(at for at, row in enumerate(done.rows) if scored(row))
    write(done, [CHANGES[name](row) if number == at else row for number, row in enumerate(rows)])
    assert (load_run(done.path).figures, load_run(done.path).order) == ({}, None)


def test_rows_in_another_order_or_scored_to_the_same_are_the_same(start):
    done = start(**SHUFFLED)
    write(done, reversed(done.rows))
    assert load_run(done.path).figures == done.figures != {}
    rescore(done.path)
    assert load_run(done.path).figures == done.figures


def test_a_suite_makes_the_figures_of_a_complete_run_anew_where_they_are_of_earlier_rows(start):
    done = start(**SHUFFLED)
    kept, rows = (done.path / "metrics.json").read_bytes(), done.rows
    write(done, [rows[0] | FAILED, *rows[1:]])
    load_run(done.path).conclude(make_task("fashion", SHUFFLED["options"]))
    write(done, rows)
    assert not load_run(done.path).is_concluded
    _finished(done.manifest.config)
    assert (done.path / "metrics.json").read_bytes() == kept
