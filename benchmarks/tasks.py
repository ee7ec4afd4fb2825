"""What an answer costs beside the engine, task by task: contract, parse and score of gold answers, in microseconds.

Gold answers pass every check, so they cost most. The contract is built for each answer, as in a run and in a re-score.
`mbpp` is measured up to the program's start: its execution is the benchmark `sandbox`. Tokenising a prompt is not in
here (`first_prompt`), nor is the journal (`overhead`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, islice

from listeval.plugins.open import make_task

from benchmarks.harness import Contender, Report, arguments, interleave, publish
from listeval.contract import Parsed
from listeval.task import Example, Task

TASKS = ("fashion", "baby", "software", "msmarco", "gsm8k", "bfcl", "mbpp")
ANSWERS = 1000
TOGETHER = 16
"""Answers that arrive together and are scored in one call."""
LIMIT_US = 200.0


def main() -> None:
    """Time all tasks in turn on their bundled samples; publish."""
    options = arguments(__doc__)
    report = Report("tasks")
    tasks = [make_task(name, {}) for name in TASKS]
    seconds = interleave([contender(task) for task in tasks], rounds=options.rounds)
    for name, found in seconds.items():
        report.figure(f"{ANSWERS:,} gold answers", name, found, "us a sample", LIMIT_US)
    publish(report, ["pydantic", "pydantic-core", "numpy"], dry=options.dry)


def contender(task: Task) -> Contender:
    """Contract, parse and score of gold answers to the task's sample, repeated up to `ANSWERS`."""
    examples = list(islice(cycle(task.load(None, 0).examples), ANSWERS))
    answers = [(example, task.gold(example.target)) for example in examples]

    def whole() -> None:
        for start in range(0, ANSWERS, TOGETHER):
            _judge(task, answers[start : start + TOGETHER])

    return Contender(task.name, whole, ANSWERS)


def _judge(task: Task, answers: Sequence[tuple[Example, str]]) -> None:
    found = [(example.target, task.contract(example.target).parse(text)) for example, text in answers]
    parsed = [(target, result.value) for target, result in found if isinstance(result, Parsed)]
    if not task.executes_code:
        task.score([target for target, _ in parsed], [value for _, value in parsed])


if __name__ == "__main__":
    main()
