"""A run that was stopped, or killed, goes on as if it had not been."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import patch

import pytest

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("accelerate", reason="needs accelerate")

from accelerate.state import AcceleratorState, GradientState  # noqa: E402

from listeval.cli.main import main  # noqa: E402
from listeval.cli.signals import CODES, Raised, Stopped, seen  # noqa: E402
from listeval.errors import UserError  # noqa: E402
from listopd import stages, training_loop  # noqa: E402
from listopd.journal import Journal  # noqa: E402
from listopd.recipe import Recipe  # noqa: E402
from tests.listopd.conftest import TASKS, Trained  # noqa: E402

KINDS = {
    "plain": {"extrapolation": {"kind": "constant", "value": 1.5}},
    "controlled": {"extrapolation": {"kind": "auto", "scaffold_filter": 0.0}, "max_tokens": 20},
    "adapted": {"extrapolation": {"kind": "constant", "value": 1.5}, "lora": {"rank": 2}},
}


def stop_at(last):
    """A report that presses Ctrl-C during step `last`."""

    def report(step, steps, figures):
        if step == last:
            os.kill(os.getpid(), signal.SIGINT)

    return report


def forget():
    """What a new process would not know."""
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()
    torch.manual_seed(time.time_ns())


def assert_same(one, other):
    assert one.figures == other.figures
    assert all(torch.equal(tensor, other.weights[name]) for name, tensor in one.weights.items())


@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGTERM])
def test_whoever_stops_it_the_state_is_saved_first(opd_recipe, train, tmp_path, way):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(KeyboardInterrupt):
        train(opd_recipe(), out=tmp_path / "cut", report=lambda *_: os.kill(os.getpid(), way))
    assert json.loads((tmp_path / "cut" / "state" / "step.json").read_text())["step"] == 1
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_stopped_run_goes_on_to_the_bit(opd_recipe, train, taught, tmp_path, kind):
    if kind == "adapted":
        pytest.importorskip("peft", reason="needs peft")
    models = {"student": taught(12), "teacher": taught(40)}
    recipe = opd_recipe(steps=5, **models, **KINDS[kind], shared={"precision": {"save": "float32"}})
    whole = train(recipe)
    forget()
    with pytest.raises(KeyboardInterrupt):
        train(recipe, out=tmp_path / "cut", report=stop_at(2))
    assert json.loads((tmp_path / "cut" / "state" / "step.json").read_text())["step"] == 2
    assert not (tmp_path / "cut" / "checkpoint").exists()
    forget()
    resumed = train(recipe, out=tmp_path / "cut", resume=True)
    assert_same(resumed, whole)
    if kind == "controlled":
        assert len({line["lambda"] for line in whole.log}) > 1, "the controller has a state to lose"


def test_the_controller_goes_on_where_it_was(opd_recipe, train, taught, tmp_path, monkeypatch):
    from listopd.extrapolation.auto import Auto

    loaded = []
    kept = Auto.load_state_dict
    monkeypatch.setattr(Auto, "load_state_dict", lambda self, state: (loaded.append(dict(state)), kept(self, state)))
    recipe = opd_recipe(student=taught(12), teacher=taught(40), **KINDS["controlled"])
    with pytest.raises(KeyboardInterrupt):
        train(recipe, out=tmp_path / "cut", report=stop_at(1))
    train(recipe, out=tmp_path / "cut", resume=True)
    first = Trained(tmp_path / "cut").log[0]
    assert [state["value"] for state in loaded] == [first["lambda"]]
    assert loaded[0]["p"] == first["scaffold_p"]


def test_sft_goes_on_to_the_bit(train, pairs, checkpoint, tmp_path):
    section = {"model": checkpoint(0), "epochs": 2, "batch": 4, "optimiser": {"lr": 1e-2, "schedule": "cosine"}}
    recipe = Recipe.model_validate({"task": "pairs", "sft": section, "precision": {"save": "float32"}})
    whole = train(recipe, stage="sft")
    assert len(whole.log) == 8
    with pytest.raises(KeyboardInterrupt):
        train(recipe, stage="sft", out=tmp_path / "cut", report=stop_at(3))
    forget()
    assert_same(train(recipe, stage="sft", out=tmp_path / "cut", resume=True), whole)


@pytest.fixture(scope="module")
def stopped_once(checkpoint, tmp_path_factory):
    """The directory of a run by the fixture's plain recipe that was stopped after its first step."""
    out = tmp_path_factory.mktemp("stopped") / "run"
    models = {"student": checkpoint(0), "teacher": checkpoint(1)}
    section = {"batch": 4, "max_tokens": 6, "optimiser": {"lr": 1e-2}, "steps": 2}
    recipe = Recipe.model_validate({"task": "pairs", "opd": models | section})
    with patch.dict(os.environ, {"LISTEVAL_PATH": str(TASKS)}), pytest.raises(KeyboardInterrupt):
        stages.train(recipe, "opd", out, stop_at(1))
    forget()
    return recipe, out


@pytest.fixture
def stopped(pairs, stopped_once, tmp_path):
    """That recipe, and a copy of the directory."""
    recipe, out = stopped_once
    return recipe, Path(shutil.copytree(out, tmp_path / "stopped"))


def test_a_used_directory_is_not_begun_anew(stopped, train):
    recipe, out = stopped
    with pytest.raises(UserError, match="holds a training already"):
        train(recipe, out=out)


@pytest.mark.parametrize("inside", ["", "deeper/run"])
def test_a_file_in_the_place_of_the_directory_is_one_line(opd_recipe, train, tmp_path, inside):
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(UserError, match="a file stands where the run directory should be"):
        train(opd_recipe(), out=file / inside)
    assert file.read_text() == "mine"


@pytest.mark.parametrize("text", ['{"step": 1, "rec', '{"step": 1}', "[]"])
def test_a_damaged_state_is_one_line(stopped, train, text):
    recipe, out = stopped
    (out / "state" / "step.json").write_text(text)
    with pytest.raises(UserError, match="the state cannot be read"):
        train(recipe, out=out, resume=True)


def test_resume_is_offered_where_there_is_a_state_also_one_left_by_a_kill(stopped, train):
    recipe, out = stopped
    (out / "state").rename(out / ".state.old")
    with pytest.raises(UserError, match="--resume to go on"):
        train(recipe, out=out)
    (out / ".state.old").rename(out / ".elsewhere")
    with pytest.raises(UserError, match="delete the directory"):
        train(recipe, out=out)


def test_another_recipe_is_refused_but_not_another_interval_of_states(stopped, train):
    recipe, out = stopped
    changed = recipe.model_copy(update={"seed": 9})
    with pytest.raises(UserError, match="recipe is not the one"):
        train(changed, out=out, resume=True)
    assert len(train(recipe.model_copy(update={"save_every": 1}), out=out, resume=True).log) == 2


def test_a_teacher_that_was_replaced_meanwhile_is_refused(stopped, train):
    recipe, out = stopped
    config = Path(recipe.opd.teacher) / "config.json"
    before = config.read_text()
    config.write_text(before.rstrip() + "\n\n")
    try:
        with pytest.raises(UserError, match="another teacher"):
            train(recipe, out=out, resume=True)
    finally:
        config.write_text(before)
    train(recipe, out=out, resume=True)


def test_there_must_be_a_state_to_resume_from(opd_recipe, train, tmp_path):
    with pytest.raises(UserError, match="no state to resume from"):
        train(opd_recipe(), out=tmp_path / "none", resume=True)


def test_a_kill_while_a_state_is_replaced_leaves_one(stopped, train):
    recipe, out = stopped
    (out / "state").rename(out / ".state.old")
    assert len(train(recipe, out=out, resume=True).log) == 2


def test_lines_after_the_state_and_torn_ones_are_dropped(stopped, train):
    recipe, out = stopped
    with (out / "log.jsonl").open("a") as stream:
        stream.write('{"step": 2, "loss": 99}\n{"step": 3, "lo')
    resumed = train(recipe, out=out, resume=True)
    assert [line["step"] for line in resumed.log] == [1, 2] and resumed.log[1]["loss"] != 99


def test_a_finished_run_resumed_from_its_last_state_trains_no_more(opd_recipe, train, tmp_path):
    recipe = opd_recipe(shared={"save_every": 1, "precision": {"save": "float32"}})
    first = train(recipe, out=tmp_path / "run")
    told = []
    again = train(recipe, out=tmp_path / "run", resume=True, report=lambda *args: told.append(args))
    assert told == []
    assert_same(again, first)


@pytest.mark.parametrize(
    ("steps", "lora", "lost"),
    [(4, None, False), (4, {"rank": 2}, True), (1, {"rank": 2}, False), (1, None, True)],
    ids=["more", "more, adapters, no manifest", "fewer, adapters", "fewer, no manifest"],
)
def test_what_lies_there_is_of_as_many_steps_as_the_manifest_says(opd_recipe, train, tmp_path, steps, lora, lost):
    """A finished run of two steps is given more, or fewer, and stopped on the way."""
    if lora:
        pytest.importorskip("peft", reason="needs peft")
    out = tmp_path / "run"

    def recipe(steps, **shared):
        return opd_recipe(steps=steps, lora=lora, shared={"precision": {"save": "float32"}} | shared)

    with pytest.raises(KeyboardInterrupt):
        train(recipe(2), out=out, report=stop_at(1))
    first = train(recipe(2), out=out, resume=True)
    before = {file.name: file.read_bytes() for file in (out / "checkpoint").iterdir()}
    if lost:
        (out / "manifest.json").unlink()
    if steps > 2:
        with pytest.raises(KeyboardInterrupt):
            train(recipe(steps), out=out, resume=True, report=stop_at(3))
        assert json.loads((out / "manifest.json").read_text())["steps"] == steps
        assert not (out / "checkpoint").exists() and not (out / "adapter").exists()
    forget()
    assert_same(train(recipe(steps), out=out, resume=True), train(recipe(steps), out=tmp_path / "whole"))
    kept = out / "checkpoints" / "step-000002"
    assert {file.name: file.read_bytes() for file in kept.iterdir()} == before
    assert (out / "adapters" / "step-000002").is_dir() == bool(lora)
    assert first.manifest["steps"] == 2


def test_going_on_with_as_many_steps_leaves_the_checkpoint(opd_recipe, train, tmp_path):
    recipe = opd_recipe(shared={"save_every": 1})
    train(recipe, out=tmp_path / "run")
    train(recipe, out=tmp_path / "run", resume=True)
    assert (tmp_path / "run" / "checkpoint").is_dir() and not (tmp_path / "run" / "checkpoints").exists()


def press_while_writing(monkeypatch, way, times=1):
    """A signal, or more, in the middle of the first folder that is written."""
    write, left = Journal.write_checkpoint, [way] * times

    def interrupted(self, folder, fill):
        def fill_late(fresh):
            while left:
                os.kill(os.getpid(), left.pop())
            fill(fresh)

        write(self, folder, fill_late)

    monkeypatch.setattr(Journal, "write_checkpoint", interrupted)


@pytest.mark.parametrize(("way", "lora"), [(signal.SIGINT, None), (signal.SIGTERM, {"rank": 2})])
def test_who_is_stopped_while_the_checkpoint_is_written_has_ended(opd_recipe, train, tmp_path, monkeypatch, way, lora):
    """No state is saved by default: all steps would be lost."""
    whole = train(opd_recipe(lora=lora), out=tmp_path / "whole")
    forget()
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    press_while_writing(monkeypatch, way)
    assert_same(train(opd_recipe(lora=lora), out=tmp_path / "stopped"), whole)
    assert (tmp_path / "stopped" / "adapter").exists() == bool(lora)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.parametrize("way", CODES)
def test_all_processes_of_a_training_end_as_the_one_that_was_told_to(opd_recipe, train, tmp_path, monkeypatch, way):
    monkeypatch.setattr(training_loop, "gathered", lambda own, accelerator: [own, way])
    with pytest.raises(Stopped), Raised():
        train(opd_recipe(), out=tmp_path / "out")
    assert seen() == CODES[way] and (tmp_path / "out" / "state").is_dir()


def test_a_signal_that_is_ignored_stays_so_while_a_step_is_taken(opd_recipe, train, tmp_path):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert len(train(opd_recipe(steps=2), out=tmp_path / "out", report=stop_at(1)).log) == 2
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("way", CODES)
def test_who_presses_twice_is_told_that_nothing_was_saved(opd_recipe, pairs, tmp_path, monkeypatch, capsys, way):
    import yaml

    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(opd_recipe().model_dump(mode="json")))
    press_while_writing(monkeypatch, way, times=2)
    with pytest.raises(SystemExit) as ended:
        main(["train", "opd", str(file), "--out", str(tmp_path / "out"), "--trust"])
    said = capsys.readouterr().err
    assert ended.value.code == CODES[way] and "step 2/2" in said
    assert "stopped; no state was saved (see save_every), so there is nothing to go on from" in said
    assert not (tmp_path / "out" / "checkpoint").exists()


def cli(recipe, out, *flags):
    root = Path(__file__).parents[2]
    paths = {"PYTHONPATH": f"{root}:{root / 'training'}", "LISTEVAL_PATH": str(TASKS)}
    command = [sys.executable, "-m", "listeval", "train", "opd", str(recipe), "--out", str(out), *flags]
    return subprocess.Popen(command, env=os.environ | paths, stderr=subprocess.PIPE, text=True)


def wait_for(log, lines, process):
    while not log.exists() or log.read_text().count("\n") < lines:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_killed_or_interrupted_process_goes_on_to_the_bit(opd_recipe, tmp_path, way):
    import yaml

    recipe = opd_recipe(steps=12, shared={"save_every": 2, "precision": {"save": "float32"}})
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    whole = cli(file, tmp_path / "whole")
    assert whole.wait(300) == 0, whole.stderr.read()
    killed = cli(file, tmp_path / "killed")
    wait_for(tmp_path / "killed" / "log.jsonl", 3, killed)
    killed.send_signal(way)
    code = killed.wait(120)
    if way is not signal.SIGKILL:
        assert code == CODES[way] and "--resume goes on" in killed.stderr.read()
    resumed = cli(file, tmp_path / "killed", "--resume")
    assert resumed.wait(300) == 0, resumed.stderr.read()
    assert_same(Trained(tmp_path / "killed"), Trained(tmp_path / "whole"))
