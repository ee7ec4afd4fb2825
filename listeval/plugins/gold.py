"""The check of gold answers: each parses and scores best, whichever way a metric goes, and others do not score better.

Best is the highest possible value of a metric, or the lowest where less is better; a metric without that bound has no
best. Other answers are the gold answers of other examples and, of a list, the gold answer with its values in reverse:
what parses and is not the gold answer. They show whether a metric tells right from wrong, and which way it goes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from listeval.contract import Contract, Failure, KeyedList
from listeval.task import Example, Metric, Task, Unscored, Verdict

_NEAR = 1e-9
_MOST_OTHERS = 64
"""Other answers that are tried; code of a model may have to run for each."""


class GoldFault(Exception):
    """What is wrong with the task, in a sentence."""


class _Tested(NamedTuple):
    """A metric and the value of a best answer."""

    metric: Metric
    best: float

    def short(self, value: float) -> bool:
        """Whether a value is not the best."""
        return abs(value - self.best) > _NEAR

    def beyond(self, value: float) -> bool:
        """Whether a value is better than the best."""
        return (self.best - value if self.metric.less_is_better else value - self.best) > _NEAR


def check_gold(task: Task, examples: Sequence[Example]) -> str:
    """What was checked, in a sentence. Raises GoldFault, and whatever the task raises."""
    values = [_parsed(task, example) for example in examples]
    tested = _tested(task.metrics)
    labelled = [at for at, example in enumerate(examples) if task.labelled(example.target)]
    given = _scores(task, [(examples[at], values[at]) for at in labelled])
    for at, (found, said) in zip(labelled, given, strict=True):
        if short := _below_best(found, tested):
            raise GoldFault(f"the gold answer of '{examples[at].id}' scores {short}{said}")
    known = set(labelled)
    pairs = [(at, value) for at, value in _others(task, examples, values) if at in known][:_MOST_OTHERS]
    others = _scores(task, [(examples[at], value) for at, value in pairs], lenient=True)
    gold = {at: found for at, (found, _) in zip(labelled, given, strict=True)}
    tried = [(examples[at].id, gold[at], found) for (at, _), (found, _) in zip(pairs, others, strict=True) if found]
    worse = _worse(tried, tested)
    _directions(tried, task.metrics, tested)
    unlabelled = len(examples) - len(labelled)
    return (
        f"{len(labelled)} gold answers parse and score {_best_in_words(tested)}"
        + (f"; {unlabelled} parse, and no answer to them is right or wrong" if unlabelled else "")
        + (f"; {worse} of {len(tried)} other answers score worse, none better" if tried else "")
    )


def _tested(metrics: Sequence[Metric]) -> list[_Tested]:
    """The metrics whose best value is known: the lowest where less is better, else the highest if it is 1 or useful."""
    if wrong := next((metric for metric in metrics if metric.useful and metric.less_is_better), None):
        raise GoldFault(f"{wrong.name} counts a failure as 0 (useful), which is best where less is better: choose one")
    found = []
    for metric in metrics:
        low, high = metric.bounds or (None, None)
        if metric.less_is_better and low is not None and math.isfinite(low):
            found.append(_Tested(metric, low))
        elif (
            not metric.less_is_better and high is not None and (high == 1.0 or (metric.useful and math.isfinite(high)))
        ):
            found.append(_Tested(metric, high))
    if not found:
        raise GoldFault("no metric has bounds (..., 1.0), so nothing says what a best answer scores")
    return found


def _parsed(task: Task, example: Example) -> Any:
    contract = task.contract(example.target)
    if lax := contract.laxity():
        raise GoldFault(lax)
    result = contract.parse(task.gold(example.target))
    if isinstance(result, Failure):
        raise GoldFault(f"the gold answer of '{example.id}' is {result.kind.value}: {result.detail}")
    return result.value


def _scores(
    task: Task, answers: Sequence[tuple[Example, Any]], *, lenient: bool = False
) -> list[tuple[Mapping[str, float], str]]:
    """Of every answer its scores, and the task's own word on it; of an unscored one none, where that is allowed."""
    if not answers:
        return []
    found: list[tuple[Mapping[str, float], str]] = []
    scored = task.score([example.target for example, _ in answers], [value for _, value in answers])
    for (example, _), given in zip(answers, scored, strict=True):
        if isinstance(given, Unscored) and not lenient:
            raise GoldFault(f"the gold answer of '{example.id}' is unscored: {given.reason}")
        if isinstance(given, Unscored):
            found.append(({}, ""))
        elif isinstance(given, Verdict):
            found.append((given.scores, f" ({given.name}: {given.detail})"))
        else:
            found.append((given, ""))
    return found


def _below_best(scores: Mapping[str, float], tested: Sequence[_Tested]) -> str:
    """The first metric that is not at its best, or all of them where none has a value; empty where all are."""
    values = [(one, scores[one.metric.name]) for one in tested]
    if all(math.isnan(value) for _, value in values):
        return "nothing: " + ", ".join(f"{one.metric.name} is undefined" for one, _ in values)
    one, value = next(((o, v) for o, v in values if o.short(v)), (None, math.nan))
    if one is None:
        return ""
    best = f", where {one.best:g} is best: less is better" if one.metric.less_is_better else ""
    return f"{one.metric.name} {value:g}{best}"


def _others(task: Task, examples: Sequence[Example], values: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    """Places of examples, and answers to them that parse and differ from the gold one."""
    golds = [task.gold(example.target) for example in examples]
    for at, example in enumerate(examples):
        contract = task.contract(example.target)
        for text in (golds[(at + 1) % len(golds)], _reversed(contract, golds[at])):
            result = contract.parse(text)
            if not isinstance(result, Failure) and result.value != values[at]:
                yield at, result.value


def _reversed(contract: Contract[Any], gold: str) -> str:
    """A list whose items have the values of the gold answer in reverse order; empty where the answer is no list."""
    if not isinstance(contract, KeyedList):
        return ""
    try:
        items = json.loads(gold)
        return json.dumps(
            [{**other, contract.key: item[contract.key]} for item, other in zip(items, reversed(items), strict=True)]
        )
    except (ValueError, TypeError, KeyError):
        return ""


_Tried = tuple[str, Mapping[str, float], Mapping[str, float]]
"""An example's id, the scores of its gold answer, and those of another answer."""


def _worse(tried: Sequence[_Tried], tested: Sequence[_Tested]) -> int:
    """How many other answers are worse than the gold one."""
    worse = 0
    for name, _, scores in tried:
        values = [(one, scores[one.metric.name]) for one in tested]
        if better := next(((one, value) for one, value in values if one.beyond(value)), None):
            one, value = better
            raise GoldFault(f"another answer to '{name}' scores {one.metric.name} {value:g}, better than {one.best:g}")
        worse += any(one.short(value) for one, value in values)
    if tried and not worse:
        names = ", ".join(one.metric.name for one in tested)
        raise GoldFault(f"{len(tried)} answers other than gold were tried, and all score as well as it ({names})")
    return worse


def _directions(tried: Sequence[_Tried], metrics: Sequence[Metric], tested: Sequence[_Tested]) -> None:
    """Raises GoldFault for a metric that is least for every gold answer and more for others, and does not say so."""
    for metric in metrics:
        low = metric.bounds[0] if metric.bounds else None
        if low is None or metric.less_is_better or any(one.metric is metric for one in tested):
            continue
        pairs = [(gold[metric.name], other[metric.name]) for _, gold, other in tried]
        known = [(gold, other) for gold, other in pairs if not math.isnan(gold + other)]
        if known and all(abs(gold - low) <= _NEAR for gold, _ in known) and any(other > low for _, other in known):
            said = f"{metric.name} is {low:g}, its least, for gold answers, and more for others"
            raise GoldFault(f"{said}: say Metric(..., less_is_better=True)")


def _best_in_words(tested: Sequence[_Tested]) -> str:
    """`1.0 (accuracy) and 0.0 where less is better (mae)`."""
    groups: dict[str, list[str]] = {}
    for one in tested:
        less = " where less is better" if one.metric.less_is_better else ""
        groups.setdefault(f"{one.best:.1f}{less}", []).append(one.metric.name)
    return " and ".join(f"{best} ({', '.join(names)})" for best, names in groups.items())
