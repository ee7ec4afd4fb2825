"""`run --attempts` from the command line: on a server, in this process, and when it is killed in between."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from listeval.runs import load_run

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "checkpoints" / "tiny-sft"


def test_a_server_is_shown_its_answer_and_what_was_wrong_with_it(listeval, tmp_path):
    pytest.importorskip("httpx")
    from tests.backends.fake_server import FakeServer, Reply, chat

    def rule(call):
        return Reply(chat("I would rather talk about it." if len(call.body["messages"]) == 1 else "[]"))

    with FakeServer(rule).running() as server:
        words = ["--task", "fashion", "--backend", "openai", "--base-url", server.url, "--model", "tiny", "--limit", 3]
        done = listeval("run", *words, "--attempts", 3, "--json", "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["raw_kinds"]["no_json"], found["kinds"]["missing_id"], found["further"]["answers"]) == (3, 3, 6)
    assert found["further"]["tokens"] == 6 * 7
    sent = [call.body["messages"] for call in server.calls]
    assert Counter(map(len, sent)) == {1: 3, 3: 6}
    for first, answer, fault in [messages for messages in sent if len(messages) == 3]:
        assert first["role"] == fault["role"] == "user" and answer["role"] == "assistant"
    # The third attempt is shown the second answer, not the first.
    assert {messages[1]["content"] for messages in sent[6:]} == {"[]"}
    assert len({call.body["seed"] for call in server.calls}) == 3
    shown = listeval("show", tmp_path / "run").stdout
    assert "attempt 1 was no_json: words without JSON" in shown and "attempt 2 was missing_id" in shown
    table = listeval("report", tmp_path / "run").stdout
    assert "first answers" in table and "final answers" in table and "6 further answers" in " ".join(table.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--attempts", "2", "--reask", "same"], "--temperature"),
        (["--reask", "explain"], "--attempts"),
        (["--attempts", "10"], "--attempts"),
        (["--attempts", "2", "--reask", "kindly"], "--reask"),
    ],
)
def test_what_makes_no_sense_is_one_line(listeval, words, said):
    done = listeval("run", "--task", "fashion", "--backend", "null", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr.splitlines()[-1] and "Traceback" not in done.stderr


WORKER = """
import sys
from listeval.runs import RunConfig, run
from listeval.backends import null
null.open = lambda model, options: null.NullBackend(model, 1, 0.002)
run(RunConfig(task="fashion", backend="null", attempts=4, options={"split": "all", "k": 2}, out=sys.argv[1]))
"""


def test_killed_between_attempts_it_asks_only_for_what_is_owed_and_ends_the_same(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    whole, killed, dice = tmp_path / "whole", tmp_path / "killed", random.Random(3)
    subprocess.run([sys.executable, "-c", WORKER, str(whole)], env=environment, check=True, timeout=300)
    seen: set[tuple[str, int]] = set()
    for _ in range(6):
        process = subprocess.Popen([sys.executable, "-c", WORKER, str(killed)], env=environment)
        while process.poll() is None and not (killed / "samples.jsonl").exists():
            time.sleep(0.01)
        time.sleep(dice.uniform(0.2, 0.8))
        process.send_signal(signal.SIGKILL)
        process.wait()
        tried = {
            (row["key"], one["attempt"]) for row in load_run(killed).rows for one in row["attempts"] or [{"attempt": 1}]
        }
        assert seen <= tried, "an attempt was lost"
        seen = tried
    subprocess.run([sys.executable, "-c", WORKER, str(killed)], env=environment, check=True, timeout=300)
    assert (killed / "metrics.json").read_bytes() == (whole / "metrics.json").read_bytes()
    # No answer that was written is ever asked for again.
    assert len((killed / "samples.jsonl").read_bytes().splitlines()) == len(
        (whole / "samples.jsonl").read_bytes().splitlines()
    )


@pytest.mark.slow
def test_a_model_in_this_process_is_asked_again(listeval, tmp_path):
    pytest.importorskip("transformers")
    words = ["--task", "fashion", "--model", TINY, "--backend", "hf", "--limit", 16, "--temperature", 0.7]
    for way in ("same", "explain"):
        done = listeval("run", *words, "--attempts", 2, "--reask", way, "--json", "--out", tmp_path / way)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert found["further"]["samples"] > 0
        assert found["parse_rate"]["value"] >= found["raw_parse_rate"]["value"]
        for row in load_run(tmp_path / way).rows:
            for one in row["attempts"] or ():
                assert one["n_tokens"] > 0
    rows = [row for row in load_run(tmp_path / "explain").rows if row["attempts"]]
    assert all(row["attempts"][1]["n_prompt_tokens"] > row["attempts"][0]["n_prompt_tokens"] for row in rows)
