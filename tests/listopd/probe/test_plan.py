"""What a recipe says to a probe."""

from __future__ import annotations

import json

import pytest
import yaml

from listeval.cli.main import main
from listeval.errors import UserError
from listopd.probe.probe_config import ProbeConfig
from listopd.probe.recipe_settings import read_plan
from listopd.probe.run_probe import probe
from listopd.threshold import Cap
from tests.listopd.tiny import save, tiny_tokenizer

OPD = {"student": "S", "teacher": "T", "steps": 40, "batch": 8, "optimiser": {"lr": 1e-3}}
BEYOND = {"kind": "constant", "value": 1.2}


def plan(tmp_path, *, shared=None, **opd):
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump({"task": "fashion", "options": {"k": 2}, "opd": OPD | opd} | (shared or {})))
    return read_plan(str(file))


def test_models_data_and_budget_are_the_recipe_s(tmp_path):
    found = plan(tmp_path, max_tokens=64, shared={"data_seed": 3, "seed": 9, "data": "D"})
    names = ("teacher", "base", "task", "options", "seeds", "data", "max_tokens", "steps")
    assert tuple(found[name] for name in names) == ("T", "S", "fashion", {"k": 2}, (3,), "D", 64, 40.0)
    assert "enable_thinking" not in found
    assert "student" not in found, "the rollouts are the base's own, and evidence of its headroom"
    assert ProbeConfig(**found).steps == 40


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        ({}, (Cap.NONE, None, True)),
        ({"clips": {"rollout_cap": 5.0}}, (Cap.ROLLOUT, 5.0, True)),
        ({"clips": {"teacher_ratio_cap": 2.0}}, (Cap.TEACHER_RATIO, 2.0, True)),
        ({"clips": {"teacher_ratio_cap": 2.0, "rollout_cap": 5.0}}, (Cap.TEACHER_RATIO, 2.0, True)),
        ({"divergence": "rkl"}, (Cap.NONE, None, True)),
        ({"base": "none", "base_neutral_offset": 0.0}, (Cap.NONE, None, False)),
    ],
)
def test_the_cap_is_what_the_objective_bounds(tmp_path, objective, expected):
    found = plan(tmp_path, objective=objective, extrapolation=BEYOND)
    assert (found["cap"], found.get("clip"), found["base_relative"]) == expected


def test_another_base_is_b_and_the_student_writes_the_rollouts(tmp_path):
    found = plan(tmp_path, objective={"base": "path"}, base="B", extrapolation=BEYOND)
    assert (found["base"], found["student"]) == ("B", "S")


def test_the_temperature_that_training_scores_at_and_the_prompts_that_it_leaves_out_are_the_recipe_s(tmp_path):
    found = plan(tmp_path, objective={"temperature": 0.5}, extrapolation=BEYOND, shared={"max_prompt": 300})
    assert (found["score_temperature"], found["max_prompt"]) == (0.5, 300)
    assert ProbeConfig(**plan(tmp_path)).score_temperature == 1


LONGEST = {"options": {"longest": 40}}
"""Every fourth prompt of the task `pairs` is so many tokens longer."""


def probed(tmp_path, recipe, **values):
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    return probe(ProbeConfig(**read_plan(str(file)) | {"on": "gold", "limit": None, "bootstrap": 100} | values))


@pytest.mark.parametrize("batch", [3, 5])
def test_epochs_are_counted_over_the_prompts_that_training_keeps(opd_recipe, train, tmp_path, batch):
    recipe = opd_recipe(steps=None, epochs=2, batch=batch, shared={"max_prompt": 30} | LONGEST)
    counts = probed(tmp_path, recipe).manifest
    assert counts["config"]["steps"] == train(recipe).manifest["steps"] == 2 * (12 // batch)
    assert counts["prompts"] == {"measured": 12, "too_long": 4}
    assert probed(tmp_path, recipe, steps=7).manifest["config"]["steps"] == 7, "what is said beside it counts more"
    with pytest.raises(UserError, match=r"12 prompts are less than one batch of 13, .* \(.*recipe.yaml\)"):
        probed(tmp_path, opd_recipe(steps=None, epochs=2, batch=13, shared={"max_prompt": 30} | LONGEST))


@pytest.mark.parametrize("said", [{"n": 8}, {"n": 24}, {"longest": 0}, {"n": 8, "longest": 0}])
def test_the_budget_is_that_of_the_training_that_the_settings_describe(opd_recipe, train, tmp_path, said):
    """Options beside the recipe count more, for what is measured and for the steps that are counted."""
    shared = {"max_prompt": 30} | LONGEST
    counted = probed(
        tmp_path, opd_recipe(steps=None, epochs=2, batch=3, shared=shared), options={**LONGEST["options"], **said}
    )
    same = opd_recipe(steps=None, epochs=2, batch=3, shared=shared | {"options": {**LONGEST["options"], **said}})
    assert counted.manifest["config"]["steps"] == train(same).manifest["steps"]


@pytest.mark.parametrize("own", [{}, {"split": "train"}])
def test_which_part_is_measured_does_not_change_what_is_trained(opd_recipe, tmp_path, own, monkeypatch):
    asked = []

    def watch(task, recipe, *_):
        asked.append((task.options.split, task.options.n, recipe.data_seed))
        raise UserError("seen")

    monkeypatch.setattr("listopd.questions.load_questions", watch)
    recipe = opd_recipe(steps=None, epochs=1, shared={"options": own, "data_seed": 3})
    with pytest.raises(UserError, match="seen"):
        probed(tmp_path, recipe, options={**own, "split": "test", "n": 4}, seeds=(0, 1))
    assert asked == [("train", 4, 3)]


def test_prompts_that_leave_no_room_for_a_rollout_are_not_measured(opd_recipe, tmp_path):
    recipe = opd_recipe(steps=None, epochs=1, batch=3, max_tokens=1024 - 30, shared=LONGEST)
    found = probed(tmp_path, recipe).manifest
    assert (found["prompts"], found["config"]["steps"]) == ({"measured": 12, "too_long": 4}, 4)
    alone = ProbeConfig(**{name: found["config"][name] for name in ("teacher", "base", "task", "options")}, on="gold")
    assert probe(alone).manifest["prompts"]["too_long"] == 0, "of no training, all that the models take"


def test_probabilities_are_those_at_the_objective_s_temperature(opd_recipe, tmp_path):
    """At another temperature a start that is less sure than the teacher is so by another distance."""
    rows = {}
    for temperature in (0.5, 1.0):
        objective = {"temperature": temperature}
        found = probed(tmp_path, opd_recipe(objective=objective), scaffold=0.0)
        assert found.manifest["config"]["score_temperature"] == temperature
        rows[temperature] = found.parts[0]
    sharp, plain = ([(row.p.mean, row.b.mean) for row in rows[t].classes] for t in (0.5, 1.0))
    assert all(x != y for x, y in zip(sharp, plain, strict=True))
    assert rows[0.5].bounds[0].p != rows[1.0].bounds[0].p and rows[0.5].bounds[0].b != rows[1.0].bounds[0].b


def test_steps_are_known_with_the_models(tmp_path):
    assert "steps" not in plan(tmp_path, steps=None, epochs=3, batch=2)
    assert ProbeConfig(**plan(tmp_path, steps=None, epochs=3), kappa=0.1).steps is None


def test_a_recipe_without_distillation_has_nothing_to_predict(tmp_path):
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump({"sft": {"model": "S", "steps": 1, "optimiser": {"lr": 1}}}))
    with pytest.raises(UserError, match="no section 'opd'"):
        read_plan(str(file))


def test_the_verb_probes_what_a_recipe_would_train_and_flags_count_more(tmp_path, capsys):
    pytest.importorskip("transformers")
    base, teacher = (str(save(tmp_path / f"m{seed}", tiny_tokenizer(), seed=seed)) for seed in (0, 1))
    file = tmp_path / "recipe.yaml"
    section = OPD | {"student": base, "teacher": teacher, "max_tokens": 12, "objective": {"clips": {"rollout_cap": 4}}}
    section["extrapolation"] = BEYOND
    file.write_text(yaml.safe_dump({"task": "fashion", "options": {"k": 2}, "opd": section}))
    with pytest.raises(SystemExit) as stop:
        main(["probe", "--recipe", str(file), "--limit", "1", "--bootstrap", "100", "--clip", "7", "--json", "--quiet"])
    printed = json.loads(capsys.readouterr().out)
    assert stop.value.code == 0
    config = printed["manifest"]["config"]
    assert (config["cap"], config["clip"], config["steps"], config["kappa"]) == ("rollout", 7.0, 40.0, None)
    assert (config["base"], config["recipe"]) == (base, str(file))
    verdict = printed["parts"][0]["verdict"]
    assert verdict["measured"]["prompts"] <= 1 and verdict["outcome"] == "abstains"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--teacher", "T"], "missing --base, --task"),
        ([], "missing --teacher, --base, --task"),
        (["--recipe", "nonesuch"], "there is no such recipe"),
    ],
)
def test_what_is_missing_is_named(capsys, args, said):
    with pytest.raises(SystemExit) as stop:
        main(["probe", *args])
    error = capsys.readouterr().err
    assert stop.value.code == 2 and said in error and error.count("\n") == 1
