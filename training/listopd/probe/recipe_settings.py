"""What a recipe of on-policy distillation says to a probe: models, data, and the training that is to be predicted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from listeval.errors import UserError
from listopd.threshold.preconditions import Cap

if TYPE_CHECKING:
    from listeval.models.checkpoint import Checkpoint
    from listopd.probe.probe_config import ProbeConfig
    from listopd.recipe import Opd, Recipe


def read_plan(name: str, said: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Values of a `ProbeConfig` by name, from the section `opd` of a recipe: file, bundled name or run directory.

    Those in `said` count more. The recipe's `thinking` becomes what it tells the base's template, which may be nothing.
    Steps are left out where the recipe counts epochs: `count_steps` does. Raises UserError where there is no recipe,
    and as `told_thinking`.
    """
    from listopd.networks import told_thinking
    from listopd.recipe import read_recipe

    recipe, said = read_recipe(name), said or {}
    spec = recipe.section("opd", name)
    budget = {} if spec.steps is None else {"steps": float(spec.steps)}
    found = {**_models(recipe, spec), **_objective(spec), **budget, "recipe": name, **said}  # type: ignore[arg-type]
    if recipe.thinking is None or "enable_thinking" in said:
        return found
    return found | {"enable_thinking": told_thinking(found["base"], recipe.thinking)}


def count_steps(config: ProbeConfig, checkpoint: Checkpoint, max_length: int | None) -> int:
    """Optimiser steps of the training that is foretold, over the prompts that it keeps; `max_length` is what all models
    take.

    That is the recipe's with what is said beside it. Raises UserError where it would train none.
    """
    from listopd.questions import load_questions, step_count, training_task
    from listopd.recipe import read_recipe

    assert config.recipe is not None, "steps are counted where a recipe says how"
    recipe = _foretold(read_recipe(config.recipe), config)
    spec, task = recipe.section("opd", config.recipe), training_task(recipe)
    found = load_questions(task, recipe, checkpoint, max_length, config.max_tokens or task.max_tokens)
    steps = step_count(spec, found, spec.batch)
    if not steps:
        cause = f"{len(found.kept)} prompts are less than one batch of {spec.batch}, so the recipe trains no step"
        raise UserError(cause, place=config.recipe, fix="data or a batch of another size in the recipe")
    return steps


def _foretold(recipe: Recipe, config: ProbeConfig) -> Recipe:
    """The recipe with the probe's task, options, data and prompts.

    Which part of the data is read, under which seeds, is the measurement's own: the training keeps its own.
    """
    options = {name: value for name, value in config.options.items() if name != "split"}
    if "split" in recipe.options:
        options["split"] = recipe.options["split"]
    changed = {"task": config.task, "options": options, "data": config.data, "max_prompt": config.max_prompt}
    return recipe.model_copy(update=changed | {"thinking": config.enable_thinking})


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
    optional = {
        "data": recipe.data,
        "max_prompt": recipe.max_prompt,
        "max_tokens": spec.max_tokens,
    }
    return found | {name: value for name, value in optional.items() if value is not None}


def _objective(spec: Opd) -> dict[str, Any]:
    clips = spec.objective.clips
    cap, clip = Cap.NONE, None
    if clips.teacher_ratio_cap is not None:
        cap, clip = Cap.TEACHER_RATIO, clips.teacher_ratio_cap
    elif clips.rollout_cap is not None and clips.rollout_cap > 1:
        cap, clip = Cap.ROLLOUT, clips.rollout_cap
    found: dict[str, Any] = {
        "cap": cap,
        "base_relative": spec.objective.base != "none",
        "score_temperature": spec.objective.temperature,
    }
    return found if clip is None else found | {"clip": clip}
