"""From accepted values to an answer, and what those values say of the documents."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final

from listeval import Accepted, Call, Document, Expected, argument_fault


class _Absent(Enum):
    """An argument that is left out; null is a value."""

    ABSENT = 0


_ABSENT: Final = _Absent.ABSENT


def answer(calls: Sequence[Call]) -> str:
    """The text of an answer that makes these calls, as most models write JSON."""
    return json.dumps([{"name": call.name, "arguments": call.arguments} for call in calls], ensure_ascii=False)


def best_calls(expected: Sequence[Expected], documents: Mapping[str, Document]) -> list[Call]:
    """A call for each expected one, with the first accepted values that the checker takes, documented ones first."""
    return [_best_call(name, accepted, documents.get(name)) for call in expected for name, accepted in call.items()]


def contradicted(expected: Sequence[Expected], documents: Mapping[str, Document]) -> dict[str, list[str]]:
    """By function, the parameters whose answers contradict their documents.

    The checker takes a value of another type than the documented one, or takes no value that the
    document allows. A contract that held a model to such a type would refuse the right answer.
    """
    found: dict[str, list[str]] = {}
    for call in expected:
        for name, accepted in call.items():
            if name in documents:
                names = _contradicted(accepted, documents[name])
                found[name] = sorted({*found.get(name, ()), *names})
    return {name: names for name, names in found.items() if names}


def _best_call(name: str, accepted: Mapping[str, Accepted], document: Document | None) -> Call:
    if document is None:
        return Call(name, {parameter: options[0] for parameter, options in accepted.items() if options})
    chosen = {parameter: _best(parameter, options, document) for parameter, options in accepted.items()}
    return Call(name, {parameter: value for parameter, value in chosen.items() if value is not _ABSENT})


def _best(parameter: str, options: Accepted, document: Document) -> Any:
    if parameter not in document.parameters:
        return _ABSENT
    taken = _taken(options, document.parameters[parameter])
    documented = [value for value in taken if document.allows(parameter, value)]
    if documented and documented[0] != "":
        return documented[0]
    if "" in options and parameter not in document.required:
        return _ABSENT
    # What no answer satisfies still gets the value that its author had in mind.
    return next(iter([*taken, *map(_first_values, options)]), _ABSENT)


def _contradicted(accepted: Mapping[str, Accepted], document: Document) -> list[str]:
    names = []
    for parameter, options in accepted.items():
        taken = _taken(options, document.parameters[parameter]) if parameter in document.parameters else []
        if not taken:
            continue
        optional = "" in options and parameter not in document.required
        none_documented = not optional and not any(document.allows(parameter, value) for value in taken)
        if none_documented or not all(document.allows_type(parameter, value) for value in taken):
            names.append(parameter)
    return names


def _taken(options: Accepted, node: Mapping[str, Any]) -> list[Any]:
    """The values among the accepted ones that the checker takes, in order."""
    values: list[Any] = []
    for option in options:
        if isinstance(option, (list, dict)):
            values.append(_first_values(option))
        if option != "":
            values.append(option)
    values += [""] if "" in options else []
    return [value for value in values if argument_fault(value, options, node) is None]


def _first_values(option: Any) -> Any:
    """An accepted value; of an object, which has accepted values for each key, the first of each."""
    if isinstance(option, list) and option and all(isinstance(item, dict) for item in option):
        return [_first_values(item) for item in option]
    if not isinstance(option, dict):
        return option
    lists = {key: accepted for key, accepted in option.items() if isinstance(accepted, list)}
    firsts = {key: next((v for v in accepted if v != ""), _ABSENT) for key, accepted in lists.items()}
    return {key: value for key, value in firsts.items() if value is not _ABSENT}
