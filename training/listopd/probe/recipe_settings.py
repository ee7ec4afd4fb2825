"""What a recipe of on-policy distillation says to a probe: models, data, and the training that is to be predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from listeval.errors import UserError
from listopd.threshold.preconditions import Cap

if TYPE_CHECKING:
    from listopd.recipe import Opd, Recipe


def read_plan(name: str) -> dict[str, Any]:
    """Values of a `ProbeConfig` by name, from the section `opd` of a recipe: file, bundled name or run directory.

    Raises UserError where there is none.
    """
    from listopd.questions import load_examples, training_task
    from listopd.recipe import read_recipe

    recipe = read_recipe(name)
    spec = recipe.section("opd", name)
    steps = spec.steps
    if steps is None:
        examples, *_ = load_examples(training_task(recipe), recipe)
        steps = (spec.epochs or 0) * (len(examples) // spec.batch)
        if not steps:
            cause = f"{len(examples)} examples are less than one batch of {spec.batch}, so the recipe trains no step"
            raise UserError(cause, place=name, fix="data or a batch of another size in the recipe")
    return {**_models(recipe, spec), **_objective(spec), "steps": float(steps), "recipe": name}  # type: ignore[arg-type]


def _models(recipe: Recipe, spec: Opd) -> dict[str, Any]:
    """The base of the objective where it has one, else the start, which b is then only compared with."""
    found: dict[str, Any] = {
        "teacher": spec.teacher,
        "base": spec.base or spec.student,
        "task": recipe.task,
        "options": dict(recipe.options),
        "seeds": (recipe.data_seed,),
    }
    if spec.base is not None:
        found["student"] = spec.student
    optional = {"data": recipe.data, "max_tokens": spec.max_tokens, "enable_thinking": recipe.thinking}
    return found | {name: value for name, value in optional.items() if value is not None}


def _objective(spec: Opd) -> dict[str, Any]:
    clips = spec.objective.clips
    cap, clip = Cap.NONE, None
    if clips.teacher_ratio_cap is not None:
        cap, clip = Cap.TEACHER_RATIO, clips.teacher_ratio_cap
    elif clips.rollout_cap is not None and clips.rollout_cap > 1:
        cap, clip = Cap.ROLLOUT, clips.rollout_cap
    found: dict[str, Any] = {"cap": cap, "base_relative": spec.objective.base != "none"}
    return found if clip is None else found | {"clip": clip}
