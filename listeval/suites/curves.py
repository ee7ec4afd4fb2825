"""Curves of runs that differ in one number among their task's options: figures with intervals against it.

Which runs belong to one curve is read from their manifests, so it does not matter how they came about. The default
budget of an answer follows from the options, so it may differ along a curve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from listeval.runs.figures.columns import FMC, PARSE_RATE, USEFUL, first_useful
from listeval.runs.figures.order_figures import STABILITY
from listeval.runs.manifest import hash_json
from listeval.runs.store import Run
from listeval.stats.intervals import Interval

_LIST = "KeyedList"


class CurvePoint(NamedTuple):
    """One run: `x` is its value of the option, `figures` are those that the curve shows."""

    x: float
    run: Run
    figures: Mapping[str, Interval]


class Curve(NamedTuple):
    """Points in the order of `option`, of runs that are alike but for it; `name` says what they have in common."""

    option: str
    name: str
    points: Sequence[CurvePoint]

    @property
    def figures(self) -> list[str]:
        """The names of the figures, in their order."""
        return list(self.points[0].figures)

    def to_json(self) -> dict[str, Any]:
        """JSON values; NaN becomes null."""
        return {
            "option": self.option,
            "name": self.name,
            "points": [
                {
                    self.option: point.x,
                    "run": str(point.run.path),
                    "n": point.run.summary.n,
                    **{name: _json(value) for name, value in point.figures.items()},
                }
                for point in self.points
            ],
        }


def curves(runs: Sequence[Run]) -> list[Curve]:
    """Every curve of at least two points, by option and then in the order of the runs."""
    options = dict.fromkeys(name for run in runs for name, value in _options(run).items() if _is_number(value))
    return [curve for option in options for curve in _curves(option, runs)]


def _curves(option: str, runs: Sequence[Run]) -> list[Curve]:
    alike: dict[str, dict[float, Run]] = {}
    for run in runs:
        value = _options(run).get(option)
        if value is not None and _is_number(value):
            alike.setdefault(_but_for(option, run), {}).setdefault(float(value), run)
    return [_curve(option, points) for points in alike.values() if len(points) > 1]


def _curve(option: str, points: Mapping[float, Run]) -> Curve:
    runs = list(points.values())
    wanted = [PARSE_RATE, *([FMC] if runs[0].manifest.task.contract in ("", _LIST) else [])]
    first = first_useful(runs[0].metrics, lambda metric: any(run.summary.measures(metric) for run in runs))
    wanted += [] if first is None else [USEFUL + first]
    wanted += [STABILITY] if all(run.order for run in runs) else []
    found = [CurvePoint(x, points[x], _figures(points[x], wanted)) for x in sorted(points)]
    return Curve(option, _name(runs[0], option), found)


def _figures(run: Run, wanted: Sequence[str]) -> dict[str, Interval]:
    known = run.estimates | run.summary.metrics
    return {name: known[name] for name in wanted if name in known}


def _name(run: Run, option: str) -> str:
    made = run.manifest
    rest = [f"{name}={value}" for name, value in made.config.options.items() if name != option]
    way = [] if made.constraint == "none" else [made.constraint]
    return ", ".join([" ".join([made.task.name, *rest]), Path(made.model.name.rstrip("/")).name, *way])


def _but_for(option: str, run: Run) -> str:
    """Hash of all that the run's rows follow from, without the option and what a task makes of it."""
    identity = run.manifest.identity
    task = dict(identity.get("task") or {})
    task["options"] = {name: value for name, value in _options(run).items() if name != option}
    sampling = {name: value for name, value in (identity.get("sampling") or {}).items() if name != "max_tokens"}
    return hash_json({**identity, "task": task, "sampling": sampling, "seeds": run.manifest.config.seeds})


def _options(run: Run) -> dict[str, Any]:
    return run.manifest.task.options


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _json(value: Interval) -> dict[str, float | None]:
    return {name: None if x != x else x for name, x in value._asdict().items()}
