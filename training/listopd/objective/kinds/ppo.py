"""PPO (arXiv 1707.06347) with the dual clip of arXiv 1912.09729; GRPO's loss a token is the same."""

from __future__ import annotations

from torch import Tensor

from listopd.objective.kinds.rule import Bounds, Factor


def ppo(ratio: Tensor, advantage: Tensor, bounds: Bounds) -> Factor:
    """The ratio, and 0 once the update has gone its way beyond a bound.

    Never 0 on the way back: a good token that became rarer, or a bad one that became more frequent, keeps its
    gradient. The dual clip alone gives up bad tokens whose ratio has exploded.
    """
    good, bad = advantage > 0, advantage < 0
    high = good & (ratio > bounds.upper)
    low = bad & (ratio < bounds.lower)
    dual = bad & (ratio > bounds.dual)
    values = ratio.masked_fill(high | low | dual, 0.0)
    return Factor(values, {"epsilon_high": high, "epsilon_low": low, "dual": dual})
