"""What two checkpoints say of a pair before any training: the probe's target curve, and its p and b."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from listeval.errors import UserError
from listopd.cliff.arms import PairForecast, StudyPair
from listopd.cliff.recipe_changes import study_recipe
from listopd.cliff.records import ENGINE_ERROR, OK, AnswerOutcome
from listopd.cliff.study import RecipeRunnerSpec
from listopd.networks import told_thinking

if TYPE_CHECKING:
    from listopd.probe.summary import ProbePart

BROKEN = "broken"
"""A target curve keeps whether an answer kept its contract, prompt by prompt, not how it failed."""


def foretell(spec: RecipeRunnerSpec, pair: StudyPair, lams: Sequence[float], device: str | None) -> PairForecast:
    """The curve at the λ of 1 and above over the held-out prompts, and p and b of right answers to them.

    Without p and b, so that what is told by them abstains, where a template opens a thought in the prompt: no right
    answer stands behind it. Raises UserError as `listeval probe` does, and for a curve that does not give back the two
    models' own answers.
    """
    from listopd.probe.probe_config import build_config
    from listopd.probe.run_probe import GoldIsThought, probe

    recipe, asked = study_recipe(spec), spec.evaluation
    values = {
        "teacher": pair.teacher,
        "base": pair.based_on,
        "task": asked.task or recipe.task,
        "options": {**recipe.options, **asked.options},
        "data": asked.data,
        "seeds": asked.seeds,
        "max_tokens": asked.max_tokens,
        "enable_thinking": told_thinking(pair.based_on, recipe.thinking),
        "score_temperature": recipe.opd and recipe.opd.objective.temperature,
        "device": device,
    }
    # No limit means all examples, as `listeval run` takes it, and not the probe's own default.
    curve = {"curve": True, "lambdas": tuple(lam for lam in lams if lam >= 1), "on": "gold", "limit": asked.limit}
    config = build_config({name: value for name, value in values.items() if value is not None} | curve)
    try:
        found = probe(config)
    except GoldIsThought:
        found = probe(config.model_copy(update={"on": "none"}))
    assert found.curve is not None, "a probe with a curve has one"
    if not found.curve.self_test.held:
        raise UserError(found.curve.advice, place=f"pair {pair.name}", fix="lock in float32, or on another device")
    outcomes = found.curve.outcomes
    good = np.asarray(outcomes.good)[0]
    clusters = list(outcomes.clusters or found.curve.prompts)
    told = (
        tuple(
            AnswerOutcome(prompt, _kind(row[at]), cluster=clusters[at]) for at, prompt in enumerate(found.curve.prompts)
        )
        for row in good
    )
    return PairForecast(tuple(map(float, outcomes.lams)), tuple(told), dict(_positions(found.parts)))


def _kind(good: float) -> str:
    """Of an answer that kept its contract, broke it, or could not be judged (NaN)."""
    return ENGINE_ERROR if np.isnan(good) else OK if good else BROKEN


def _positions(parts: Sequence[ProbePart]) -> Iterator[tuple[str, tuple[float, float]]]:
    """Of the right answers' part; none where they were not read."""
    for part in parts[:1]:
        for bound in part.bounds:
            if bound.form:
                yield bound.form, (bound.p, bound.b)
        for row in part.items:
            if row.kind.is_scaffold:
                yield f"{row.kind.value} {row.item}", (row.p.logit_mean, row.b.logit_mean)
