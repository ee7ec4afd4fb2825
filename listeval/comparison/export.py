"""A comparison as JSON values: the public shape of `compare --json`. NaN and infinity become null."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from listeval.comparison.columns import RATES
from listeval.comparison.factorial import Factorial
from listeval.stats.paired import Difference

if TYPE_CHECKING:
    from listeval.comparison.analysis import Comparison


def to_json(c: Comparison) -> dict[str, Any]:
    """JSON values; NaN and infinity become null."""
    return {
        "task": c.base.run.manifest.task["name"],
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
        "arms": [_arm_json(c, at) for at in range(len(c.arms))],
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
    own = None if c.own is None else _numbers(c.own.above._asdict())
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
    tests = sum(not math.isnan(p) for arm in c.adjusted for p in arm.values())
    return {"method": "Holm", "figures": list(c.headline), "arms": len(c.arms) - 1, "tests": tests}


def _arm_json(c: Comparison, at: int) -> dict[str, Any]:
    arm = c.arms[at]
    found: dict[str, Any] = {
        "name": arm.name,
        **arm.provenance(),
        "values": {name: _numbers(value._asdict()) for name, value in c.values[at].items()},
        "kinds": c.kinds[at],
        "cost": asdict(c.costs[at]),
    }
    if at:
        pairs = c.differences[at - 1].items()
        found["differences"] = {name: _difference_json(c, at - 1, name, d) for name, d in pairs}
        found["migrations"] = [[*kinds, n] for kinds, n in c.migrations[at - 1].items()]
    return found


def _difference_json(c: Comparison, at: int, name: str, d: Difference) -> dict[str, Any]:
    rate = name in RATES
    return {
        "n": d.n,
        **_numbers({"before": d.before, "after": d.after}),
        **_numbers(d.difference._asdict()),
        **_numbers({"p": d.p, "p_holm": c.adjusted[at].get(name, math.nan)}),
        "test": d.test,
        "odds_ratio" if rate else "standardised": _numbers(d.effect._asdict()),
        **({"gained": d.gained, "lost": d.lost} if rate else {}),
    }


def _numbers(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
