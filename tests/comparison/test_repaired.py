"""A repaired arm: made from the run's rows, scored like them, and marked."""

import json

import pytest
from planted import edit_manifest, ranked

from listeval.comparison import compare
from listeval.errors import UserError
from listeval.runs import RunConfig, load_run, run
from listeval.task import Task


def mixed(row):
    """Kept, one object short, cut off, and no list at all, in turn."""
    text = ranked(row)
    turn = [text, ranked(row, drop=1), (text[:-30], "length"), "I cannot."]
    return turn[row["index"] % 4]


def test_raw_and_repaired_stand_side_by_side(make_run):
    run = make_run("free", mixed)
    found = compare([run, f"{run}+permutation", f"{run}+truncation+permutation"])
    assert [values["parse_rate"].value for values in found.values] == [0.25, 0.5, 0.75]
    repairs = found.arms[2].repairs
    assert (repairs.answers, repairs.broken, repairs.changed, repairs.mended) == (40, 30, 20, 20)
    assert (repairs.raw_parse_rate, repairs.parse_rate) == (0.25, 0.75)
    assert repairs.done["appended missing"] == 20
    assert found.contrasts[1].migrations == {
        ("ok", "ok"): 10, ("missing_id", "ok"): 10, ("truncated", "ok"): 10, ("refusal", "refusal"): 10,
    }  # fmt: skip


def test_repaired_rows_are_marked_and_the_run_is_untouched(make_run):
    run = make_run("free", mixed)
    before = (run / "samples.jsonl").read_bytes()
    found = compare([run, f"{run}+truncation+permutation"])
    raw, repaired = found.pairing.rows
    for old, new in zip(raw, repaired, strict=True):
        assert ("repaired" in new.flags) == (new.text != old.text)
        assert ("repaired: " in new.detail) == (new.text != old.text)
        assert "repaired" not in old.flags
    assert (run / "samples.jsonl").read_bytes() == before
    assert all("repaired" not in row["flags"] for row in load_run(run).rows)


def test_a_repaired_answer_is_scored_by_the_task(make_run):
    run = make_run("free", lambda row: ranked(row, drop=1))
    arm = compare([run, f"{run}+permutation"]).pairing.rows[1]
    again = make_run("same", lambda row: json.dumps(_whole(row)), model="b")
    for repaired, direct in zip(arm, load_run(again).rows, strict=True):
        assert repaired.scores == direct["scores"]


def _whole(row):
    items = json.loads(ranked(row, drop=1))
    absent = next(name for name in row["target"]["grades"] if name not in {item["review_id"] for item in items})
    return [*items, {"review_id": absent, "score": min(item["score"] for item in items)}]


def test_only_lists_of_ids_are_repaired(tmp_path):
    path = run(RunConfig(task="gsm8k", model="m", backend="null", limit=3, out=str(tmp_path / "run"))).path
    with pytest.raises(UserError, match="repairs are for lists of ids, and task 'gsm8k' asks for another shape"):
        compare([path, f"{path}+permutation"])


def test_a_task_that_changed_since_is_refused(make_run):
    run = make_run("free", mixed)
    edit_manifest(run, lambda values: values["task"].update(code="older"))
    with pytest.raises(UserError, match=r"has changed since this run was scored.*listeval score"):
        compare([run, f"{run}+permutation"])


def test_an_answer_that_a_repair_leaves_alone_is_not_counted(make_run):
    late = lambda row: (ranked(row), "length") if row["index"] % 2 else ranked(row, drop=1)  # noqa: E731
    run = make_run("free", late)
    found = compare([run, f"{run}+truncation"])
    repairs = found.arms[1].repairs
    assert (repairs.broken, repairs.changed, repairs.mended) == (40, 20, 20)
    for row in found.pairing.rows[1]:
        assert ("repaired" in row.flags) == bool(row.index % 2)
        assert ("repaired: took the list as complete" in row.detail) == bool(row.index % 2)


def test_a_task_that_cannot_get_ready_is_one_line(make_run, monkeypatch):
    run = make_run("free", mixed)
    monkeypatch.setattr(Task, "prepare", lambda self: 1 / 0)
    with pytest.raises(UserError, match=r"cannot get ready to score.*ZeroDivisionError"):
        compare([run, f"{run}+permutation"])
