"""What a recipe says to a probe."""

from __future__ import annotations

import json

import pytest
import yaml

from listeval.cli.main import main
from listeval.errors import UserError
from listopd.probe.probe_config import ProbeConfig
from listopd.probe.recipe_settings import read_plan
from listopd.threshold import Cap
from tests.listopd.tiny import save, tiny_tokenizer

OPD = {"student": "S", "teacher": "T", "steps": 40, "batch": 8, "optimiser": {"lr": 1e-3}}
BEYOND = {"kind": "constant", "value": 1.2}


def plan(tmp_path, *, shared=None, **opd):
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump({"task": "fashion", "options": {"k": 2}, "opd": OPD | opd} | (shared or {})))
    return read_plan(str(file))


def test_models_data_and_budget_are_the_recipe_s(tmp_path):
    found = plan(tmp_path, max_tokens=64, shared={"data_seed": 3, "seed": 9, "data": "D", "thinking": False})
    names = ("teacher", "base", "task", "options", "seeds", "data", "max_tokens", "steps", "enable_thinking")
    assert tuple(found[name] for name in names) == ("T", "S", "fashion", {"k": 2}, (3,), "D", 64, 40.0, False)
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


def test_epochs_are_counted_on_the_recipe_s_own_data(tmp_path):
    found = plan(tmp_path, steps=None, epochs=3, batch=2, shared={"options": {"k": 2, "split": "all"}})
    assert found["steps"] >= 3 and found["steps"] % 3 == 0
    with pytest.raises(UserError, match="less than one batch of 100000"):
        plan(tmp_path, steps=None, epochs=1, batch=100_000)


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
