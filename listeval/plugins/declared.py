"""What a task class says of itself, checked once when it is loaded: a slip there would surface as something else later.

`metrics = (Metric("hit"))` is one metric and no tuple: a comma is missing, and Python says nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from inspect import isclass
from typing import Any

from listeval.errors import UserError
from listeval.task import MOST, Metric, Task, TaskOptions

OURS = frozenset(
    {
        "n", "scored", "unscored", "errors", "prompt_too_long", "parse_rate", "bare_rate", "fmc", "kinds", "flags",
        "verdicts", "masked", "warnings", "by_seed", "raw_kinds", "further", "figures", "order", "files", "tokens",
        "rows_digest",
    }
)  # fmt: skip
"""Figures of every run, by the names that no metric can have beside them."""

_PLURAL = {"metrics": (Metric, "(Metric(...),)"), "verdicts": (str, '("right",)')}
"""Names of a tuple's elements, and how one with a single element is written."""


def check_declared(task: Task | type[Task], place: str) -> None:
    """Raises UserError with `place` for what the class `Task` asks for and this one does not say, or says wrongly.

    Of a class, what only its instances know (a property) is left for them.
    """
    name = getattr(task, "name", None)
    fault = next(_faults(task), None)
    if fault is not None:
        called = f"task '{name}'" if isinstance(name, str) else "the task"
        cause, fix = fault
        raise UserError(f"{called}: {cause}", place=place, fix=fix)


Fault = tuple[str, str]
"""What is wrong, and what to write."""


def _faults(task: Task | type[Task]) -> Iterator[Fault]:
    owner = task if isclass(task) else type(task)
    for method in sorted(owner.__abstractmethods__):
        yield f"it has no method '{method}'", f"write def {method}(self, ...) in its class"
    for name, kind, example in (
        ("name", str, '"my_task"'), ("version", int, "1"), ("summary", str, '"what it asks, in a few words"'),
        ("executes_code", bool, "False"), ("seeded", bool, "True"),
    ):  # fmt: skip
        value = _said(task, name)
        if value is None:
            yield f"it says no {name}", f"add {name} = {example} to its class"
        elif value is not ... and not (isinstance(value, str) if kind is str else type(value) is kind):
            yield f"its {name} is {_a(value)}, not {_of(kind)}", f"write {name} = {example}"
    for name in _PLURAL:
        yield from _elements(name, _said(task, name))
    metrics = _said(task, "metrics")
    if metrics is not None and metrics is not ...:
        yield from _metric_faults(metrics)
    options = _said(task, "Options")
    if options is not ... and not (isclass(options) and issubclass(options, TaskOptions)):
        yield f"its Options are {_a(options)}, not a TaskOptions", "write class Options(TaskOptions): ..."


def _said(task: Task | type[Task], name: str) -> Any:
    """What is declared; None where nothing is, and ... where only an instance knows."""
    value = getattr(task, name, None)
    return ... if isinstance(value, property | cached_property) else value


def _elements(name: str, value: Any) -> Iterator[Fault]:
    """Of a tuple of Metric or str."""
    kind, single = _PLURAL[name]
    write = f"write {name} = {single}: the comma makes it a tuple"
    if value is None:
        yield f"it says no {name}", f"add {name} = {single} to its class"
    elif isinstance(value, kind):
        yield f"its {name} are one {kind.__name__}, not a tuple of them", write
    elif value is not ... and not isinstance(value, tuple | list):
        yield f"its {name} are {_a(value)}, not a tuple of {kind.__name__}", write
    elif value is not ...:
        for at, one in enumerate(value):
            if not isinstance(one, kind):
                yield f"its {name}[{at}] is {_a(one)}, not a {kind.__name__}", write
        names = [one.name if isinstance(one, Metric) else one for one in value]
        yield from _twice(f"two of its {name} are called", [one for one in names if isinstance(one, str)])


def _metric_faults(metrics: Sequence[Metric]) -> Iterator[Fault]:
    for metric in metrics:
        for fault, fix in _of_metric(metric):
            yield f"its metric {metric.name!r} {fault}", fix
    yield from _twice("two of its metrics make the figure", [name for metric in metrics for name in _figures(metric)])


def _of_metric(metric: Metric) -> Iterator[Fault]:
    name, useful, bounds, at, less, more = metric
    if not isinstance(name, str) or not name:
        yield "has no name", 'write Metric("accuracy")'
    elif name in OURS:
        yield "is called as a figure of every run is", "give it another name"
    if not all(type(said) is bool for said in (useful, less, more)):
        fault = "has a useful, less_is_better or more_is_better that is neither True nor False"
        yield fault, "write Metric(..., useful=True)"
    elif less and more:
        yield "has less_is_better and more_is_better", "choose one"
    if not isinstance(at, tuple | list) or not all(type(k) is int and 1 <= k <= MOST for k in at):
        yield f"has at={at!r}, which are no counts", "write at=(1, 5): the comma makes it a tuple"
    if bounds is not None and (fault := _of_bounds(bounds)):
        yield f"has bounds={bounds!r}: {fault}", "write bounds=(0.0, 1.0), None for a side that is open"


def _of_bounds(bounds: Any) -> str:
    """What is wrong with them; empty for good ones. An infinite one is an open side."""
    if not isinstance(bounds, tuple | list) or len(bounds) != 2:
        return "they are the lowest and the highest value"
    low, high = bounds
    if not all(end is None or (isinstance(end, int | float) and not isinstance(end, bool)) for end in bounds):
        return "they are numbers"
    low, high = (-math.inf if low is None else low), (math.inf if high is None else high)
    if not low <= high or low == math.inf or high == -math.inf:
        return "the lowest value comes first"
    beyond = [end for end in (low, high) if abs(end) > MOST and end not in (math.inf, -math.inf)]
    return "no number of a run is beyond ±2^53" if beyond else ""


def _figures(metric: Metric) -> set[str]:
    """The names of what a report says of a sound metric."""
    return {
        metric.name,
        *([f"useful_{metric.name}"] if metric.useful else []),
        *(f"{metric.name}@{k}" for k in metric.at),
    }


def _twice(what: str, names: Sequence[str]) -> Iterator[Fault]:
    for name, n in Counter(names).items():
        if n > 1:
            yield f"{what} '{name}'", "give each its own name"


def _a(value: object) -> str:
    """What a value is, with the value itself where it is short."""
    return f"the class {value.__name__}" if isclass(value) else f"{_of(type(value))} ({value!r:.40})"


def _of(kind: type) -> str:
    return f"{'an' if kind.__name__[0] in 'aeiou' else 'a'} {kind.__name__}"
