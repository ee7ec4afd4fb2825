"""Figures against a number in which runs differ: K and other options of the task, λ of the training, seeds, budgets.

Runs that are alike in everything else are the points of one line. A λ is read where `listeval train` left it: in the
`training.json` beside a checkpoint's weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from listeval.comparison.training import training_lambda
from listeval.report.page.axis import Axis, around, at_points
from listeval.runs.figures import as_text, words
from listeval.runs.metrics import seed_values
from listeval.runs.told_apart import data_words, short
from listeval.stats.intervals import Interval

if TYPE_CHECKING:
    from listeval.runs import Run

LAMBDA, SEED, BUDGET = "λ", "seed", "max tokens"
_TOLD = ("system", "enable_thinking", "chat_template_arg", "dtype", "spacing", "reask", "engine_arg")
"""Further keys of a configuration that change answers."""
_STYLES = 6
"""Lines that look different; a further one looks like the first again, and its name tells it."""


class Dot(NamedTuple):
    """A point: its place on the drawing of 100 by 100 from the lower left, its interval's ends, and its words."""

    x: float
    y: float
    low: float
    high: float
    text: str


class Line(NamedTuple):
    """The runs that are alike but for the setting, in its order."""

    name: str
    style: int
    dots: list[Dot]


class CurvePlot(NamedTuple):
    """One figure against one setting."""

    figure: str
    setting: str
    x: Axis
    y: Axis
    lines: list[Line]

    @property
    def joined(self) -> bool:
        """Whether points follow each other; seeds have an order, but no distance."""
        return self.setting != SEED


class SettingPoint(NamedTuple):
    """A run's values at one place of a setting."""

    line: str
    x: float
    values: Mapping[str, Interval]


def curves(runs: Sequence[Run], values: Sequence[Mapping[str, Interval]], names: Sequence[str]) -> list[CurvePlot]:
    """A plot of each of the figures `names` against each setting that makes a line; `values` are by run."""
    found = []
    for setting, points in _settings(runs, values):
        plots = [plot(name, setting, points) for name in names]
        found += [plot for plot in plots if plot.lines]
    return found


def _settings(
    runs: Sequence[Run], values: Sequence[Mapping[str, Interval]]
) -> Iterator[tuple[str, list[SettingPoint]]]:
    traits = [_traits(run) | {"data": data} for run, data in zip(runs, data_words(runs), strict=True)]
    for setting in dict.fromkeys(name for own in traits for name, value in own.items() if isinstance(value, float)):
        apart = _apart(setting, traits)
        points = []
        for own, figures in zip(traits, values, strict=True):
            x = own.get(setting)
            if isinstance(x, float):
                points.append(SettingPoint(_rest(own, apart), x, figures))
        if any(len({p.x for p in points if p.line == line}) > 1 for line in {p.line for p in points}):
            yield setting, points
    seeds = [
        SettingPoint(
            run.path.resolve().name, float(seed), {name: Interval(x, math.nan, math.nan) for name, x in own.items()}
        )
        for run in runs
        for seed, own in seed_values(run.judged, run.metrics).items()
    ]
    if seeds:
        yield SEED, seeds


def _traits(run: Run) -> dict[str, float | str]:
    """What a run may differ in: numbers, which an axis can have, and words."""
    config, manifest = run.manifest.config, run.manifest
    found: dict[str, float | str] = {}
    for name, value in manifest.task.options.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        found[name] = float(value) if number else str(value)
    lam = training_lambda(manifest.model.path)
    # Checkpoints along λ are models of different names; that is the setting itself, not another line.
    found |= {"model": manifest.model.title} if lam is None else {LAMBDA: lam}
    found |= {"constraint": manifest.constraint, "engine": manifest.backend.name, "task": manifest.task.name}
    found |= {"temperature": config.temperature, BUDGET: float(config.max_tokens or 0)}
    found |= {"attempts": float(config.attempts)}
    told = {name: getattr(config, name) for name in _TOLD}
    found |= {name.replace("_", " "): short(value) for name, value in told.items() if value is not None}
    # How much of the data was asked for is no setting: as a word, it parts lines and is no axis.
    found |= {"limit": str(config.limit or "none"), "samples": short(",".join(config.samples) or "all")}
    found |= {} if config.places is None else {"places": short(config.places)}
    seeds = config.seeds
    return found | ({SEED: float(seeds[0])} if len(seeds) == 1 else {"seeds": ",".join(map(str, seeds))})


def _apart(setting: str, traits: Sequence[Mapping[str, float | str]]) -> list[str]:
    """What tells lines apart: everything but the setting in which runs differ.

    Budgets follow a setting, so they tell nothing but where runs that are else alike have several.
    """
    names = dict.fromkeys(name for own in traits for name in own)
    found = [name for name in names if name != setting and len({own.get(name) for own in traits}) > 1]
    without = [name for name in found if name != BUDGET]
    places: dict[tuple[object, ...], set[object]] = {}
    for own in traits:
        places.setdefault(tuple(map(own.get, (setting, *without))), set()).add(own.get(BUDGET))
    return found if any(len(budgets) > 1 for budgets in places.values()) else without


def _rest(own: Mapping[str, float | str], apart: Sequence[str]) -> str:
    """What a run's line is called: that of it which is told `apart`."""
    there = {name: own[name] for name in apart if name in own}
    return ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in there.items()
    )


def plot(figure: str, setting: str, points: Sequence[SettingPoint]) -> CurvePlot:
    """One figure of `points` against `setting`, a line for each name; a line of a single point is left out."""
    there = [p for p in points if figure in p.values and not math.isnan(p.values[figure].value)]
    x = at_points([p.x for p in there])
    scale, unit = (100.0, " %") if as_text.is_rate(figure) else (1.0, "")
    y = around(
        [limit for p in there for limit in p.values[figure]], scale=scale, unit=unit, most=1.0 if unit else math.inf
    )
    lines = []
    for at, name in enumerate(dict.fromkeys(p.line for p in there)):
        own = sorted((p for p in there if p.line == name), key=lambda p: p.x)
        lines.append(Line(name, at % _STYLES, [_dot(figure, setting, p, x, y) for p in own]))
    return CurvePlot(words.title(figure), setting, x, y, [line for line in lines if len(line.dots) > 1])


def _dot(figure: str, setting: str, point: SettingPoint, x: Axis, y: Axis) -> Dot:
    value = point.values[figure]
    low, high = (math.nan, math.nan) if math.isnan(value.low) else (y.at(value.low), y.at(value.high))
    said = f"{setting} {point.x:g}: {as_text.interval(figure, value)}"
    return Dot(x.at(point.x), y.at(value.value), low, high, said)
