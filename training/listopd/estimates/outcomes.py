"""The outcomes of a sweep: which answers were good, by seed, λ and prompt; and the rates of resampled sweeps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from listeval.errors import UserError
from listeval.stats.intervals import by_cluster, cluster_index
from listopd.threshold.closed_form import Floats
from listopd.threshold.uncertainty import unit_draws


@dataclass(frozen=True)
class Outcomes:
    """One outcome for each seed, λ and prompt.

    `lams` (L,) rise. `good` (seeds, L, prompts) is true or 1 where the answer was good, false or 0 where it was not;
    NaN stands for an answer that there is not (an arm that has not run, a prompt that was not scored): it counts
    neither way. `clusters` labels the prompts that belong together, such as those of one product; None: each alone.

    Raises UserError for other shapes, λ that do not rise, and values other than 0, 1 and NaN.
    """

    lams: Sequence[float]
    good: NDArray[np.bool_] | Floats
    clusters: Sequence[str] | None = None

    def __post_init__(self) -> None:
        lams, good = np.asarray(self.lams, dtype=np.float64), np.asarray(self.good, dtype=np.float64)
        if good.ndim != 3 or good.shape[1] != len(lams) or 0 in good.shape:
            _refuse(f"outcomes of shape {good.shape} do not fit {len(lams)} λ", "give (seeds, λ, prompts)")
        if not (np.diff(lams) > 0).all() or not np.isfinite(lams).all():
            _refuse(f"the λ {lams.tolist()} do not rise", "sort them, each once")
        if not (np.isnan(good) | (good == 0) | (good == 1)).all():
            _refuse("an outcome is neither 0 nor 1", "say of each answer whether it is good; NaN for none")
        if self.clusters is not None and len(self.clusters) != good.shape[2]:
            _refuse(f"{len(self.clusters)} cluster labels for {good.shape[2]} prompts", "give one a prompt")

    @property
    def seeds(self) -> int:
        """How many."""
        return int(np.shape(self.good)[0])

    @property
    def prompts(self) -> int:
        """How many."""
        return int(np.shape(self.good)[2])

    @property
    def groups(self) -> int:
        """How many clusters the prompts are."""
        return int(cluster_index(self.clusters, self.prompts).max()) + 1

    @property
    def units(self) -> int:
        """How many things of a kind are resampled: the fewer of clusters and, unless there is one, seeds."""
        return min(self.groups, self.seeds) if self.seeds > 1 else self.groups

    def rates(self) -> Floats:
        """(L,): the share of good answers at each λ; NaN where there is none."""
        return _rates(*(part.sum(axis=(0, 2)) for part in self._parts()))

    def drawn_rates(self, draws: int, seed: int) -> Iterator[Floats]:
        """Blocks (draws, L) of the rates of resampled sweeps: prompts (by cluster) and seeds, alike for all λ.

        Nothing where there is but one unit to draw from. Counts are whole numbers, so the sums are exact.
        """
        good, known = self._parts()
        seed_times = _seed_draws(self.seeds, seed, draws)
        at = 0
        for times in unit_draws(good.shape[2], seed, draws):
            mine = seed_times[at : at + len(times)]
            at += len(times)
            yield _rates(*(_drawn(part, mine, times) for part in (good, known)))

    def _parts(self) -> tuple[Floats, Floats]:
        """Good answers and answers, each (seeds, L, clusters)."""
        good = np.asarray(self.good, dtype=np.float64)
        index = cluster_index(self.clusters, good.shape[2])
        flat = good.reshape(-1, good.shape[2])
        there = (~np.isnan(flat)).astype(np.float64)
        parts = (np.stack([by_cluster(index, row) for row in rows]) for rows in (np.nan_to_num(flat, nan=0.0), there))
        hits, known = (part.reshape(*good.shape[:2], -1) for part in parts)
        return hits, known


def _drawn(part: Floats, seed_times: Floats, prompt_times: Floats) -> Floats:
    """(draws, L) sums of (seeds, L, clusters), drawn so often."""
    by_seed = np.einsum("slp,dp->sld", part, prompt_times, optimize=True)
    return np.asarray(np.einsum("sld,ds->dl", by_seed, seed_times))


def _seed_draws(seeds: int, seed: int, draws: int) -> Floats:
    """(draws, seeds): how often each draw takes each seed; one seed cannot be resampled."""
    if seeds < 2:
        return np.ones((draws, seeds))
    rng = np.random.default_rng([seed, 1])
    return rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=draws).astype(np.float64)


def _rates(hits: Floats, known: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(hits / known)


def _refuse(cause: str, fix: str) -> None:
    raise UserError(cause, place="outcomes", fix=fix)
