"""Curves of runs that differ in one number among their task's options: figures with intervals against it.

Which runs belong to one curve is read from their manifests, so it does not matter how they came about. The default
budget of an answer follows from the options, so it may differ along a curve.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from listeval.runs.figures.columns import FMC, PARSE_RATE, USEFUL, first_useful
from listeval.runs.figures.order_figures import STABILITY
from listeval.runs.manifest import hash_json
from listeval.runs.scope import scope_of
from listeval.runs.store import Run
from listeval.stats.intervals import Interval
from listeval.suites.curve_names import name_curves

_BY_POINT = ("options", "max_tokens", "clock", "out")
"""Fields of a configuration that differ along a curve."""


class CurvePoint(NamedTuple):
    """One run: `x` is its value of the option, `figures` are those that the curve shows."""

    x: float
    run: Run
    figures: Mapping[str, Interval]


class Curve(NamedTuple):
    """Points in the order of `option`, of runs that are alike but for it; `name` says what they have in common, and no
    other curve of the option has it."""

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
    alike: dict[str, list[Run]] = {}
    for run in runs:
        if _is_number(_options(run).get(option)):
            alike.setdefault(_but_for(option, run), []).append(run)
    found = [points for group in alike.values() for points in _lines(option, group) if len(points) > 1]
    names = name_curves(option, [list(points.values()) for points in found])
    return [_curve(option, name, points) for name, points in zip(names, found, strict=True)]


def _lines(option: str, runs: Sequence[Run]) -> list[dict[float, Run]]:
    """Runs of one hash, by value. Where two have one value, it takes more to tell whose points they are."""
    lines = [list(runs)]
    for part in (_setup, _budget):
        lines = [own for line in lines for own in (_parted(option, line, part) if _meets(option, line) else [line])]
    return [_by_value(option, line) for line in lines]


def _meets(option: str, runs: Sequence[Run]) -> bool:
    return len(_by_value(option, runs)) < len(runs)


def _by_value(option: str, runs: Sequence[Run]) -> dict[float, Run]:
    found: dict[float, Run] = {}
    for run in runs:
        found.setdefault(float(_options(run)[option]), run)
    return found


def _parted(option: str, runs: Sequence[Run], part: Callable[[Run], object]) -> list[list[Run]]:
    """By `part`; of what would be no curve by itself the runs stay together."""
    groups: dict[object, list[Run]] = {}
    for run in runs:
        groups.setdefault(part(run), []).append(run)
    whole = [group for group in groups.values() if len(_by_value(option, group)) > 1]
    return [*whole, [run for group in groups.values() if len(_by_value(option, group)) == 1 for run in group]]


def _setup(run: Run) -> str:
    """What no row follows from, such as a server's address; it may differ along a curve that was not made at once."""
    made = run.manifest
    return hash_json([made.model.title, made.config.model_dump(mode="json", exclude={*_BY_POINT})])


def _budget(run: Run) -> int | None:
    return run.manifest.config.max_tokens


def _curve(option: str, name: str, points: Mapping[float, Run]) -> Curve:
    runs = list(points.values())
    wanted = [PARSE_RATE, *([FMC] if runs[0].manifest.task.has_ids else [])]
    first = first_useful(runs[0].metrics, lambda metric: any(run.summary.measures(metric) for run in runs))
    wanted += [] if first is None else [USEFUL + first]
    wanted += [STABILITY] if all(run.order for run in runs) else []
    found = [CurvePoint(x, points[x], _figures(points[x], wanted)) for x in sorted(points)]
    return Curve(option, name, found)


def _figures(run: Run, wanted: Sequence[str]) -> dict[str, Interval]:
    known = run.estimates | run.summary.metrics
    return {name: known[name] for name in wanted if name in known}


def _but_for(option: str, run: Run) -> str:
    """Hash of all that the run's rows follow from and of what was asked for, without the option and what follows it."""
    identity = run.manifest.identity
    task = dict(identity.get("task") or {})
    options: dict[str, Any] = run.manifest.task.behind_rows()["options"]
    task["options"] = {name: value for name, value in options.items() if name != option}
    sampling = {name: value for name, value in (identity.get("sampling") or {}).items() if name != "max_tokens"}
    return hash_json([{**identity, "task": task, "sampling": sampling}, *scope_of(run.manifest.config)])


def _options(run: Run) -> dict[str, Any]:
    return run.manifest.task.options


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _json(value: Interval) -> dict[str, float | None]:
    return {name: None if x != x else x for name, x in value._asdict().items()}
