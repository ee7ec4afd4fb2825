"""Every key that a recipe may have stands in the list of keys."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

pytest.importorskip("pydantic")

from listopd.extrapolation.policy_spec import AutoSpec, ConstantSpec, GuardedSpec, PerPositionSpec
from listopd.objective.spec import ClipSpec, ObjectiveSpec
from listopd.recipe import Lora, Opd, Optimiser, Precision, Recipe, Scratch, Sft

MODELS = (Recipe, Precision, Sft, Opd, Optimiser, Lora, Scratch, ObjectiveSpec, ClipSpec)
POLICIES = (ConstantSpec, PerPositionSpec, AutoSpec, GuardedSpec)


def test_all_keys_are_listed():
    text = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text()
    listed = {word for span in re.findall(r"`([^`]+)`", text) for word in re.split(r"[.,|= ]+", span)}
    missing = {name for model in MODELS + POLICIES for name in model.model_fields} - listed
    assert missing == set()
    assert {get_args(policy.model_fields["kind"].annotation)[0] for policy in POLICIES} <= listed
