"""Function calls: what an answer to `bfcl` costs beside the engine, step by step, on generated rows.

A contract is bound to each row's own function documents, so building it is part of an answer's cost, and a re-score
pays it again.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.harness import Contender, Report, arguments, interleave, publish
from listeval.contract import Parsed
from listeval.runs.plan import make_task
from listeval.task import Task
from tasks.bfcl.generate import generate

ROWS = 1000
LIMIT_US = 200.0
WHOLE = "contract, parse and score"


def main() -> None:
    """Time every step, and contract, parse and score as one; publish."""
    options = arguments(__doc__)
    report = Report("calls")
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "rows.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in generate(ROWS, seed=7)), encoding="utf-8")
        task = make_task("bfcl", {})
        seconds = interleave(contenders(task, str(data)), rounds=options.rounds)
    for name, found in seconds.items():
        report.figure(f"{ROWS:,} rows", name, found, "us a sample", LIMIT_US if name == WHOLE else None)
    publish(report, ["pydantic", "pydantic-core"], dry=options.dry)


def contenders(task: Task, data: str) -> list[Contender]:
    """The steps on gold answers, which all pass every check and so cost most."""
    examples = task.load(data, 0).examples
    answers = [(example.target, task.gold(example.target)) for example in examples]
    bound = [(task.contract(target), target, text) for target, text in answers]
    parsed = [(target, contract.parse(text)) for contract, target, text in bound]
    pairs = [(target, found.value) for target, found in parsed if isinstance(found, Parsed)]

    def whole() -> None:
        for target, text in answers:
            found = task.contract(target).parse(text)
            if isinstance(found, Parsed):
                task.score([target], [found.value])

    steps: dict[str, Callable[[], object]] = {
        "read the rows, bind prompts and targets": lambda: make_task("bfcl", {}).load(data, 0),
        "contract": lambda: [task.contract(target).noun for target, _ in answers],
        "contract's part of the row key": lambda: [contract.spec() for contract, _, _ in bound],
        "parse": lambda: [contract.parse(text).span for contract, _, text in bound],
        "score": lambda: task.score([target for target, _ in pairs], [value for _, value in pairs]),
        WHOLE: whole,
    }
    return [Contender(name, call, ROWS) for name, call in steps.items()]


if __name__ == "__main__":
    main()
