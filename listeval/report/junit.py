"""JUnit XML of gates, which every CI system draws: a suite a run or a comparison, a case a gate."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import NamedTuple

from listeval.report.gates import CheckedGate
from listeval.visible import visible

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 (section 2.2) has no way to write, escaped or not."""


class Suite(NamedTuple):
    """What was held to the gates: a run, or a comparison by the names of its arms."""

    name: str
    checked: Sequence[CheckedGate]
    left_out: int
    """Rows in the directory that are not the run's own."""
    errored: int | None = None
    """Samples of the run without an answer, those without a row among them; a comparison pairs what has one."""
    error: str = ""
    """Why there is no run to hold to any gate; empty where there is one."""


def junit(suites: Sequence[Suite]) -> bytes:
    """The document. A missed gate is a failure; samples without an answer, foreign rows and a failed run are errors."""
    root = ET.Element("testsuites", _counts(suites))
    for suite in suites:
        element = ET.SubElement(root, "testsuite", {"name": _text(suite.name)} | _counts([suite]))
        _samples(element, suite)
        for one in suite.checked:
            name = f"{one.subject}: fails if {one.gate.text}"
            case = _case(element, suite, name)
            if one.missed:
                ET.SubElement(case, "failure", type="gate", message=_text(one.line)).text = _text(one.line)
            else:
                ET.SubElement(case, "system-out").text = _text(one.line)
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _samples(element: ET.Element, suite: Suite) -> None:
    """The case that stands for exit code 1."""
    answered = "" if suite.errored is None else "every sample has an answer, and "
    case = _case(element, suite, "the run is made" if suite.error else f"{answered}every row is the run's own")
    if suite.error:
        ET.SubElement(case, "error", type="run", message=_text(suite.error)).text = _text(suite.error)
    elif _broken(suite):
        said = f"{suite.errored or 0} samples without an answer, {suite.left_out} rows are not the run's own"
        ET.SubElement(case, "error", type="samples", message=said).text = said


def _case(element: ET.Element, suite: Suite, name: str) -> ET.Element:
    return ET.SubElement(element, "testcase", {"classname": _text(suite.name), "name": _text(name), "time": "0"})


def _broken(suite: Suite) -> bool:
    return bool(suite.error) or (suite.errored or 0) + suite.left_out > 0


def _counts(suites: Sequence[Suite]) -> dict[str, str]:
    return {
        "tests": str(sum(1 + len(suite.checked) for suite in suites)),
        "failures": str(sum(one.missed for suite in suites for one in suite.checked)),
        "errors": str(sum(map(_broken, suites))),
        "skipped": "0",
    }


def _text(text: str) -> str:
    return _NOT_XML.sub("�", visible(text))
