"""Whether the calls of an answer are those asked for, by the rules of BFCL's AST checker for Python.

As many calls as expected, each of which takes the first call left that satisfies it, whatever
their order (`bfcl_eval` 2026.3.23, `ast_checker.py`; a single expected call is the same rule).
The rules for an argument's value are in `arguments`. No rule depends on the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from pydantic_core import to_json

from listeval.contract import Call
from listeval.contract.diagnose import quote
from listeval.contract.documents import Document
from listeval.scoring.arguments import Accepted, argument_fault
from listeval.visible import shortened

Expected = Mapping[str, Mapping[str, Accepted]]
"""One expected call, `{function: {parameter: [accepted values]}}`, with exactly one function."""


class CallVerdict(StrEnum):
    """What became of an answer that keeps its contract. Of several faults the first in the order of checking counts."""

    OK = "ok"
    NO_CALL = "no_call"
    WRONG_COUNT = "wrong_count"
    WRONG_FUNCTION = "wrong_function"
    MISSING_ARGUMENT = "missing_argument"
    UNEXPECTED_ARGUMENT = "unexpected_argument"
    WRONG_ARGUMENT_TYPE = "wrong_argument_type"
    WRONG_ARGUMENT_VALUE = "wrong_argument_value"


class CallFinding(NamedTuple):
    """A verdict and, where it is not `ok`, one line on what is at fault."""

    verdict: CallVerdict
    detail: str = ""


_RIGHT = CallFinding(CallVerdict.OK)
_LONGEST = 40


def check_calls(calls: Sequence[Call], expected: Sequence[Expected], documents: Mapping[str, Document]) -> CallFinding:
    """The verdict on `calls`, whose arguments are dicts. An empty list is an answer without a call."""
    if not calls:
        return CallFinding(CallVerdict.NO_CALL, f"no call where {len(expected)} are due")
    if len(calls) != len(expected):
        return CallFinding(CallVerdict.WRONG_COUNT, f"{len(calls)} calls where {len(expected)} are due")
    left = list(calls)
    for wanted in expected:
        findings: list[CallFinding] = []
        for at, call in enumerate(left):
            finding = check_call(call, wanted, documents)
            if finding is _RIGHT:
                del left[at]
                break
            findings.append(finding)
        else:
            return _closest(findings)
    return _RIGHT


def check_call(call: Call, expected: Expected, documents: Mapping[str, Document]) -> CallFinding:
    """The verdict on one call for one expected call."""
    ((name, accepted),) = expected.items()
    document = documents.get(name)
    if document is None or call.name != name:
        return CallFinding(CallVerdict.WRONG_FUNCTION, f"{quote(call.name)} where {quote(name)} is due")
    absent = next((parameter for parameter in document.required if parameter not in call.arguments), None)
    if absent is not None:
        return _missing(name, absent)
    for parameter, value in call.arguments.items():
        if parameter not in document.parameters or parameter not in accepted:
            return CallFinding(
                CallVerdict.UNEXPECTED_ARGUMENT, f"{quote(name)} was to be called without {quote(parameter)}"
            )
        fault = argument_fault(value, accepted[parameter], document.parameters[parameter])
        if fault:
            detail = (
                f"{quote(name)}: {quote(parameter)} is {_shown(value)}, accepted: {_all_shown(accepted[parameter])}"
            )
            return CallFinding(CallVerdict(fault), detail)
    for parameter, options in accepted.items():
        if parameter not in call.arguments and "" not in options:
            return _missing(name, parameter)
    return _RIGHT


def _closest(findings: Sequence[CallFinding]) -> CallFinding:
    """Of the faults of several calls, that of the first one with the right name."""
    named = (finding for finding in findings if finding.verdict is not CallVerdict.WRONG_FUNCTION)
    return next(named, findings[0])


def _missing(name: str, parameter: str) -> CallFinding:
    return CallFinding(CallVerdict.MISSING_ARGUMENT, f"{quote(name)} lacks {quote(parameter)}")


def _shown(value: Any) -> str:
    return shortened(to_json(value, inf_nan_mode="constants").decode(), _LONGEST)


def _all_shown(options: Accepted) -> str:
    named = ["left out" if option == "" else _shown(option) for option in options[:3]]
    return (", ".join(named) or "nothing") + (", ..." if len(options) > 3 else "")
