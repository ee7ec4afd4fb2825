"""`listeval train` says what it is doing, and ends alike however it is told to."""

from __future__ import annotations

import os
import signal
import sys
import threading

import pytest

from listeval.cli import signals
from listeval.cli.main import main
from listeval.errors import UserError
from listopd import stages
from listopd.cli import train
from listopd.phase import doing


@pytest.fixture
def hurried(monkeypatch):
    monkeypatch.setattr(train, "_SPEAK_EVERY_S", 0.02)


def wait_until(capsys, text):
    """All that was said until `text` came; the test's own time limit is what ends it where it never does."""
    said = ""
    while text not in said:
        said += capsys.readouterr().err
    return said


def test_long_work_between_two_steps_is_named_while_it_lasts(hurried, capsys):
    with train._ProgressLines(quiet=False) as speaker:
        doing("comparing teacher and student on right answers, 8 of 64")
        said = wait_until(capsys, "comparing teacher")
        assert "comparing teacher and student on right answers, 8 of 64 (0 s)" in said
        doing("step 1/2: sampling 4 answers")
        wait_until(capsys, "step 1/2: sampling 4 answers")
        speaker(2, 2, {"loss": 0.5})
        assert "step 2/2 loss 0.5" in wait_until(capsys, "step 2/2 loss")
    capsys.readouterr()
    threading.Event().wait(0.1)
    assert capsys.readouterr().err == "", "nothing is said after the end"


def test_quiet_says_nothing(hurried, capsys):
    with train._ProgressLines(quiet=True) as speaker:
        doing("loading")
        speaker(1, 1, {"loss": 0.5})
        threading.Event().wait(0.1)
    assert capsys.readouterr().err == ""
    assert speaker.line() == "step 1/1 loss 0.5"


def test_the_pause_and_the_watch_over_it_are_two_seconds_together():
    assert 1.25 * train._SPEAK_EVERY_S <= 2


@pytest.mark.parametrize(
    ("left", "said"),
    [
        ([], "no state was saved (see save_every), so there is nothing to go on from"),
        (["log.jsonl"], "no state was saved (see save_every), so there is nothing to go on from"),
        (["state"], "--resume goes on from the last saved state"),
        ([".state.old"], "--resume goes on from the last saved state"),
    ],
)
def test_what_can_be_gone_on_from_is_what_resume_would_find(tmp_path, left, said):
    """Steps may have ended of which nothing is left; and a state may lie where a kill left it."""
    for name in left:
        (tmp_path / name).mkdir()
    assert train._how_to_resume(tmp_path).endswith(said)


@pytest.mark.parametrize("first", ["0", "1"], ids=["alone or first", "beside the first"])
@pytest.mark.parametrize("broken", [None, ImportError("partially initialized"), UserError("x"), RuntimeError("twice")])
@pytest.mark.parametrize("number", signals.CODES)
def test_a_stop_is_one_line_and_its_signal_s_code_whatever_it_broke(
    tmp_path, monkeypatch, capsys, number, broken, first
):
    def stopped(*args, **more):
        try:
            os.kill(os.getpid(), number)
        except KeyboardInterrupt:
            if broken is not None:
                raise broken from None
            raise

    monkeypatch.setattr(stages, "train", stopped)
    # What it broke must not be imported anew to see who speaks.
    monkeypatch.setitem(sys.modules, "accelerate", None)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", first)
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as ended:
        main(["train", "sft", "tiny", "--out", str(tmp_path / "out")])
    said = capsys.readouterr().err.splitlines()
    assert ended.value.code == signals.CODES[number] and signal.getsignal(number) is before
    assert [line[:17] for line in said] == (["listeval: stopped"] if first == "0" else [])
