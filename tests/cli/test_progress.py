"""Whoever waits is told what is going on: lines from a thread, none when quiet, one voice at a time."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.cli import pulse
from listeval.cli.progress import Progress

ROOT = Path(__file__).resolve().parents[2]
LONG_S = 30.0
"""Only a hanging test waits so long."""


@pytest.fixture
def fast(monkeypatch):
    monkeypatch.setattr(pulse, "_LEAST_S", 0.02)
    monkeypatch.setattr(pulse, "_LOOK_EVERY_S", 0.005)


class Heard(list):
    """Lines, and a wait for one that holds some words."""

    def __init__(self):
        self.news = threading.Condition()

    def __call__(self, text):
        with self.news:
            self.append(text)
            self.news.notify_all()

    def wait_for(self, words):
        with self.news:
            return self.news.wait_for(lambda: any(words in line for line in self), LONG_S)


@given(st.floats(0, 1e6))
def test_the_longest_silence_is_two_seconds_at_first_and_half_a_minute_ever(seconds):
    assert pulse.gap(seconds) <= (2 if seconds <= 60 else 30)
    assert pulse.gap(seconds) <= max(2, seconds / 30)


def test_a_stage_that_takes_long_is_named_again_and_again(fast):
    heard = Heard()
    with pulse.Pulse("waiting", quiet=False, say=heard) as beat:
        assert heard.wait_for("waiting: ")
        beat.now(lambda: "3 of 9")
        assert heard.wait_for("3 of 9")
        assert pulse.current() is beat
    assert pulse.current() is not beat


def test_only_the_innermost_speaks_and_the_outer_goes_on_after_it(fast):
    outside, inside = Heard(), Heard()
    with pulse.Pulse("outer", quiet=False, say=outside):
        assert outside.wait_for("outer")
        with pulse.Pulse("inner", quiet=False, say=inside):
            assert inside.wait_for("inner")
            # What the outer one was about to say when the inner one began may still come.
            said = len(outside)
            inside.clear()
            assert inside.wait_for("inner")
            assert len(outside) <= said + 1
        outside.clear()
        assert outside.wait_for("outer")


def test_quiet_says_nothing_and_starts_no_thread(fast, capsys):
    with Progress(quiet=True) as progress:
        progress.note("a note")
        progress.stage("a stage")
        progress.begin(3)
        progress.skip()
        assert not progress.pulse._thread.is_alive()
    assert capsys.readouterr() == ("", "")


def test_a_stderr_that_nobody_reads_ends_the_pulse_alone(fast):
    def broken(text):
        raise BrokenPipeError

    with pulse.Pulse("x", quiet=False, say=broken) as beat:
        beat._thread.join(LONG_S)
        assert not beat._thread.is_alive()


def test_what_is_done_stands_in_the_line(fast):
    with Progress(quiet=False) as progress:
        progress.begin(10)
        assert progress._line().startswith("0/10 no answer yet")
        progress.rows([{"kind": "ok"}, {"kind": "empty"}])
        assert progress._line().startswith("2/10 50 % parse, ")


KINDS = st.lists(st.sampled_from(["ok", "empty", "engine_error"]), max_size=9)


@given(st.integers(0, 9), KINDS)
def test_the_rate_is_of_answers_and_says_of_which_where_rows_were_there_before(before, kinds):
    progress = Progress(quiet=True)
    with progress:
        progress.begin(20)
        for _ in range(before):
            progress.skip()
        progress.rows([{"kind": kind} for kind in kinds])
        said = progress._line().partition(",")[0]
    answered = [kind for kind in kinds if kind != "engine_error"]
    share = f"{100 * answered.count('ok') / len(answered):.0f} % parse" if answered else "no answer yet"
    of = f" (of {len(answered)} new)" if answered and before else ""
    assert said == f"{before + len(kinds)}/20 {share}{of}"


def test_a_second_run_of_one_process_begins_anew(fast):
    with Progress(quiet=True) as progress:
        progress.begin(2)
        progress.skip()
        progress.rows([{"kind": "ok"}])
        progress.begin(4)
        assert progress._line().startswith("0/4 no answer yet")
        progress.rows([{"kind": "empty"}])
        assert progress._line().startswith("1/4 0 % parse, ")


def command(*args: str, cwd: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "listeval", *args], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'training'}"},
    )  # fmt: skip


def test_a_run_whose_engine_is_slow_says_that_it_waits(tmp_path):
    """The server answers only once the command has said that there is no answer yet."""
    pytest.importorskip("httpx")
    from tests.backends.fake_server import FakeServer, Reply, chat

    said = threading.Event()

    def rule(call):
        assert said.wait(LONG_S)
        return Reply(chat("[]"))

    with FakeServer(rule).running() as server:
        words = ["--backend", "openai", "--base-url", server.url, "--model", "tiny", "--limit", "2"]
        process = command("run", "--task", "fashion", *words, "--out", str(tmp_path / "run"), cwd=tmp_path)
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "no answer yet" in line:
                said.set()
        assert process.wait(LONG_S) == 0
    assert said.is_set(), lines


SLOW_TASK = """
import time
from listeval import Dataset, Example, Item, Metric, Record, Task
from listeval.backends.protocol import Message
class Word(Item):
    word: str
class Slow(Task):
    name, version, summary, metrics = "slow", 1, "", (Metric("same", useful=True, bounds=(0, 1)),)
    def load(self, data, seed):
        time.sleep({load})
        return Dataset([Example(w, (Message("user", w),), {{"word": w}}) for w in "abcd"], "inline", "v1", {{}})
    def contract(self, target): return Record(Word)
    def gold(self, target): return '{{"word": "' + target["word"] + '"}}'
    def score(self, targets, values):
        time.sleep({score})
        return [{{"same": float(v.word == t["word"])}} for t, v in zip(targets, values)]
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("load", "score", "words", "heard"),
    [
        (3, 0, ["run", "--task", "slow"], "reading the data"),
        (0, 3, ["run", "--task", "slow"], "0/4 no answer yet"),
        (3, 0, ["tasks", "check", "slow"], "checking slow: loading"),
    ],
)
def test_every_long_stage_is_named(tmp_path, load, score, words, heard):
    folder = tmp_path / "tasks" / "slow"
    folder.mkdir(parents=True)
    (folder / "task.py").write_text(SLOW_TASK.format(load=load, score=score))
    more = ["--backend", "null", "--model", "gold"] if words[0] == "run" else []
    process = command(*words, *more, cwd=tmp_path)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert heard in err
