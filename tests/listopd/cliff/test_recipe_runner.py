"""The runner of ordinary recipes: what an arm changes in a recipe, and a real sweep that is killed and goes on."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from listeval.errors import UserError
from listopd.cliff.arms import ArmSpec, PairForecast, StudyPair
from listopd.cliff.lock_study import lock_study
from listopd.cliff.processes import _devices_of_slots
from listopd.cliff.recipe_changes import changes_of
from listopd.cliff.recipe_forecast import foretell
from listopd.cliff.recipe_job import Job, outcomes_of
from listopd.cliff.recipe_runner import RecipeRunner
from listopd.cliff.records import AnswerOutcome, read_log, read_outcomes
from listopd.cliff.study import RecipeRunnerSpec, StudyFile
from listopd.estimates import Outcomes
from listopd.probe.summary import ProbePart
from listopd.recipe import read_recipe
from tests.listopd.conftest import TASKS

ARM = ArmSpec("P", StudyPair("p", "student", "teacher"), "listopd", 1.25, 5.0, 3e-4, 7, 16, (20, 50))


def spec(**changes):
    return RecipeRunnerSpec.model_validate({"kind": "recipes", "recipe": "listopd"} | changes)


def recipe_of(arm, **changes):
    return read_recipe("listopd", changes_of(arm, spec(**changes)))


def test_an_arm_is_a_recipe_with_its_values():
    recipe = recipe_of(ARM)
    opd = recipe.opd
    assert (recipe.seed, recipe.keep_every, opd.student, opd.teacher) == (7, 10, "student", "teacher")
    assert (opd.steps, opd.batch, opd.optimiser.lr, opd.extrapolation.value) == (50, 16, 3e-4, 1.25)
    assert (opd.objective.base, opd.objective.clips.on) == ("start", ("teacher_ratio_cap",))
    assert opd.objective.clips.teacher_ratio_cap == 5


def test_which_cap_is_meant_is_the_study_s():
    assert recipe_of(ARM, clip="rollout").opd.objective.clips.on == ("rollout_cap",)
    assert recipe_of(replace(ARM, cap=math.inf)).opd.objective.clips.on == ()


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("exact", {"divergence": "rkl", "base": "start", "kind": "reinforce"}),
        ("expected", {"divergence": "rkl", "base": "start", "kind": "reinforce"}),
        ("aspo", {"divergence": "sampled", "base": "start", "kind": "aspo", "minibatches": 4}),
        ("no-base", {"divergence": "sampled", "base": "none", "base_neutral_offset": 0.0}),
        ("opd", {"divergence": "sampled", "base": "start"}),
    ],
)
def test_every_method_is_a_legal_objective(method, expected):
    cap = math.inf if method == "exact" else 5.0
    objective = recipe_of(replace(ARM, method=method, cap=cap)).opd.objective
    assert {name: getattr(objective, name) for name in expected} == expected


def test_only_an_arm_with_a_base_keeps_the_recipe_s_curve():
    changes = {"opd.curve": "curve.json"}
    arms = (replace(ARM, method=method) for method in ("no-base", "listopd"))
    assert [recipe_of(arm, changes=changes).opd.curve for arm in arms] == [None, "curve.json"]


def test_a_base_of_its_own_is_a_path():
    opd = recipe_of(replace(ARM, pair=StudyPair("p", "student", "teacher", "older"))).opd
    assert (opd.objective.base, opd.base) == ("path", "older")


def test_what_no_recipe_can_do_is_refused_before_anything_runs():
    with pytest.raises(UserError, match="fixed-negative"):
        RecipeRunner(spec()).check([replace(ARM, method="fixed-negative")])
    with pytest.raises(UserError, match="schedule"):
        RecipeRunner(spec(changes={"opd.optimiser.schedule": "cosine"})).check([ARM])


def test_a_part_cannot_change_what_all_arms_are_asked_and_foretold():
    for key in ("options.k", "task", "data", "thinking"):
        with pytest.raises(UserError, match=f"cannot change '{key}'"):
            changes_of(replace(ARM, settings={key: 4}), spec())
    assert "opd.top_k=4" in changes_of(replace(ARM, settings={"opd.top_k": 4}), spec())


class Asked(Exception):
    """Carries what a probe is asked."""


@pytest.fixture
def probed(monkeypatch):
    """`probed(spec, device)`: what the probe of a forecast is asked."""

    def ask(config, **rest):
        raise Asked(config)

    monkeypatch.setattr("listopd.probe.run_probe.probe", ask)

    def call(spec):
        with pytest.raises(Asked) as asked:
            foretell(spec, ARM.pair, (0.5, 1.0, 1.5), "cpu")
        return asked.value.args[0]

    return call


@pytest.mark.parametrize(("limit", "asked"), [({}, None), ({"limit": 7}, 7)])
def test_what_is_foretold_is_what_the_arms_are_trained_for_and_evaluated_on(probed, tmp_path, limit, asked):
    changes = {"options.k": 4, "thinking": None, "opd.objective.temperature": 0.7}
    own = spec(changes=changes, evaluation={"seeds": [3], "max_tokens": 9, **limit})
    config, recipe = probed(own), read_recipe("listopd", changes_of(ARM, own))
    assert (config.task, config.options, config.enable_thinking) == (recipe.task, recipe.options, recipe.thinking)
    assert config.score_temperature == recipe.opd.objective.temperature == 0.7
    assert (config.options, config.limit, config.seeds, config.max_tokens) == ({"k": 4}, asked, (3,), 9)
    told = Job(own, recipe, ARM, tmp_path, None)._evaluation(20)
    assert ("--limit" in told) == (asked is not None) and "k=4" in told


def test_a_curve_that_failed_its_self_test_is_not_locked(monkeypatch):
    curve = SimpleNamespace(self_test=SimpleNamespace(held=False), advice="The curve is not to be trusted: ...")
    monkeypatch.setattr("listopd.probe.run_probe.probe", lambda config: SimpleNamespace(curve=curve))
    with pytest.raises(UserError, match="not to be trusted"):
        foretell(spec(changes={"thinking": None}), ARM.pair, (1.0, 1.5), None)


def test_an_answer_that_nobody_could_judge_is_neither_good_nor_bad(monkeypatch):
    good = np.array([[[1.0, 0.0, np.nan]]])
    curve = SimpleNamespace(
        self_test=SimpleNamespace(held=True), prompts=("a", "b", "c"), outcomes=Outcomes([1.0], good, ["x", "x", "y"])
    )
    part = ProbePart("gold", 3, 0, 0, 0.0, (), (), (), math.nan, None)
    monkeypatch.setattr("listopd.probe.run_probe.probe", lambda config: SimpleNamespace(curve=curve, parts=[part]))
    (told,) = foretell(spec(changes={"thinking": None}), ARM.pair, (1.0,), None).outcomes
    assert [(one.parsed, one.known, one.cluster) for one in told] == [
        (True, True, "x"),
        (False, True, "x"),
        (False, False, "y"),
    ]


@pytest.mark.parametrize(("device", "word"), [("cpu", ["precision.device=cpu"]), (None, [])])
def test_a_training_runs_on_the_device_that_was_asked_for(tmp_path, device, word):
    told = Job(spec(), recipe_of(ARM), ARM, tmp_path, device)._training()
    assert [one for one in told if one.startswith("precision.device")] == word


def test_each_of_several_jobs_gets_one_of_the_devices_that_were_given(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    assert _devices_of_slots(2) == ["4", "5"]
    with pytest.raises(UserError, match="3 jobs want a device each, and there are 2"):
        _devices_of_slots(3)


torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("accelerate", reason="needs accelerate")


def told(spec, pair, lams, device):
    return PairForecast(
        tuple(lams), tuple((AnswerOutcome("a", "ok"), AnswerOutcome("b", "ok")) for _ in lams), {"B": (0.99, 0.8)}
    )


@pytest.fixture
def locked(pairs, checkpoint, tmp_path, monkeypatch):
    """`locked(name)`: a study of two arms on tiny checkpoints, locked in a folder of that name."""
    monkeypatch.setattr("listopd.cliff.recipe_forecast.foretell", told)
    recipe = {
        "task": "pairs",
        "opd": {"student": checkpoint(0), "teacher": checkpoint(1), "steps": 1, "max_tokens": 6, "batch": 4,
                "optimiser": {"lr": 1e-2}},
    }  # fmt: skip
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    part = {"pairs": ["tiny"], "lams": [1.5], "lrs": [1e-2], "seeds": [0], "batch": 4, "budgets": [2, 6]}
    runner = {
        "kind": "recipes", "recipe": str(tmp_path / "recipe.yaml"), "save_every": 1,
        "evaluation": {"limit": 3, "max_tokens": 6, "backend": "hf"},
    }  # fmt: skip
    study = {
        "name": "tiny",
        "runner": runner,
        "pairs": {"tiny": {"student": checkpoint(0), "teacher": checkpoint(1)}},
        "parts": {"P": part, "Q": part | {"methods": ["start"]}},
        "draws": 100,
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))

    def make(name):
        file = StudyFile(tmp_path / "study.yaml")
        lock_study(file, RecipeRunner(file.study.runner), tmp_path / name)
        return file, tmp_path / name

    return make


def start(file, out, *flags):
    command = [sys.executable, "-m", "listeval", "cliff", "sweep", str(file.path), "--out", str(out), "--trust", *flags]
    environment = {**os.environ, "LISTEVAL_PATH": str(TASKS), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def kill_all(process, out):
    """As when the machine goes down: the sweep, and what it started."""
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    for file in (out / "arms").glob("*/.process"):
        with suppress(ProcessLookupError, ValueError):
            os.killpg(int(file.read_text()), signal.SIGKILL)


def figures(folder):
    timed = ("seconds", "tokens_per_s", "times_floor")
    return [{k: v for k, v in line.items() if not k.startswith(timed)} for line in read_log(folder)]


@pytest.mark.slow
def test_a_killed_sweep_goes_on_from_the_last_saved_step_and_ends_as_one_that_nothing_killed(locked):
    file, out = locked("killed")
    arm = file.arms[0]
    process = start(file, out, "--quiet")
    state = out / "arms" / arm.id / "train" / "state" / "step.json"
    until = time.monotonic() + 120
    while not (state.exists() and _step(state) >= 2) and time.monotonic() < until and process.poll() is None:
        time.sleep(0.02)
    kill_all(process, out)
    saved = _step(state)
    assert 2 <= saved <= 6
    second = start(file, out, "--jobs", "2")
    said = second.communicate()
    assert second.returncode == 0, said
    assert "2 arms are finished" in said[0]
    _, whole = locked("whole")
    third = start(file, whole, "--quiet", "--part", "P")
    assert third.wait() == 0
    for budget in arm.budgets:
        killed, straight = (read_outcomes(folder / "arms" / arm.id, budget) for folder in (out, whole))
        assert killed == straight
    assert figures(out / "arms" / arm.id) == figures(whole / "arms" / arm.id)
    assert len(read_outcomes(out / "arms" / file.arms[1].id, 0)) == 3
    trained = json.loads((out / "arms" / arm.id / "train" / "manifest.json").read_text())
    assert trained["steps"] == 6


def _step(state: Path) -> int:
    try:
        return int(json.loads(state.read_text())["step"])
    except (OSError, ValueError):
        return 0


@pytest.mark.slow
def test_an_arm_whose_process_outlived_its_sweep_is_left_alone(locked):
    import fcntl

    file, out = locked("busy")
    folder = out / "arms" / file.arms[0].id
    folder.mkdir(parents=True)
    with (folder / ".process").open("w") as held:
        held.write("4242\n")
        held.flush()
        fcntl.flock(held, fcntl.LOCK_EX)
        process = start(file, out, "--quiet")
        _, err = process.communicate()
    assert process.returncode == 2
    assert "a process of an earlier sweep (pid 4242) still works on this arm" in err


@pytest.mark.slow
def test_a_training_that_fails_is_one_line_with_its_own_reason(locked, checkpoint):
    file, out = locked("failing")
    (Path(file.study.runner.recipe)).write_text("task: nothing\nopd: {}\n")
    process = start(file, out, "--quiet")
    _, err = process.communicate()
    assert process.returncode == 2
    assert err.count("\n") == 1


def test_no_value_of_the_recipe_can_change_once_it_is_locked(locked):
    file, _ = locked("kept")
    runner, path = RecipeRunner(file.study.runner), Path(file.study.runner.recipe)
    before, recipe = runner.inputs(file.arms), yaml.safe_load(path.read_text())
    for changed in (
        {**recipe, "opd": recipe["opd"] | {"rollouts_per_prompt": 2}},
        {**recipe, "precision": {"compute": "bfloat16"}},
        {**recipe, "seed": 3},
    ):
        path.write_text(yaml.safe_dump(changed))
        now = runner.inputs(file.arms)
        assert [name for name in before if before[name] != now[name]] == ["recipe"]


def test_seeds_of_one_example_belong_together(tmp_path):
    from listeval.runs import RunConfig, run

    run(RunConfig(task="gsm8k", model="m", backend="null", limit=4, seeds=(0, 1, 2), out=str(tmp_path / "run")))
    found = outcomes_of(tmp_path / "run")
    assert len(found) == 12 and len({one.cluster for one in found}) == 4


@pytest.fixture
def evaluated(tmp_path):
    """A finished evaluation by the null engine: 12 answers of fashion, of which some fail."""
    from listeval.runs import RunConfig, run

    out = tmp_path / "run"
    run(RunConfig(task="fashion", model="faults", backend="null", limit=12, out=str(out)))
    return out


def test_answers_are_taken_as_the_harness_judged_them(evaluated):
    from listeval.runs import load_run

    rows = load_run(evaluated).rows
    found = outcomes_of(evaluated)
    assert [one.kind for one in found] == [row["kind"] for row in rows]
    assert {one.kind for one in found} > {"ok"}
    for one, row in zip(found, rows, strict=True):
        assert one.fmc == (row["kind"] == "missing_id" and row["missing"] == 1)
        assert one.useful == (row["scores"]["ndcg@1"] if row["kind"] == "ok" else 0.0)
        assert one.cluster == row["cluster"]
    assert len({one.prompt for one in found}) == 12


def test_an_answer_that_the_engine_owes_is_no_answer_of_the_model(evaluated):
    file = evaluated / "samples.jsonl"
    first, *others = file.read_text().splitlines()
    owed = json.loads(first) | {"outcome": "error", "kind": "engine_error", "scores": {}, "error": "gone"}
    file.write_text("\n".join([json.dumps(owed, separators=(",", ":")), *others]) + "\n")
    assert outcomes_of(evaluated) is None
    (evaluated / "metrics.json").unlink()
    assert outcomes_of(evaluated) is None


@pytest.mark.slow
def test_ctrl_c_saves_the_running_arm_s_state(locked):
    file, out = locked("stopped")
    process = start(file, out, "--quiet")
    train = out / "arms" / file.arms[0].id / "train"
    until = time.monotonic() + 120
    while not read_log(train) and time.monotonic() < until and process.poll() is None:
        time.sleep(0.02)
    # What a terminal does: everyone in the foreground is told.
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert "goes on from here" in err
    assert _step(train / "state" / "step.json") == len(read_log(train))
