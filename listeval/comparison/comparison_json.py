"""A comparison as JSON values: what `compare --json` prints, but for the sentence. NaN and infinity become null."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from listeval.comparison.factorial import Factorial
from listeval.runs.figures.as_text import is_rate
from listeval.stats.paired import Difference

if TYPE_CHECKING:
    from listeval.comparison.result import Comparison, Contrast


def to_json(c: Comparison) -> dict[str, Any]:
    """JSON values; NaN and infinity become null."""
    return {
        "task": c.base.run.manifest.task.name,
        "baseline": c.base.name,
        "n": len(c.pairing.keys),
        "clusters": c.pairing.n_clusters,
        "seeds": c.pairing.seeds,
        "common_parsed": c.common,
        "left_out": c.pairing.left_out,
        "notes": list(c.pairing.notes),
        "statistics": {
            "level": c.thresholds.level,
            "resamples": c.resamples,
            "seed": c.seed,
            "family": _family(c),
        },
        "arms": [_arm_json(c, place) for place in range(len(c.arms))],
        "speeds_compare": c.speeds_compare,
        "constraints_differ": {what: dict(pairs) for what, pairs in c.unlike.items()},
        "chance": _chance_json(c),
        "factorials": [_factorial_json(c, found) for found in c.factorials],
        "verdict": c.verdict.to_json(),
    }


def _chance_json(c: Comparison) -> dict[str, Any] | None:
    if c.scale is None:
        return None
    value = None if c.scale.chance is None else float(np.nanmean(c.scale.chance))
    own = None if c.base_guard is None else _numbers(c.base_guard.above._asdict())
    return {"metric": c.scale.metric, "value": value, "unknown": c.chance.why, "baseline_above": own}


def _factorial_json(c: Comparison, found: Factorial) -> dict[str, Any]:
    return {
        "arms": {part: c.arms[at].name for part, at in found.square._asdict().items()},
        "effects": {
            name: {part: _numbers(value._asdict()) for part, value in effects._asdict().items()}
            for name, effects in found.effects.items()
        },
    }


def _family(c: Comparison) -> dict[str, Any]:
    return {"method": "Holm", "figures": list(c.headline), "arms": len(c.contrasts), "tests": c.tests}


def _arm_json(c: Comparison, place: int) -> dict[str, Any]:
    arm, contrast = c.sides[place]
    found: dict[str, Any] = {
        "name": arm.name,
        **arm.provenance(),
        "values": {name: _numbers(value._asdict()) for name, value in c.values[place].items()},
        "kinds": c.kinds[place],
        "cost": asdict(c.costs[place]),
    }
    if contrast is not None:
        pairs = contrast.differences.items()
        found["differences"] = {name: _difference_json(name, d, contrast) for name, d in pairs}
        found["migrations"] = [[*kinds, n] for kinds, n in contrast.migrations.items()]
    return found


def _difference_json(name: str, d: Difference, contrast: Contrast) -> dict[str, Any]:
    rate = is_rate(name)
    return {
        "n": d.n,
        **_numbers({"before": d.before, "after": d.after}),
        **_numbers(d.difference._asdict()),
        **_numbers({"p": d.p, "p_holm": contrast.adjusted.get(name, math.nan)}),
        "test": d.test,
        "odds_ratio" if rate else "standardised": _numbers(d.effect._asdict()),
        **({"gained": d.gained, "lost": d.lost} if rate else {}),
    }


def _numbers(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
