"""Named repairs of a list answer: pure functions from text to text that say what they did.

A repair is an arm of a comparison, never a step of a parser: the repaired text goes through the same contract, its
sample carries the flag `repaired`, and the raw rates stand beside the repaired ones.

- `truncation` closes a list that was cut off: what follows its last whole object goes, the bracket is closed; what
  stands around the list goes, too.
- `permutation` makes every id occur once: the first object of each id stays, duplicates, invented ids and objects that
  are no item go, absent ids are appended in input order with the lowest score of the answer.

Which bracket is the list, `usable` says: the one with the most input ids, not the outermost one, which may open in a
citation. Both leave a text alone that they cannot help (no list in it, not one usable object): a constant ranking made
of nothing would be an answer of ours, not of the model's.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from listeval.contract import KeyedList, Parsed
from listeval.contract.usable import find_list
from listeval.errors import UserError, did_you_mean


class Repaired(NamedTuple):
    """The text after a repair and what was done to it, in words; nothing done, the text is the one that came in."""

    text: str
    done: tuple[str, ...] = ()
    closed: bool = False
    """Whether a list that a token budget cut off is now complete."""


Policy = Callable[[KeyedList[Any], str], Repaired]


def repair(contract: KeyedList[Any], text: str, finish_reason: str, policies: Sequence[str]) -> Repaired:
    """The policies in order; an answer that keeps its contract is left alone.

    Raises UserError for a policy that does not exist.
    """
    now = Repaired(text)
    for name in policies:
        if isinstance(contract.parse(now.text, "stop" if now.closed else finish_reason), Parsed):
            break
        step = find_policy(name)(contract, now.text)
        now = Repaired(step.text, now.done + step.done, now.closed or step.closed)
    return now


def find_policy(name: str) -> Policy:
    """The policy of that name. Raises UserError where there is none."""
    if name not in POLICIES:
        raise UserError(f"unknown repair '{name}'", fix=did_you_mean(name, list(POLICIES)))
    return POLICIES[name]


def truncation(contract: KeyedList[Any], text: str) -> Repaired:
    """Close an unfinished list after its last whole object; cut what stands around a finished one."""
    found = find_list(contract, text)
    if found is None:
        return Repaired(text)
    done = ["cut off what stands before the list"] if text[: found.start].strip() else []
    if not found.bracket:
        return Repaired(f"[{', '.join(found.objects)}]", (*done, "put the objects into a list"), closed=True)
    if found.closed:
        done += ["cut off what follows the list"] if text[found.end :].strip() else []
        return Repaired(text[found.start : found.end], tuple(done), closed=True)
    done += ["dropped the unfinished object"] if text[found.end :].strip(" \t\r\n,") else []
    return Repaired(text[found.start : found.end] + "]", (*done, "closed the list"), closed=True)


def permutation(contract: KeyedList[Any], text: str) -> Repaired:
    """Every id once: the first object of each is kept, the absent ones follow with the lowest score."""
    kept, dropped = _first_of_each(contract, _entries(contract, text) or ())
    if not kept:
        return Repaired(text)
    absent = [name for name in contract.ids if name not in kept]
    lowest = _lowest(contract, list(kept.values()))
    rows = [*kept.values(), *({**lowest, contract.key: name} for name in absent)]
    done = [f"dropped {n} {what}" for what, n in dropped.items()]
    done += [f"appended {len(absent)} missing"] if absent else []
    fixed = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
    return Repaired(fixed, tuple(done) or ("wrote the list anew",))


POLICIES: Mapping[str, Policy] = {"permutation": permutation, "truncation": truncation}


def _entries(contract: KeyedList[Any], text: str) -> list[Any] | None:
    """What the text's list holds; None where it has no finished one that is JSON."""
    found = find_list(contract, text)
    if found is None or not (found.closed or not found.bracket):
        return None
    return _json_list(text[found.start : found.end] if found.bracket else f"[{','.join(found.objects)}]")


def _first_of_each(contract: KeyedList[Any], found: Sequence[Any]) -> tuple[dict[str, dict[str, Any]], Counter[str]]:
    """The first usable object of each id, and what else there was by its name and number."""
    kept: dict[str, dict[str, Any]] = {}
    dropped: Counter[str] = Counter()
    known, adapter = set(contract.ids), TypeAdapter(contract.item)
    for entry in found:
        try:
            item = adapter.validate_json(json.dumps(entry))
        except (ValidationError, ValueError):
            dropped["unusable"] += 1
            continue
        name = getattr(item, contract.key)
        if name in kept or name not in known:
            dropped["duplicate" if name in kept else "invented"] += 1
        else:
            kept[name] = entry
    return kept, dropped


def _lowest(contract: KeyedList[Any], kept: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The kept object that scores lowest in the first field that holds numbers in all; the last one without such."""
    for field in contract.item.model_fields:
        values = [_number(entry.get(field)) for entry in kept] if field != contract.key else []
        if values and None not in values:
            return kept[min(range(len(kept)), key=lambda at: values[at] or 0.0)]
    return kept[-1]


def _number(value: Any) -> float | None:
    try:
        return None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None


def _json_list(block: str) -> list[Any] | None:
    try:
        value = from_json(block)
    except (ValueError, TypeError):
        return None
    return value if isinstance(value, list) else None
