"""Runs on the null engine: what is owed is run once, what is there is kept, and nothing is mixed."""

import json
import os
import signal
import sys
from collections import Counter

import pytest

from listeval.contract import Kind
from listeval.errors import UserError
from listeval.plugins.open import make_task
from listeval.runs import load_run, rescore, run_loop
from listeval.runs.lock import exclusive
from listeval.runs.rows import Row, encode

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
    # The index for a resume reads a row's first fields without parsing it.
    assert {tuple(json.loads(line)) for line in lines(done)} == {tuple(Row.__annotations__)}


def test_the_json_has_the_promised_keys(start):
    found = start().to_json()
    metrics = ["parse_rate", "bare_rate", "fmc", "kendall_tau", "ndcg@1", "ndcg@8", "mae", "useful_ndcg@1"]
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
    less = start(limit=5)
    assert (len(lines(less)), less.summary.n, less.manifest.config.limit) == (30, 30, 30)


def test_named_samples_only(start, tmp_path):
    wanted = [start(limit=10, out=str(tmp_path / "all")).rows[i]["example"] for i in (7, 3)]
    done = start(samples=tuple(wanted), limit=None)
    assert sorted(row["example"] for row in done.rows) == sorted(wanted)
    with pytest.raises(UserError, match="no example 'nope'"):
        start(samples=("nope",))


def test_seeds_are_runs_over_other_groups_and_each_has_its_means(start, tmp_path):
    done = start(seeds=(0, 1), limit=10)
    assert [row["seed"] for row in done.rows] == [0] * 10 + [1] * 10
    assert set(done.to_json()["by_seed"]) == {"0", "1"}
    one = start(seeds=(0,), limit=10, out=str(tmp_path / "one"))
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
    load_run(done.path).conclude(make_task("fashion", {}))
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


def test_a_sample_by_name_keeps_its_place_when_the_run_grows(start, tmp_path):
    name = start(limit=9, out=str(tmp_path / "other")).rows[8]["example"]
    done = start(samples=(name, name), limit=None)
    assert [row["index"] for row in done.rows] == [8]
    assert [row["index"] for row in start(limit=4).rows] == [0, 1, 2, 3, 8]


def test_recorded_texts_in_order_meet_the_same_examples_after_a_resume(start, tmp_path):
    tape = tmp_path / "tape.jsonl"
    tape.write_text("".join(f'"text {i}"\n' for i in range(3)))
    replay = {"backend": "replay", "model": str(tape), "out": str(tmp_path / "replayed")}
    start(limit=2, **replay)
    for _ in range(2):
        done = start(limit=4, **replay)
        assert [row["text"] for row in done.rows] == ["text 0", "text 1", "text 2", ""]
        assert done.summary.errors == 1


def test_a_lone_surrogate_in_an_answer_is_stored_as_a_replacement_character(start, tmp_path):
    tape = tmp_path / "tape.jsonl"
    tape.write_text('{"text": "caf\\ud83d \\u00e9 [Review 1]"}\n')
    done = start(backend="replay", model=str(tape), limit=1, out=str(tmp_path / "replayed"))
    assert [(row["text"], row["kind"]) for row in done.rows] == [("caf\ufffd \u00e9 [Review 1]", "no_json")]


TASK = """
from listeval import Dataset, Example, Item, Metric, Record, Task
from listeval.backends.protocol import Message
class Word(Item):
    word: str
class Own(Task):
    name, version, summary, metrics = "own", 1, "", (Metric("same", useful=True),)
    def load(self, data, seed):
        return Dataset([Example(w, (Message("user", w),), {"word": w}) for w in "abcd"], "inline", "v1", {})
    def contract(self, target): return Record(Word)
    def gold(self, target): return ""
    def score(self, targets, values):
        if any(t["word"] == "c" for t in targets): raise RuntimeError("no c")
        return [{"same": float(v.word == t["word"])} for t, v in zip(targets, values)]
"""


@pytest.fixture
def own_task(tmp_path, monkeypatch):
    """A task of the user's own whose score fails on one example, and the run that replays its answers."""
    file = tmp_path / "own_tasks" / "own" / "task.py"
    file.parent.mkdir(parents=True)
    file.write_text(TASK)
    monkeypatch.setenv("LISTEVAL_PATH", str(tmp_path / "own_tasks"))
    tape = tmp_path / "own.jsonl"
    tape.write_text("".join(f'{{"example": "{w}", "text": "{{\\"word\\": \\"{w}\\"}}"}}\n' for w in "abcd"))
    yield file, {"task": "own", "backend": "replay", "model": str(tape), "limit": None}
    for name in [name for name in sys.modules if name.startswith("listeval_tasks.own")]:
        del sys.modules[name]


def test_a_task_that_raises_leaves_its_rows_unscored_and_the_others_scored(start, own_task):
    _, config = own_task
    done = start(**config)
    assert [(row["outcome"], row["reason"]) for row in done.rows if row["example"] == "c"] == [
        ("unscored", "score: RuntimeError: no c")
    ]
    found = done.to_json()
    assert (found["scored"], found["unscored"], found["same"]["value"], found["useful_same"]["value"]) == (3, 1, 1, 1)
    assert len(lines(start(**config))) == 4


def test_a_task_that_cannot_bind_a_contract_is_named(start, own_task):
    file, config = own_task
    file.write_text(TASK.replace("return Record(Word)", "return Record(target['missing'])"))
    with pytest.raises(UserError, match="task 'own' has no contract for its example 'a': KeyError"):
        start(**config)


def test_an_edited_task_is_another_run(start, own_task):
    file, config = own_task
    start(**config)
    file.write_text(TASK + "# edited\n")
    with pytest.raises(UserError, match=r"task\.code"):
        start(**config)


def test_a_longer_model_takes_prompts_that_were_refused(start, monkeypatch):
    from listeval.backends import null
    from listeval.backends.protocol import ModelInfo, Prompt

    class Short(null.NullBackend):
        def __init__(self, limit):
            super().__init__("m")
            self.model = ModelInfo("m", "f", max_length=limit)
            self.renderer = self

        def render(self, messages):
            return Prompt(tuple(messages), "", tuple(map(ord, messages[-1].content)))

    monkeypatch.setattr(null, "open", lambda model, options: Short(900))
    few = start(limit=9)
    assert few.summary.prompt_too_long == few.summary.unscored > 0
    monkeypatch.setattr(null, "open", lambda model, options: Short(100_000))
    assert start(limit=9).summary.unscored == 0


def test_the_bare_rate_is_that_of_texts_which_are_the_json_itself(start):
    done = start()
    bare = [isinstance(_loaded(row["text"]), list) for row in done.rows]
    assert [row["bare"] for row in done.rows] == bare
    rate = done.summary.metrics["bare_rate"]
    assert rate.value == pytest.approx(sum(bare) / len(bare)) and 0 < rate.low < rate.value < rate.high < 1
    # Rows from before it was noted say nothing of it, until they are parsed again.
    rows = [{name: value for name, value in row.items() if name != "bare"} for row in done.rows]
    (done.path / "samples.jsonl").write_bytes(b"".join(map(encode, rows)))
    assert str(load_run(done.path).summary.metrics["bare_rate"].value) == "nan"
    assert load_run(done.path).summary.to_json()["bare_rate"]["value"] is None
    assert rescore(done.path).summary.metrics["bare_rate"] == rate


def _loaded(text):
    try:
        return json.loads(text)
    except ValueError:
        return None


@pytest.mark.parametrize("attempts", [1, 3])
def test_ctrl_c_while_answers_are_scored_keeps_them(start, monkeypatch, tmp_path, attempts):
    arrived, make_rows = [], run_loop.make_rows

    def interrupted(task, answers, promise):
        if answers:
            os.kill(os.getpid(), signal.SIGINT)
            arrived.extend(asked.request.key for asked, _ in answers)
        return make_rows(task, answers, promise)

    monkeypatch.setattr(run_loop, "make_rows", interrupted)
    with pytest.raises(KeyboardInterrupt):
        start(attempts=attempts)
    rows = load_run(tmp_path / "run").rows
    assert arrived and {row["key"] for row in rows} == set(arrived)
    monkeypatch.undo()
    assert start(attempts=attempts).summary.errors == 0
