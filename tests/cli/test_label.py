"""`listeval label` as a user runs it: good and bad judges, kills and Ctrl-C, and the way back into a run."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from listeval.backends.openai.http import Retry
from listeval.cli.main import _run
from listeval.labelling.labels import read_labels
from listeval.runs.rows import done_keys
from tests.backends.fake_server import FakeServer, Reply
from tests.labelling.judges import asked, good, prose, reviews, text

pytest.importorskip("httpx", reason="judges are asked over HTTP")

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(Retry, "pause", lambda self, attempt: 0.001)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def server():
    """A good judge; a test may change its rule."""
    with FakeServer(good).running() as running:
        yield running


@pytest.fixture
def cli(tmp_path, monkeypatch, capsys):
    """Run a command line in an empty folder: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def call(*args):
        code = _run(list(map(str, args)))
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def label(cli, server, tmp_path):
    """Label 12 hats with the server; `label("--json")`."""
    data = reviews(tmp_path / "hats.jsonl")

    def call(*args):
        judge = ("--rubric", "helpfulness", "--judge", f"{server.url}#tiny", "--data", data, "--out", "store")
        return cli("label", *judge, *args)

    return call


def one_line(err):
    line = err.strip().splitlines()[-1]
    assert line.startswith("listeval: ")
    assert "Traceback" not in err
    return line


def test_it_labels_says_what_it_cost_and_where_the_labels_are(label, server):
    code, out, err = label("--price", "1,2", "--json")
    assert code == 0
    found = json.loads(out)
    assert (found["n"], found["labelled"], found["without"], found["kinds"]["ok"]) == (12, 12, {}, 12)
    assert (found["tokens_in"], found["tokens_out"], found["tokens_untold"]) == (132, 84, 0)
    assert found["cost_usd"] == pytest.approx((132 + 2 * 84) / 1e6)
    assert found["grade"]["low"] < found["grade"]["value"] < found["grade"]["high"]
    assert sum(found["histogram"].values()) == 12
    assert "12 texts, 12 of them new: about" in err and "$" in err and "estimate" in err
    assert len(read_labels(found["labels"])) == 12
    code, out, err = label()
    assert code == 0
    assert "12 texts, 0 of them new: about 0 tokens in" in err
    assert "mean grade" in out and "labels: store/labels.jsonl" in out
    assert len(server.calls) == 12


@pytest.mark.parametrize("left", [{}, {"completion_tokens": 7}, {"prompt_tokens": 11}, {"prompt_tokens": 0}, None])
@pytest.mark.parametrize("some", ["Review", "Review 1"], ids=["all", "some"])
def test_tokens_that_a_server_does_not_tell_cost_nobody_knows_what(label, server, left, some):
    def rule(call):
        reply = good(call)
        return replace(reply, body={**reply.body, "usage": left}) if some in text(call) else reply

    server.rule = rule
    code, out, _ = label("--price", "1,2", "--json")
    found = json.loads(out)
    assert code == 0 and found["tokens_untold"] == (12 if some == "Review" else 3)
    assert (found["tokens_in"], found["tokens_out"], found["cost_usd"]) == (None, None, None)
    _, out, _ = label("--price", "1,2")
    assert "does not tell the tokens" in out and "$" not in out


def test_the_labels_rank_in_place_of_votes(label, cli, tmp_path):
    label("--limit", 9)
    run = (
        "run",
        "--task",
        "fashion",
        "--model",
        "m",
        "--backend",
        "null",
        "--data",
        "hats.jsonl",
        "--set",
        "split=all",
    )
    args = (*run, "--set", "k=2", "--json", "--set", "labels=store")
    code, out, _ = cli(*args)
    assert code == 0
    folder = Path(json.loads(out)["run"])
    manifest = json.loads((folder / "manifest.json").read_text())
    counts = manifest["data"]["0"]["counts"]
    assert (counts["reviews"], counts["without_grade"], counts["distinct"]) == (12, 3, 9)
    rows = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    by_id = {label.id: label.grade for label in read_labels("store").values()}
    for row in rows:
        assert row["target"]["grades"] == {name: by_id[name] for name in row["target"]["grades"]}
    assert label()[0] == 0
    code, out, _ = cli(*args)
    assert Path(json.loads(out)["run"]) != folder, "other labels are another run"


def test_prose_is_counted_and_ends_in_one_clear_line(label, server):
    server.rule = prose
    code, out, err = label("--attempts", 2)
    assert code == 1
    assert set(asked(server).values()) == {2}
    assert "answers no_json  24" in out
    line = one_line(err)
    assert "none of 12 texts has a label (no_json 12; words without JSON)" in line
    assert "listeval show store/attempt-1" in line
    assert not Path("store/labels.jsonl").exists()


def test_half_prose_says_how_many_have_no_label_and_how_to_go_on(label, server, cli):
    server.rule = lambda call: prose(call) if "Review 1" in text(call) else good(call)
    code, out, err = label("--attempts", 2, "--json")
    assert code == 1
    found = json.loads(out)
    assert (found["labelled"], found["without"]) == (9, {"no_json": 3})
    line = one_line(err)
    assert "3 of 12 texts have no label (no_json 3)" in line
    assert "--attempts 4" in line
    code, out, err = cli("show", "store/attempt-1")
    assert code == 0 and "no_json" in out and not err, err
    server.rule = good
    assert label("--attempts", 4)[0] == 0
    assert sorted(asked(server).values()) == [1] * 9 + [3] * 3


def test_what_the_server_failed_is_asked_by_the_same_command(label, server):
    server.rule = lambda call: Reply({"error": "lost"}, 500) if "Review 2" in text(call) else good(call)
    code, _, err = label()
    assert code == 1
    assert "3 of 12 texts have no label (engine_error 3). Fix: the same command asks for them again" in one_line(err)
    server.rule = good
    assert label()[0] == 0
    assert max(asked(server).values()) == 8


def test_texts_without_room_are_told_what_makes_room_and_nothing_else(label, server):
    server.models = [{"id": "tiny", "max_model_len": 400}]
    for again in (False, True):
        code, out, err = label("--price", "1,2")
        line = one_line(err)
        assert code == 1 and "none of 12 texts has a label (prompt_too_long 12; 512 tokens to generate" in line
        assert "a smaller --max-tokens and another --out" in line and "--attempts" not in line
        assert ("12 of them new" in err) != again and "asked again" not in err
        assert "engine_error" not in out
    assert not server.calls
    assert label("--max-tokens", 300, "--out", "other")[0] == 0


def test_fields_that_a_server_does_not_take_are_named(label, server):
    def plain(call):
        return Reply({"error": "no seed here"}, 400) if "seed" in call.body else good(call)

    server.rule = plain
    code, out, _ = label()
    assert code == 0
    assert "asked without seed, which the server does not take" in out


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--judge", "http://127.0.0.1:9/v1"), ("names no model", "--judge", "#MODEL")),
        (("--judge", "http://127.0.0.1:9/v1#m"), ("no OpenAI-compatible server answers", "127.0.0.1:9")),
        (("--judge", "nonsense#m"), ("not an http address", "--judge")),
        (("--rubric", "helpfulnes"), ("did you mean 'helpfulness'",)),
        (("--task", "fashon"), ("did you mean 'fashion'",)),
        (("--data", "none.jsonl"), ("none.jsonl",)),
        (("--data", "empty.jsonl"), ("empty", "empty.jsonl")),
        (("--data", "blank.jsonl"), ("no text to grade", "blank.jsonl")),
        (("--api-key-env", "NO_SUCH_KEY"), ("$NO_SUCH_KEY is not set",)),
        (("--price", "cheap"), ("--price 0.15,0.60",)),
        (("--temperature", "-1"), ("--temperature",)),
        (("--max-tokens", "0"), ("--max-tokens",)),
        (("--attempts", "0"), ("--attempts",)),
        (("--out", "hats.jsonl"), ("hats.jsonl", "--out")),
        (("--nope",), ("--nope",)),
    ],
)
def test_wrong_words(label, tmp_path, args, words):
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "blank.jsonl").write_text('{"product": "P", "reviews": [{"id": "a", "text": " ", "grade": 1}]}\n')
    code, _, err = label(*args)
    assert code == 2
    line = one_line(err)
    assert all(word in line for word in words), line


def test_a_judge_that_is_not_served_and_a_key_that_is_refused(cli, server, label):
    code, _, err = label("--judge", f"{server.url}#tinny")
    assert code == 2
    assert "did you mean 'tiny'" in one_line(err)
    server.rule = lambda call: Reply({"error": {"message": "bad key"}}, 401)
    code, _, err = label()
    assert code == 2
    assert "set $OPENAI_API_KEY" in one_line(err)
    server.rule = lambda call: Reply({"error": {"message": "no such path"}}, 404)
    code, _, err = label()
    assert code == 2
    assert "check the address and the model's name" in one_line(err)
    server.rule = good
    assert label()[0] == 0


def test_a_task_without_texts_and_a_rubric_with_a_bad_field(cli, label, tmp_path):
    (tmp_path / "rubrics").mkdir()
    (tmp_path / "rubrics" / "calm.yaml").write_text("name: calm\nversion: one\n")
    code, _, err = label("--rubric", "calm")
    assert code == 2
    line = one_line(err)
    assert "version: " in line and "calm.yaml" in line
    (tmp_path / "tasks" / "mute").mkdir(parents=True)
    (tmp_path / "tasks" / "mute" / "task.py").write_text(
        "from listeval import Task\n"
        "class Mute(Task):\n"
        "    name, version, summary, metrics = 'mute', 1, 'nothing', ()\n"
        "    def load(self, data, seed): ...\n"
        "    def contract(self, target): ...\n"
        "    def gold(self, target): ...\n"
        "    def score(self, targets, values): ...\n"
    )
    code, _, err = label("--task", "mute")
    assert code == 2
    assert "task 'mute' has nothing to label" in one_line(err)


@pytest.fixture
def slow(server, tmp_path):
    """A judge that takes 50 ms, and the command in a process of its own that asks it, four texts at a time."""

    def rule(call):
        return Reply(good(call).body, delay_s=0.05)

    server.rule = rule
    data = reviews(tmp_path / "hats.jsonl", products=10, count=8)
    command = [sys.executable, "-m", "listeval", "label", "--rubric", "helpfulness", "--judge", f"{server.url}#tiny"]
    command += ["--data", str(data), "--out", "store", "--concurrency", "4", "--json"]

    def start():
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, **pipes)

    return start


def wait_for(server, calls):
    deadline = time.monotonic() + 60
    while len(server.calls) < calls:
        assert time.monotonic() < deadline, "the judge was not asked"
        time.sleep(0.005)


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_stopped_and_started_again_no_answer_is_paid_twice(server, slow, tmp_path, blow):
    with slow() as process:
        wait_for(server, 25)
        process.send_signal(blow)
        _, err = process.communicate()
        assert process.returncode == (130 if blow == signal.SIGINT else -blow)
    if blow == signal.SIGINT:
        assert one_line(err) == "listeval: stopped; give the same command again and it goes on from here"
    before = len(server.calls)
    kept = len(done_keys(tmp_path / "store" / "attempt-1" / "samples.jsonl"))
    assert before - 12 <= kept <= before
    with slow() as process:
        out, _ = process.communicate()
        assert process.returncode == 0
    assert json.loads(out)["labelled"] == 80
    assert len(server.calls) - before == 80 - kept, "what was kept is asked for again, or what was lost is not"
    assert len(read_labels(tmp_path / "store")) == 80
