"""The objective as data: what is legal, what cannot act, what identifies it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from listopd.objective.illegal import RULES, faults
from listopd.objective.spec import ClipSpec, ObjectiveSpec

# One example a rule, in the order of the rules, each breaking that rule alone.
BREAKS: list[dict[str, Any]] = [
    {"kind": "reinforce", "clips": {"epsilon_high": 0.2}},
    {"kind": "cispo", "clips": {"dual": 3.0}},
    {"kind": "ppo", "clips": {"epsilon_low": 0.2, "epsilon_high": 0.2, "epsilon_at_high_entropy": 0.4}},
    {"divergence": "rkl", "kind": "ppo"},
    {"divergence": "fkl", "clips": {"teacher_ratio_cap": 5.0}},
    {"divergence": "rkl", "advantage_at": "current"},
    {"divergence": "rkl", "base": "none", "base_neutral_offset": 0.0},
    {"divergence": "rkl", "entropy": 0.01},
    {"base": "start", "base_neutral_offset": 0.0},
    {"divergence": "rkl_topk"},
    {"tail": False},
    {"divergence": "gjsd"},
    {"base": "none", "kl_to_base": 0.1},
    {"entropy_on": "values"},
]


@pytest.mark.parametrize(("rule", "values"), list(zip(RULES, BREAKS, strict=True)))
def test_each_rule_refuses_its_example_and_only_that(rule: Any, values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        ObjectiveSpec.model_validate(values)
    [error] = caught.value.errors()
    assert error["msg"] == f"Value error, {rule.sentence}"
    assert ":" in rule.sentence, "why, and then what to change"


@pytest.mark.parametrize(
    "values",
    [
        {"top_k": 16},
        {"beta": 0.5},
        {"beta": 1.0, "divergence": "gjsd"},
        {"clips": {"dual": 1.0}},
        {"clips": {"epsilon_low": 1.0}},
        {"clips": {"teacher_ratio_cap": 1.0}},
        {"clips": {"rollout_cap": float("inf")}},
        {"clips": {"epsilon_at_high_entropy": 0.4}, "kind": "aspo"},
        {"clips": {"epsilon": 0.2}},
        {"temperature": 0.0},
        {"kl_to_base": float("nan")},
        {"minibatches": 0},
        {"lambda": 1.2},
        {"kind": "grpo"},
    ],
)
def test_values_out_of_range_and_unknown_names_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ObjectiveSpec.model_validate(values)


def test_the_papers_setting_is_legal_and_its_ratio_clips_are_reported_as_inert() -> None:
    clips = ClipSpec(epsilon_low=0.2, epsilon_high=0.2, dual=3.0, rollout_cap=5.0)
    once = ObjectiveSpec(kind="ppo", clips=clips)
    assert once.inert == ("kind", "clips.epsilon_low", "clips.epsilon_high", "clips.dual")
    assert ObjectiveSpec(kind="ppo", clips=clips, minibatches=2).inert == ()
    assert ObjectiveSpec(clips=ClipSpec(rollout_cap=5.0, teacher_ratio_cap=5.0)).inert == ()


def test_lambda_without_a_base_needs_an_explicit_offset() -> None:
    bare = ObjectiveSpec(base="none")
    bare.check_extrapolation(False)
    with pytest.raises(ValueError, match="base_neutral_offset"):
        bare.check_extrapolation(True)
    for legal in ({"base_neutral_offset": 0.0}, {"base": "start"}, {"divergence": "rkl"}):
        ObjectiveSpec.model_validate({"base": "none"} | legal).check_extrapolation(True)


def test_json_round_trip_and_digest() -> None:
    spec = ObjectiveSpec(kind="cispo", clips=ClipSpec(epsilon_high=0.28), epochs=2)
    again = ObjectiveSpec.model_validate_json(spec.model_dump_json())
    assert again == spec
    assert again.digest() == spec.digest()
    assert ObjectiveSpec().digest() == ObjectiveSpec(temperature=1.0, clips=ClipSpec()).digest()
    assert len({ObjectiveSpec().digest(), spec.digest(), ObjectiveSpec(temperature=0.7).digest()}) == 3


def test_a_legal_spec_has_no_faults() -> None:
    assert faults(ObjectiveSpec()) == []
    assert faults(ObjectiveSpec(divergence="rkl_topk", top_k=16, tail=False)) == []


def test_reading_a_spec_does_not_import_torch() -> None:
    code = "import sys, listopd.objective.spec; sys.exit('torch' in sys.modules)"
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], check=False, env=os.environ | path).returncode == 0
