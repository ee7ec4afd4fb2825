"""Makes requests over invented functions with the calls that meet them, in the task's own one-file form.

    python tasks/bfcl/generate.py --rows 40 --seed 7 > tasks/bfcl/sample.jsonl

A request is put together from the clauses of its calls, so what it asks for is known: a value
stands in it word for word, or in words whose accepted values are listed in `functions.json`.
An optional argument that the request does not speak of may be left out or have its default.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from listeval import write_rows

KINDS = ("simple_python", "multiple", "parallel", "parallel_multiple")
"""One function and one call, several functions, several calls, both; rows take turns."""

FUNCTIONS = 3
"""Functions to choose from, where there are several."""

_OPENINGS = ("Please {}.", "I need you to {}.", "Could you {}?", "{}.")

Scenario = Mapping[str, Any]
Call = tuple[str, dict[str, list[Any]]]
"""A clause of a request, and the accepted values of the arguments that it asks for."""


def generate(rows: int, seed: int) -> Iterator[dict[str, Any]]:
    """Rows `{"id", "category", "question", "function", "ground_truth"}`; a row depends on seed and number only."""
    for number in range(rows):
        rng = Random(f"{seed}/{number}")
        category = KINDS[number % len(KINDS)]
        known = [scenario for scenario in _scenarios() if scenario["parameters"] or "multiple" in category]
        documented = rng.sample(known, FUNCTIONS if "multiple" in category else 1)
        calls = _calls(rng, documented, rng.choice((2, 3)) if "parallel" in category else 1)
        request = rng.choice(_OPENINGS).format(_joined([clause for _, (clause, _) in calls]))
        yield {
            "id": f"sample_{category}_{number // len(KINDS)}",
            "category": category,
            "question": [[{"role": "user", "content": request[0].upper() + request[1:]}]],
            "function": [_document(scenario) for scenario in rng.sample(documented, len(documented))],
            "ground_truth": [{scenario["name"]: accepted} for scenario, (_, accepted) in calls],
        }


def _calls(rng: Random, documented: Sequence[Scenario], count: int) -> list[tuple[Scenario, Call]]:
    """Calls of the functions in turn, no clause twice."""
    found: dict[str, tuple[Scenario, Call]] = {}
    while len(found) < count:
        scenario = documented[len(found) % len(documented)]
        call = _call(rng, scenario)
        found[call[0]] = (scenario, call)
    return list(found.values())


def _call(rng: Random, scenario: Scenario) -> Call:
    words: dict[str, str] = {}
    accepted: dict[str, list[Any]] = {}
    clause = scenario["request"]
    for name, node in scenario["parameters"].items():
        extra = scenario["extras"].get(name)
        if extra is not None and rng.random() < 0.5:
            accepted[name] = ["", node["default"]] if "default" in node else [""]
            continue
        value = rng.choice(scenario["values"][name])
        spoken: dict[str, Any] = value if isinstance(value, dict) else {"text": str(value), "accepted": [value]}
        words[name], accepted[name] = spoken["text"], spoken["accepted"]
        clause += extra or ""
    return clause.format_map(words), accepted


def _document(scenario: Scenario) -> dict[str, Any]:
    parameters = {"type": "dict", "properties": scenario["parameters"], "required": scenario["required"]}
    return {"name": scenario["name"], "description": scenario["description"], "parameters": parameters}


def _joined(clauses: Sequence[str]) -> str:
    *before, last = clauses
    return f"{'; '.join(before)}; and {last}" if before else last


@cache
def _scenarios() -> list[Scenario]:
    found: list[Scenario] = json.loads(Path(__file__).with_name("functions.json").read_text(encoding="utf-8"))
    return found


def main() -> None:
    """Write rows as JSON lines to the standard output."""
    parser = argparse.ArgumentParser(description="Make requests over invented functions, with their calls.")
    parser.add_argument("--rows", type=int, default=40, help="default: 40")
    parser.add_argument("--seed", type=int, default=7, help="default: 7")
    arguments = parser.parse_args()
    write_rows(generate(arguments.rows, arguments.seed), sys.stdout.buffer)


if __name__ == "__main__":
    main()
