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


def told(run, rows, path):
    """Answers in the shape in which `Run.frame` and users' own files have them."""
    path.write_text("".join(json.dumps({"id": row["example"], "text": row["text"]}) + "\n" for row in rows))
    return {"backend": "replay", "model": str(path), "limit": 8, "out": str(path.with_suffix(""))}


def test_answers_in_the_order_of_their_coming_meet_their_examples_by_id(start, pair, tmp_path):
    run, _ = pair
    done = start(**told(run, run.rows[::-1], tmp_path / "reversed.jsonl"))
    assert done.summary.kinds == run.summary.kinds and done.notices == []
    assert [row["text"] for row in done.rows] == [row["text"] for row in run.rows]
    one_less = start(**told(run, run.rows[1:], tmp_path / "fewer.jsonl"))
    assert [row["text"] for row in one_less.rows[1:]] == [row["text"] for row in run.rows[1:]]
    assert one_less.summary.errors == 1


def test_answers_that_meet_no_example_are_told_of_and_refused_where_all_are_such(start, pair, tmp_path):
    run, _ = pair
    other = [{"example": "elsewhere", "text": "[]"}]
    done = start(**told(run, [*other, *run.rows], tmp_path / "more.jsonl"))
    assert done.notices == [
        "1 recorded answer names no example of the data, so it is not counted: the first is 'elsewhere'"
    ]
    assert load_run(done.path).notices == done.notices
    with pytest.raises(UserError, match="no recorded answer names an example of the data"):
        start(**told(run, other, tmp_path / "none.jsonl"))
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(("less", "told"), [(0, False), (1, True), (-1, True)])
def test_answers_in_order_are_counted_against_the_examples(start, pair, tmp_path, less, told):
    run, _ = pair
    texts = [row["text"] for row in run.rows]
    path = tmp_path / "ordered.jsonl"
    path.write_text("".join(json.dumps(text) + "\n" for text in [*texts, "[]"][: len(texts) - less]))
    done = start(backend="replay", model=str(path), limit=8, out=str(tmp_path / "ordered"))
    assert [line for line in done.notices if "in order" in line] == done.notices and bool(done.notices) is told


def told_of(start, path, out, *commands):
    """What is told of a run of recorded answers after each of these commands, and once more of the last."""
    for changes in (*commands, commands[-1]):
        done = start(backend="replay", model=str(path), out=str(out), **changes)
    assert load_run(done.path).notices == done.notices
    return done.notices


SEEDS = [{"seeds": (seed,), "limit": 3} for seed in (0, 1, 2)]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)], ids=str)
@pytest.mark.parametrize("with_seed", [True, False])
def test_answers_that_meet_no_example_are_told_of_whatever_the_order_of_commands(start, tmp_path, order, with_seed):
    """An answer without a seed may meet an example of a later one."""
    rows = [row for changes in SEEDS for row in start(out=str(tmp_path / "made"), **changes).rows]
    named = [("nowhere", 0), *dict.fromkeys((row["example"], row["seed"] if with_seed else None) for row in rows)]
    path = tmp_path / "answers.jsonl"
    keyed = [{"example": name, "text": "[]", **({"seed": seed} if with_seed else {})} for name, seed in named]
    path.write_text("".join(json.dumps(row) + "\n" for row in keyed))
    at_once = told_of(start, path, tmp_path / "at_once", {"seeds": (0, 1, 2), "limit": 3})
    assert "1 recorded answer names no example" in at_once[0]
    assert told_of(start, path, tmp_path / "parts", *[SEEDS[seed] for seed in order]) == at_once


def test_answers_in_order_are_counted_against_examples_that_are_asked_for_later(start, tmp_path):
    path = tmp_path / "ordered.jsonl"
    path.write_text('"[]"\n' * 5)
    assert told_of(start, path, tmp_path / "few", {"limit": 5}) == []
    at_once = told_of(start, path, tmp_path / "at_once", {"limit": None})
    assert "5 recorded answers in order, but 56 examples" in at_once[0]
    assert told_of(start, path, tmp_path / "few", {"limit": 5}, {"limit": None}) == at_once
