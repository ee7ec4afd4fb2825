"""The task's examples as token ids: prompts that all three models share, and right answers to warm up on.

Prompts are rendered once, by the harness' own renderer, so training sees the ids that an
evaluation sends. Whatever is longer than the models take is left out and counted, never cut:
a cut prompt has lost review ids, and no answer to it can keep the contract.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from listeval.errors import UserError
from listeval.models.checkpoint import end_of_turn

if TYPE_CHECKING:
    from listeval.contract import Contract
    from listeval.models.checkpoint import Checkpoint
    from listeval.task import Example, Task
    from listopd.recipe import Length, Recipe

T = TypeVar("T")

_FLAG = re.compile(r"--set (?=\w)|--set\b|--(data|task)\b(?: (?=[^\sa-z]))?")
"""What `listeval run` is told by flags and a recipe by its keys, with the blank before a value."""


class Question(NamedTuple):
    """One example: its prompt's ids, the ids of the right answer with the stop token behind, and its contract."""

    id: str
    prompt: tuple[int, ...]
    gold: tuple[int, ...]
    contract: Contract[Any]
    key: int
    """Its place in the data: with the recipe's seed and the step, what its rollout's random numbers come from."""


class Questions(NamedTuple):
    """The training part of the data, and what was counted on the way."""

    kept: Sequence[Question]
    source: str
    fingerprint: str
    counts: dict[str, int]


@contextmanager
def _by_key() -> Iterator[None]:
    """A UserError of a task from within names keys of a recipe, not the flags of `listeval run`, which tasks know."""
    try:
        yield
    except UserError as error:
        error.cause, error.place, error.fix = (_FLAG.sub(_key, said) for said in (error.cause, error.place, error.fix))
        raise


def _key(flag: re.Match[str]) -> str:
    if flag[1] is None:
        return "options." if flag[0].endswith(" ") else "options"
    return flag[1] + ("=" if flag[0].endswith(" ") else "")


@_by_key()
def training_task(recipe: Recipe) -> Task:
    """The recipe's task, on its training part unless the recipe's options say otherwise."""
    from listeval.plugins.open import make_task
    from listeval.plugins.registry import load_task

    options = dict(recipe.options)
    if "split" in load_task(recipe.task).Options.model_fields:
        options.setdefault("split", "train")
    return make_task(recipe.task, options)


@_by_key()
def load_examples(task: Task, recipe: Recipe) -> tuple[Sequence[Example], str, str, dict[str, int]]:
    """The examples, their source, fingerprint and counts. Raises UserError where there are none."""
    from listeval.plugins.open import load

    found = load(task, recipe.data, recipe.data_seed)
    return found.examples, found.source, found.fingerprint, dict(found.counts)


@_by_key()
def load_questions(
    task: Task, recipe: Recipe, checkpoint: Checkpoint, max_length: int | None, budget: int | None = None
) -> Questions:
    """Every example as token ids; a prompt needs room for `budget` tokens, without one for its right answer.

    `max_length` is what all models take, prompt and answer together; None: any length. Raises UserError where no
    prompt fits, and where right answers are trained and would not be read as such.
    """
    examples, source, fingerprint, counts = load_examples(task, recipe)
    limit = max_length or 1 << 62
    kept: list[Question] = []
    longest = 0
    for place, example in enumerate(examples):
        prompt = checkpoint.renderer.render(example.messages).token_ids
        gold = (*checkpoint.renderer.encode(task.gold(example.target)), stop_token(checkpoint))
        longest = max(longest, len(prompt))
        room = limit - (budget or len(gold))
        if len(prompt) <= min(room, recipe.max_prompt or limit):
            kept.append(Question(example.id, prompt, gold, task.contract(example.target), place))
    if not kept:
        bounds = {"models": max_length, "max_prompt": recipe.max_prompt, "answer": budget}
        known = ", ".join(f"{name} {bound:,}" for name, bound in bounds.items() if bound is not None)
        cause = f"none of {len(examples):,} prompts fits: they have up to {longest:,} tokens ({known})"
        raise UserError(cause, place=source, fix="a smaller k or max_tokens, a larger max_prompt, or a longer model")
    if budget is None and (fault := gold_fault(kept[0], checkpoint, recipe.thinking)):
        raise fault
    return Questions(kept, source, fingerprint, counts | {"used": len(kept), "too_long": len(examples) - len(kept)})


def gold_fault(question: Question, checkpoint: Checkpoint, thinking: bool | None) -> UserError | None:
    """Why the right answer behind its prompt is not read as one, as an evaluation reads answers; None where it is.

    A template that opens a reasoning block in the prompt makes it a thought. `thinking` is the recipe's.
    """
    from listeval.contract import Failure
    from listeval.models.channels import split_decoded
    from listeval.models.marks import opened_by

    renderer, prompt = checkpoint.renderer, checkpoint.renderer.text_of(question.prompt)
    kept = [token for token in question.gold if token not in checkpoint.stops]
    reasoning, text = split_decoded(renderer, kept, prompt)
    found = question.contract.parse(text, "stop", reasoning)
    if not isinstance(found, Failure):
        return None
    if opened_by(prompt, renderer.own_marks) is None:
        cause = f"the right answer of example '{question.id}' breaks its own contract ({found.kind.value})"
        return UserError(cause, place="task", fix="correct the task: listeval tasks check")
    cause = "its chat template opens a reasoning block in the prompt, so a right answer behind it is a thought"
    can = "enable_thinking" in renderer.template and thinking is not False
    fix = f"{'thinking: false, or ' if can else ''}a model whose template opens none"
    return UserError(cause, place=checkpoint.info.name, fix=fix)


def step_count(length: Length, questions: Questions, size: int) -> int:
    """Optimiser steps; an epoch drops its last, partial batch."""
    return length.steps or (length.epochs or 0) * (len(questions.kept) // size)


def stop_token(checkpoint: Checkpoint) -> int:
    """The id that ends a right answer: what the template writes after one, else the tokenizer's end of sequence."""
    eos = checkpoint.renderer.tokenizer.eos_token_id
    fallback = checkpoint.stops[0] if eos is None else eos
    return next(iter(end_of_turn(checkpoint.renderer)), fallback)


def batches(items: Sequence[T], size: int, seed: int) -> Iterator[list[T]]:
    """Endless batches: each pass over the data in an order of its own, its last partial batch dropped.

    Raises UserError where the data is smaller than one batch.
    """
    if len(items) < size:
        raise UserError(
            f"the training data has {len(items)} examples, a batch {size}",
            place="data",
            fix="more data, or a smaller batch",
        )
    epoch = 0
    while True:
        order = Random(f"{seed}/{epoch}").sample(range(len(items)), len(items))
        for start in range(0, len(items) - size + 1, size):
            yield [items[i] for i in order[start : start + size]]
        epoch += 1
