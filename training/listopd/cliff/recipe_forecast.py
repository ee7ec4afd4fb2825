"""What two checkpoints say of a pair before any training: the probe's target curve, and its p and b."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from listopd.cliff.arms import PairForecast, StudyPair
from listopd.cliff.records import OK, AnswerOutcome
from listopd.cliff.study import RecipeRunnerSpec
from listopd.recipe import read_recipe

BROKEN = "broken"
"""A target curve keeps whether an answer kept its contract, prompt by prompt, not how it failed."""


def foretell(spec: RecipeRunnerSpec, pair: StudyPair, lams: Sequence[float], device: str | None) -> PairForecast:
    """The curve at the λ of 1 and above over the held-out prompts, and p and b of right answers to them.

    Raises UserError as `listeval probe` does.
    """
    from listopd.probe.probe_config import build_config
    from listopd.probe.run_probe import probe

    recipe, asked = read_recipe(spec.recipe), spec.evaluation
    values = {
        "teacher": pair.teacher,
        "base": pair.based_on,
        "task": asked.task or recipe.task,
        "options": {**recipe.options, **asked.options},
        "data": asked.data,
        "limit": asked.limit,
        "seeds": asked.seeds,
        "max_tokens": asked.max_tokens,
        "enable_thinking": recipe.thinking,
        "device": device,
    }
    curve = {"curve": True, "lambdas": tuple(lam for lam in lams if lam >= 1), "on": "gold"}
    found = probe(build_config({name: value for name, value in values.items() if value is not None} | curve))
    assert found.curve is not None, "a probe with a curve has one"
    outcomes = found.curve.outcomes
    good = np.asarray(outcomes.good)[0]
    clusters = list(outcomes.clusters or found.curve.prompts)
    told = (
        tuple(
            AnswerOutcome(prompt, OK if row[at] else BROKEN, cluster=clusters[at])
            for at, prompt in enumerate(found.curve.prompts)
        )
        for row in good
    )
    return PairForecast(tuple(map(float, outcomes.lams)), tuple(told), dict(_positions(found.parts)))


def _positions(parts: Sequence[object]) -> Iterator[tuple[str, tuple[float, float]]]:
    from listopd.probe.summary import ProbePart

    part = parts[0]
    assert isinstance(part, ProbePart), "a probe of right answers has their part"
    for bound in part.bounds:
        if bound.form:
            yield bound.form, (bound.p, bound.b)
    for row in part.items:
        if row.kind.is_scaffold:
            yield f"{row.kind.value} {row.item}", (row.p.logit_mean, row.b.logit_mean)
