"""Trackers hear the run's figures and nothing else; what goes wrong with one costs the run a line, never a row."""

from __future__ import annotations

import json
import logging
import math
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.cli.main import main
from listeval.errors import UserError
from listeval.runs import RunConfig, load_run, run
from listeval.runs.observer import SilentObserver
from listeval.runs.tracking import tracker
from listeval.runs.tracking.tracked import Tracked, config_of, figures_of, tracked

STAGES = ("begin", "log", "finish", "close")


class Recorder:
    """A tracker that keeps what it is told, and fails at one stage where a test wants that."""

    def __init__(self, start, fails=""):
        self.start, self.fails, self.logged, self.final, self.closed = start, fails, [], None, []
        self._may("begin")

    def _may(self, stage):
        if self.fails == stage:
            sys.stdout.write("noise of a library\n")
            raise ConnectionError(f"gone at {stage}\nand more")

    def log(self, figures, step):
        self._may("log")
        self.logged.append((step, dict(figures)))

    def finish(self, figures, step):
        self._may("finish")
        self.final = (step, dict(figures))

    def close(self, *, complete):
        self._may("close")
        self.closed.append(complete)


@pytest.fixture
def recorders(monkeypatch):
    """Every tracker is there and a `Recorder`; `fails[name]` says at which stage one does not work."""
    made, fails = {}, {}

    def begin(name, start):
        made[name] = Recorder(start, fails.get(name, ""))
        return made[name]

    monkeypatch.setattr(tracker, "begin", begin)
    monkeypatch.setattr(tracker, "check_installed", lambda names: None)
    return made, fails


def go(out, *track, **config):
    given = {"task": "fashion", "model": "noise", "backend": "null", "limit": 30, "seeds": (1, 2)} | config
    return run(RunConfig(**given, out=str(out), track=track))


def test_a_tracker_hears_the_final_figures_with_intervals_and_kinds(recorders, tmp_path):
    made, _ = recorders
    done = go(tmp_path / "run", "wandb")
    step, figures = made["wandb"].final
    assert step == 60 and figures == figures_of(done)
    for name, value in done.summary.metrics.items():
        assert [figures[name], figures[f"{name}/low"], figures[f"{name}/high"]] == list(value)
    assert sum(value for name, value in figures.items() if name.startswith("kind/")) == 60
    assert figures["outcome/scored"] == done.summary.scored
    assert made["wandb"].closed == [True]


def test_while_it_runs_it_hears_how_many_parse_of_what_is_there(recorders, tmp_path):
    made, _ = recorders
    done = go(tmp_path / "run", "wandb")
    steps = [step for step, _ in made["wandb"].logged]
    assert steps == sorted(set(steps)) and steps[-1] <= 60 and len(steps) <= 100
    last = made["wandb"].logged[-1]
    if last[0] == 60:
        assert last[1]["so_far/parse_rate"] == done.summary.metrics["parse_rate"].value
    assert all(figures["so_far/engine_errors"] == 0 for _, figures in made["wandb"].logged)


def test_no_prompt_answer_address_or_key_is_told(recorders, tmp_path):
    made, _ = recorders
    done = go(tmp_path / "run", "wandb")
    served = done.manifest.config.model_copy(update={"base_url": "http://secret.example", "api_key_env": "SECRET_KEY"})
    config = config_of(done.manifest.model_copy(update={"config": served}))
    told = json.dumps([config, made["wandb"].start.config, made["wandb"].logged, made["wandb"].final])
    assert "secret" not in told.lower()
    assert not any(row["text"] and row["text"] in told for row in done.rows if len(row["text"]) > 8)
    assert made["wandb"].start.config["identity"] == done.manifest.identity_hash


def test_a_run_that_goes_on_is_the_same_run_there(recorders, tmp_path):
    made, _ = recorders
    go(tmp_path / "run", "wandb", limit=4)
    first = made["wandb"]
    go(tmp_path / "run", "wandb", limit=6)
    assert made["wandb"] is not first and made["wandb"].start.key == first.start.key
    assert min(step for step, _ in made["wandb"].logged) > 8 and made["wandb"].final[0] == 12
    go(tmp_path / "other", "wandb", limit=4, model="gold")
    assert made["wandb"].start.key != first.start.key


@pytest.mark.parametrize("stage", STAGES)
def test_a_tracker_that_fails_costs_one_line_and_no_row(recorders, tmp_path, caplog, capsys, stage):
    made, fails = recorders
    plain = go(tmp_path / "plain")
    fails["wandb"] = stage
    with caplog.at_level(logging.WARNING, "listeval"):
        done = go(tmp_path / "run", "wandb", "trackio")
    said = [record.getMessage() for record in caplog.records]
    assert said == [f"listeval: the run goes on without wandb: ConnectionError: gone at {stage}"]
    assert [row["text"] for row in done.rows] == [row["text"] for row in plain.rows]
    assert done.summary == plain.summary
    assert made["trackio"].final[1] == figures_of(done) and made["trackio"].closed == [True]
    assert capsys.readouterr().out == "", "stdout belongs to the results"


def test_a_run_that_is_broken_off_is_closed_as_such(recorders, tmp_path, monkeypatch):
    made, _ = recorders

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("listeval.runs.run_loop.RunLoop.work", interrupted)
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path / "run", "wandb")
    assert made["wandb"].closed == [False] and made["wandb"].final is None


KINDS = st.sampled_from(["ok", "engine_error", "truncated", "missing_item"])


@given(batches=st.lists(st.lists(KINDS, min_size=1, max_size=9), max_size=30), skipped=st.integers(0, 5))
def test_the_rate_so_far_is_over_answers(batches, skipped):
    total = sum(map(len, batches)) + skipped
    watch = Tracked((), SilentObserver())
    recorder = watch._trackers["x"] = Recorder(None)
    watch.begin(total)
    for _ in range(skipped):
        watch.skip()
    seen = []
    for batch in batches:
        watch.rows([{"kind": kind} for kind in batch])
        seen += batch
        if recorder.logged and recorder.logged[-1][0] == skipped + len(seen):
            answers = [kind for kind in seen if kind != "engine_error"]
            figures = recorder.logged[-1][1]
            assert figures["so_far/engine_errors"] == len(seen) - len(answers)
            assert figures.get("so_far/parse_rate") == (answers.count("ok") / len(answers) if answers else None)
    assert len(recorder.logged) <= max(len(batches), 0) and (not seen or total > 100 or recorder.logged)


def test_a_tracker_that_is_not_installed_is_one_line_before_anything_begins(tmp_path, monkeypatch):
    monkeypatch.setattr(tracker, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"the tracker 'wandb' needs .* pip install wandb"):
        go(tmp_path / "run", "wandb")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "trackio"])
def test_nothing_is_written_behind_a_link_in_the_run_s_directory(tmp_path, monkeypatch, caplog, name):
    monkeypatch.setattr(tracker, "check_installed", lambda names: None)
    (tmp_path / "elsewhere").mkdir()
    go(tmp_path / "run", limit=4)
    (tmp_path / "run" / name).symlink_to(tmp_path / "elsewhere")
    with caplog.at_level(logging.WARNING, "listeval"):
        done = go(tmp_path / "run", name, limit=6)
    assert len(done.rows) == 12 and list((tmp_path / "elsewhere").iterdir()) == []
    assert "a link or a file stands where its folder should be" in caplog.text


def test_a_file_may_name_one_that_sends_nothing(recorders, tmp_path, monkeypatch, capsys):
    made, _ = recorders
    monkeypatch.chdir(tmp_path)
    common = "task: fashion\nmodel: noise\nbackend: 'null'\nlimit: 4\nout: r\n"
    (tmp_path / "own.yaml").write_text(common + "track: tensorboard\n")
    (tmp_path / "sent.yaml").write_text(common + "track: [tensorboard, wandb]\n")
    for args, code in [(("@own.yaml",), 0), (("@sent.yaml",), 2), (("@sent.yaml", "--track", "trackio"), 0)]:
        with pytest.raises(SystemExit) as stopped:
            main(["run", *args, "--quiet", "--json"])
        assert stopped.value.code == code, capsys.readouterr().err
    assert set(made) == {"tensorboard", "trackio"}
    assert "report to wandb with your account, which needs your word" in capsys.readouterr().err
    assert load_run("r").manifest.config.track == ("trackio",)


def test_figures_without_a_value_are_left_out(tmp_path):
    done = go(tmp_path / "run", model="garbage", limit=3)
    assert all(math.isfinite(value) for value in figures_of(done).values())
    assert figures_of(done)["parse_rate"] == 0


def test_without_a_name_no_tracker_s_module_is_imported(tmp_path):
    with tracked((), SilentObserver()):
        pass
    go(tmp_path / "run", limit=2)
    code = (
        "import sys; from listeval.cli.main import main\n"
        f"try: main(['run', '@{tmp_path / 'run'}', '--quiet', '--json'])\n"
        "finally: print([m for m in ('wandb', 'trackio', 'tensorboard') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ})
    assert done.stderr.strip() == "[]"
