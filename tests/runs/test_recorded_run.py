"""A run that is replayed gives the answers that its own figures count, whatever else stands in its file."""

import json
from hashlib import sha256

import pytest

from listeval.backends.replay import SAMPLES
from listeval.errors import UserError
from listeval.runs import load_run
from listeval.runs.rows import encode


def append(run, *rows):
    with (run.path / SAMPLES).open("ab") as file:
        file.write(b"".join(map(encode, rows)))


def foreign(run, other):
    """Another run's rows of the same samples."""
    append(run, *other.rows[:3])


def altered(run, other):
    """Other answers to the run's own samples, which have answers."""
    append(run, *(row | {"text": "[]"} for row in run.rows[2:4]))


def moved(run, other):
    """Rows whose example is another one's."""
    rows = run.rows
    append(run, rows[0] | {"example": rows[1]["example"], "text": "[]"})


def elsewhere(run, other):
    """Samples that this run never asked for."""
    append(run, *(row | {"seed": 7} for row in other.rows[:2]))


def beyond(run, other):
    """Rows of a larger scope than the run has now."""
    file = run.path / "manifest.json"
    made = json.loads(file.read_text())
    file.write_text(json.dumps(made | {"config": made["config"] | {"limit": 6}}))


@pytest.fixture
def pair(start, tmp_path):
    """A run, and another one of the same samples whose answers are all right."""
    return start(limit=8), start(limit=8, model="gold", out=str(tmp_path / "other"))


@pytest.mark.parametrize("form", ["", SAMPLES])
@pytest.mark.parametrize("spoil", [foreign, altered, moved, elsewhere, beyond])
def test_what_a_run_does_not_count_is_not_replayed(start, pair, tmp_path, spoil, form):
    run, other = pair
    spoil(run, other)
    counted = load_run(run.path)
    extra = len(counted.strays) + counted.hidden
    assert extra > 0
    limit = counted.summary.n
    done = start(backend="replay", model=str(run.path / form), limit=limit, out=str(tmp_path / "again"))
    assert [(row["example"], row["text"]) for row in done.rows] == [
        (row["example"], row["text"]) for row in counted.rows
    ]
    assert done.summary.kinds == counted.summary.kinds
    (notice,) = [line for line in load_run(done.path).notices if "not replayed" in line]
    lines = (run.path / SAMPLES).read_bytes().splitlines()
    first = counted.strays[0].number if counted.strays else limit + 1
    assert notice.startswith(f"{extra} row") and f"line {first} of" in notice and first <= len(lines)


def test_a_sample_that_only_an_uncounted_row_answers_is_an_error_of_its_own(start, pair, tmp_path):
    run, other = pair
    beyond(run, other)
    done = start(backend="replay", model=str(run.path), limit=8, out=str(tmp_path / "again"))
    assert (done.summary.errors, done.summary.n) == (2, 8)


def test_a_whole_run_replays_as_ever_and_is_named_by_its_bytes(start, pair, tmp_path):
    run, _ = pair
    done = start(backend="replay", model=str(run.path), limit=8, out=str(tmp_path / "again"))
    assert done.manifest.model.fingerprint == sha256((run.path / SAMPLES).read_bytes()).hexdigest()
    assert done.notices == [] and "not_replayed" not in done.manifest.backend.settings
    assert done.summary.kinds == run.summary.kinds


def test_answers_that_are_left_out_do_not_make_another_run(start, pair, tmp_path):
    run, other = pair
    before = start(backend="replay", model=str(run.path), limit=8, out=str(tmp_path / "a")).manifest.model.fingerprint
    foreign(run, other)
    after = start(backend="replay", model=str(run.path), limit=8, out=str(tmp_path / "b")).manifest.model.fingerprint
    assert after == before


def test_a_run_that_counts_no_row_has_no_answers(start, pair, tmp_path):
    run, other = pair
    (run.path / SAMPLES).write_bytes(b"")
    foreign(run, other)
    with pytest.raises(UserError, match="no rows in the recorded answers"):
        start(backend="replay", model=str(run.path), out=str(tmp_path / "again"))
