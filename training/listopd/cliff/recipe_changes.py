"""An arm as changes of a recipe: `key=value`, as `listeval train opd RECIPE` takes them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import reduce
from typing import Any

from listeval.errors import UserError
from listopd.cliff.arms import ArmSpec
from listopd.cliff.study import RecipeRunnerSpec
from listopd.recipe import Recipe, read_recipe

_ASPO = {"epsilon_low": 0.2, "epsilon_high": 0.2, "epsilon_at_high_entropy": 0.4, "dual": 3.0}
"""As training/recipes/aspo.yaml has them."""


_DATA_KEYS = frozenset({"task", "options", "data", "data_seed", "max_prompt", "thinking"})
"""Keys of a recipe that say what is asked. They are the same for all arms: a pair is foretold once."""


def study_recipe(spec: RecipeRunnerSpec) -> Recipe:
    """The recipe with the study's changes: what all arms have in common. Raises UserError as `read_recipe`."""
    return read_recipe(spec.recipe, _as_words(spec.changes))


def changes_of(arm: ArmSpec, spec: RecipeRunnerSpec) -> list[str]:
    """All that makes the study's recipe this arm.

    Raises UserError for a method that no recipe has, and for settings of a part that change what is asked.
    """
    if asked := sorted(key for key in arm.settings if key.partition(".")[0] in _DATA_KEYS):
        cause = f"a part's settings cannot change '{asked[0]}': all arms are asked and foretold the same"
        raise UserError(cause, place=f"part {arm.part}", fix="name it in runner.changes, or make it a study of its own")
    if arm.method == "fixed-negative":
        raise UserError("no recipe has the method 'fixed-negative'", place=f"part {arm.part}", fix="use the laboratory")
    values: dict[str, Any] = {
        **spec.changes,
        **arm.settings,
        "seed": arm.seed,
        "save_every": spec.save_every,
        "keep_every": reduce(math.gcd, arm.budgets) if len(arm.budgets) > 1 else 0,
        "trackers": [],
        "opd.student": arm.pair.student,
        "opd.teacher": arm.pair.teacher,
        "opd.base": None if arm.method == "no-base" else arm.pair.base,
        # A curve is of a base, and this arm has none.
        **({"opd.curve": None} if arm.method == "no-base" else {}),
        "opd.epochs": None,
        "opd.steps": max(1, arm.steps),
        "opd.batch": arm.batch,
        "opd.extrapolation": {"kind": "constant", "value": arm.lam},
        **{f"opd.objective.{name}": value for name, value in _objective(arm, spec).items()},
    }
    if arm.lr:
        values["opd.optimiser.lr"] = arm.lr
    return _as_words(values)


def _as_words(values: Mapping[str, Any]) -> list[str]:
    return [f"{name}={json.dumps(value)}" for name, value in values.items()]


def _objective(arm: ArmSpec, spec: RecipeRunnerSpec) -> Mapping[str, Any]:
    cap = None if math.isinf(arm.cap) else arm.cap
    capped = {} if cap is None else {f"{spec.clip}_cap": cap}
    common = {"kind": "reinforce", "divergence": "sampled", "clips": capped, "base_neutral_offset": None}
    base = {"base": "start" if arm.pair.base is None else "path"}
    if arm.method == "exact":
        return common | base | {"divergence": "rkl", "clips": {}}
    if arm.method == "expected":
        return common | base | {"divergence": "rkl", "clips": {} if cap is None else {"teacher_ratio_cap": cap}}
    if arm.method == "aspo":
        return common | base | {"kind": "aspo", "minibatches": 4, "clips": {**_ASPO, **capped}}
    if arm.method == "no-base":
        # The uniform base's negative log-probability is the same at every token: only the noise hangs on it.
        return common | {"base": "none", "base_neutral_offset": 0.0}
    return common | base
