"""λ that gives way when the rollouts stop parsing, and comes back slowly (ours).

One batch says little: at a true rate of 0.6 one of 32 answers is off by 0.17 every twentieth time, and the best of
seventy such batches lies far above the truth. So nothing here looks at a batch alone or at a maximum of batches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from listeval.stats.intervals import Interval, wilson
from listopd.extrapolation.lambda_policy import PLAIN, RolloutStats, State, require_keys

if TYPE_CHECKING:
    from torch import BoolTensor

_MEMORY = 0.9
"""Weight of the past in the recent rate: half of it is of the last seven batches."""
_HORIZON = 100
"""Batches that `false_alarm` is the chance of."""
_EDGE = 1e-3
_COUNTS = (
    "sum", "parsed", "total", "recent_parsed", "recent_total", "held_parsed", "held_total",
    "calm_parsed", "calm_total", "calm",
)  # fmt: skip


class Guarded:
    """λ between 1 and `value`, driven by the rollouts' strict parse rate.

    A prompt has one vote, the share of its answers that parse: answers to one prompt succeed and fail together, so
    counted one by one they would pass for more evidence than they are. Where they are independent, the alarm is late.

    A fall is found by a cumulative sum (Page 1954): every batch adds the log-likelihood ratio between a rate `drop`
    below the reference and the reference itself, and the sum never falls below 0. At ln(100 / `false_alarm`) the
    excess λ - 1 is multiplied by `shrink` and the sum starts anew; at a constant rate that happens in 100 batches with
    a chance of at most about `false_alarm`. A small loss needs several batches to be told from noise, a collapse one.

    The reference is what parsed so far: of all batches or of the recent ones, whichever is higher, so it follows a
    rising rate and remembers a slow decline. A fall is measured from its lower 95 % limit. Batches under suspicion do
    not enter it until the sum is back at 0, those that led to an alarm never do.

    Below `value`, λ rises by `raise_by` whenever `patience` batches together are within `recover` of the reference.
    An empty batch changes nothing.
    """

    def __init__(
        self,
        *,
        value: float,
        drop: float,
        recover: float,
        shrink: float,
        raise_by: float,
        patience: int,
        false_alarm: float,
    ) -> None:
        self._target, self._drop, self._recover = value, drop, recover
        self._shrink, self._raise_by, self._patience = shrink, raise_by, patience
        self._alarm = math.log(_HORIZON / false_alarm)
        self._value = value
        self._state = dict.fromkeys(_COUNTS, 0.0)

    def values(self, scaffold: BoolTensor) -> float:
        return self._value

    def step(self, stats: RolloutStats) -> None:
        """Take in one batch: look for a fall first, then for a recovery."""
        if stats.total == 0:
            return
        parsed, votes = stats.parsed / stats.copies, stats.total / stats.copies
        state = self._state
        fresh = state["total"] == 0
        if not fresh:
            state["sum"] = max(0.0, state["sum"] + self._evidence(parsed, votes))
        state["held_parsed"] += parsed
        state["held_total"] += votes
        if state["sum"] >= self._alarm:
            self._give_way()
            return
        if state["sum"] == 0 or fresh:
            self._trust()
        self._recovers(parsed, votes)

    def _usual(self) -> Interval:
        """The rate that a fall is measured from; NaN before the first batch."""
        if not self._state["total"]:
            return Interval(math.nan, math.nan, math.nan)
        pools = (("parsed", "total"), ("recent_parsed", "recent_total"))
        return max((wilson(self._state[hits], self._state[of]) for hits, of in pools), key=lambda pool: pool.low)

    def _evidence(self, parsed: float, votes: float) -> float:
        """Log-likelihood ratio of this batch, in nats: fallen by `drop` against unchanged."""
        usual = min(max(self._usual().low, 2 * _EDGE), 1 - _EDGE)
        fallen = max(usual - self._drop, _EDGE)
        failed = votes - parsed
        return parsed * math.log(fallen / usual) + failed * (math.log1p(-fallen) - math.log1p(-usual))

    def _give_way(self) -> None:
        self._value = PLAIN + self._shrink * (self._value - PLAIN)
        for name in ("sum", "held_parsed", "held_total", "calm_parsed", "calm_total", "calm"):
            self._state[name] = 0.0

    def _trust(self) -> None:
        """The batches held back are as usual: they enter the reference."""
        state = self._state
        parsed, total = state["held_parsed"], state["held_total"]
        state["parsed"] += parsed
        state["total"] += total
        state["recent_parsed"] = _MEMORY * state["recent_parsed"] + parsed
        state["recent_total"] = _MEMORY * state["recent_total"] + total
        state["held_parsed"] = state["held_total"] = 0.0

    def _recovers(self, parsed: float, votes: float) -> None:
        state = self._state
        state["calm_parsed"] += parsed
        state["calm_total"] += votes
        state["calm"] += 1
        if state["calm"] < self._patience:
            return
        if state["calm_parsed"] / state["calm_total"] >= self._usual().value - self._recover:
            self._value = min(self._target, self._value + self._raise_by)
        state["calm_parsed"] = state["calm_total"] = state["calm"] = 0.0

    def state_dict(self) -> State:
        return {"value": self._value, **self._state}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        require_keys(state, self.state_dict())
        self._value = state["value"]
        self._state = {name: state[name] for name in self._state}

    def describe(self) -> dict[str, float]:
        reference = self._usual().low
        known = {} if math.isnan(reference) else {"parse_reference": reference}
        return {"lambda": self._value, **known, "fall_evidence": self._state["sum"] / self._alarm}
