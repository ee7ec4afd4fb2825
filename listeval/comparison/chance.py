"""What a ranking is worth that knows nothing: the score of an answer that gives every item the same score.

Ranking metrics count tied scores by their mean over all orders of the tied items, so a constant answer has exactly the
expected value of a random order. Only answers that name items by id (`KeyedList`) are rankings; elsewhere there is no
chance to speak of.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from listeval.contract import Contract, KeyedList, Parsed
from listeval.errors import UserError, first_line
from listeval.plugins.open import make_task
from listeval.runs.entries import TaskEntry
from listeval.stats.intervals import Floats
from listeval.task import Target, Task, Verdict

_CONSTANT = 5


class Chance(NamedTuple):
    """`values` (n,) of each sample; None where the task ranks nothing, or where it is not known, and then `why`."""

    values: Floats | None
    why: str = ""


def chance(entry: TaskEntry, targets: Sequence[Target], metric: str | None) -> Chance:
    """The chance value of `metric` for each target; `entry` is the manifest's of the task."""
    if metric is None:
        return Chance(None)
    try:
        task = make_task(entry.name, entry.options)
        first = next(filter(task.labelled, targets), targets[0])
        contract = task.contract(first)
        if not isinstance(contract, KeyedList):
            return Chance(None)
        given = _given(task, first, contract)
        scores = task.score(targets, [_alike(task.contract(target), given) for target in targets])
        values = np.array([_value(found, metric) for found in scores])
        return Chance(None, f"{metric} is undefined on every sample") if np.isnan(values).all() else Chance(values)
    except UserError as error:
        return Chance(None, error.cause)
    except Exception as error:  # noqa: BLE001 - a plug-in may raise anything
        return Chance(None, f"task '{entry.name}' raised {first_line(error)}")


def _given(task: Task, target: Target, contract: KeyedList[Any]) -> dict[str, Any]:
    """What every item is given, as JSON values by field: what the gold answer gives its first item, but for numbers.

    They are 5 where the item's model takes that. Raises UserError for a gold answer that breaks its contract.
    """
    found = contract.parse(task.gold(target), "stop", None)
    if not isinstance(found, Parsed):
        raise UserError(f"the gold answer of task '{task.name}' does not keep its own contract")
    own: dict[str, Any] = found.value[0].model_dump(mode="json", exclude={contract.key}, exclude_unset=True)
    numbers = {name: type(value)(_CONSTANT) for name, value in own.items() if type(value) in (int, float)}
    try:
        _alike(contract, own | numbers)
    except ValueError:
        return own
    return own | numbers


def _alike(contract: Contract[Any], given: dict[str, Any]) -> list[Any]:
    """The list that gives the same to every id of a contract."""
    assert isinstance(contract, KeyedList), "the contracts of one task are of one shape"
    items = [{contract.key: name, **given} for name in contract.ids]
    return list(contract.validate(msgspec.json.encode(items).decode()))


def _value(found: object, metric: str) -> float:
    scores = found.scores if isinstance(found, Verdict) else found
    value = scores.get(metric) if isinstance(scores, dict) else None
    return math.nan if value is None else float(value)
