"""The verdict against truths that are known: harm is rare, large wins are found where there are data for them."""

import numpy as np
import pytest

from benchmarks.verdict import CLUSTERS, PARSE, Cell, Effect, Result, families, grid, page, simulate, table, verdicts
from benchmarks.worlds import CHANCE, SKILL, Side, cluster_of, draw
from listeval.comparison.decision import Standing
from listeval.comparison.thresholds import Thresholds

TRIALS = 60
MARGIN = Thresholds().margin


def effects(rate):
    return {effect.name: effect for effect in Effect.all(rate)}


@pytest.mark.parametrize("clusters", [8, 50, 200])
@pytest.mark.parametrize("rate", [0.05, 0.5])
def test_harm_is_recommended_in_at_most_one_of_twenty(clusters, rate):
    """All harmful effects together: 600 comparisons, of which 5 % are 30 and three standard errors are 16 more."""
    cells = [cell for cell in grid([clusters], [rate]) if cell.harmful(MARGIN)]
    assert len(cells) == 10
    found = [simulate(cell, TRIALS, seed=1)[Standing.BETTER] for cell in cells]
    assert sum(found) <= 0.05 * TRIALS * len(cells)
    # A cell of its own: 5 % of 60 are 3, and more than 9 of them would be a chance of 1 in 1,000.
    assert max(found) <= 9


@pytest.mark.parametrize(
    ("clusters", "rate", "name", "least"),
    [
        (200, 0.5, "parses better, answers alike", 0.9),
        (100, 0.5, "parses better, ranks better", 0.9),
        (500, 0.5, "parses better", 0.9),
        (20, 0.05, "parses always and ranks perfectly", 0.9),
        (50, 0.5, "parses better, answers alike", 0.5),
    ],
)
def test_large_wins_are_found_where_there_are_data(clusters, rate, name, least):
    cell = Cell(clusters, rate, effects(rate)[name])
    assert cell.large
    assert simulate(cell, TRIALS, seed=2)[Standing.BETTER] >= least * TRIALS


def test_five_harmful_arms_at_once_are_no_more_dangerous():
    arms = [effect.arm for effect in Effect.all(0.2) if Cell(100, 0.2, effect).harmful(MARGIN)][:5]
    found = verdicts(100, Side(0.2, SKILL), arms, 100, seed=3)
    assert found[Standing.BETTER] <= 10


def test_what_the_grid_calls_harm_and_large_wins():
    named = effects(0.5)
    harmful = {name for name, effect in named.items() if Cell(8, 0.5, effect).harmful(MARGIN)}
    large = {name for name, effect in named.items() if Cell(8, 0.5, effect).large}
    assert {"equal", "parses always, random order", "parses always, reversed order"} <= harmful
    assert "parses better, quality lower by the margin" in harmful
    assert {"parses better", "parses always and ranks perfectly"} <= large
    assert not harmful & large
    assert "parses better, quality lower by .02" not in harmful | large
    assert len(list(grid())) == len(CLUSTERS) * len(PARSE) * len(named)


@pytest.mark.parametrize(
    "arm", [Side(0.3, 0.6), Side(0.9, -0.9), Side(1.0, None), Side(0.5, 0.8, agree=1, reversed=0.125)]
)
def test_worlds_are_what_they_say(arm):
    """Means over many questions come back as the truth that a side states."""
    base, own = draw(np.random.default_rng(0), cluster_of(20_000), Side(0.5, SKILL), [arm])
    assert base["useful_q"].mean() == pytest.approx(Side(0.5, SKILL).useful, abs=0.015)
    assert own["parse_rate"].mean() == pytest.approx(arm.parse, abs=0.015)
    assert np.nanmean(own["q"]) == pytest.approx(arm.quality, abs=0.015)
    assert np.nanmean(own["common_q"] - base["common_q"]) == pytest.approx(
        arm.quality - Side(0.5, SKILL).quality, abs=0.02
    )
    assert np.isnan(own["common_q"]).mean() > 0.4
    assert np.linspace(1, 0, 5).mean() == CHANCE


def test_the_page_has_every_cell(monkeypatch):
    results = [Result(cell, 4, {Standing.BETTER: 1, Standing.NOT_SHOWN: 3}) for cell in grid()]
    assert len(table(results, "harm")) == 2 + len(CLUSTERS) * 10
    monkeypatch.setattr("benchmarks.verdict.verdicts", lambda *args: {Standing.BETTER: 1})
    text = page(results, list(families(4)), 4)
    assert "Harmful recommendations: 25.00 % over 300 cells" in text
    assert "75 % at 8 clusters" in text
