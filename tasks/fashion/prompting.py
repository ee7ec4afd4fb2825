"""From groups to chat turns: the question, and worked examples before it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

from listeval.backends.protocol import Message
from listeval.errors import UserError

from .groups import Group

Titles = Mapping[str, str | None]


def answer(grades: Mapping[str, float]) -> str:
    """The JSON list that scores each id as `grades` says, spaced as most models write JSON."""
    scores = {name: int(grade) if grade == int(grade) else grade for name, grade in grades.items()}
    rows = [{"review_id": name, "score": score} for name, score in scores.items()]
    return json.dumps(rows, ensure_ascii=False)


def question(group: Group, titles: Titles) -> str:
    """The prompt of one group, in the paper's words (arXiv 2605.08737); review texts stand as they are."""
    title = (titles.get(group.product) or "").strip().rstrip(".")
    return _template()(title=title, reviews=group.reviews)


def turns(group: Group, examples: Sequence[Group], titles: Titles) -> tuple[Message, ...]:
    """Each worked example as a user and an assistant turn (grades as integers), then the question."""
    shown: list[Message] = []
    for example in examples:
        grades = {name: round(grade) for name, grade in example.grades.items()}
        shown += [Message("user", question(example, titles)), Message("assistant", answer(grades))]
    return (*shown, Message("user", question(group, titles)))


def worked_examples(group: Group, pool: Sequence[Group], shots: int) -> list[Group]:
    """The first `shots` groups of the pool of another product and with other reviewers.

    Taken in the pool's order, so that nearly all questions share one prefix, which engines cache.
    Raises UserError where the pool has too few.
    """
    names = group.grades.keys()
    chosen: list[Group] = []
    for candidate in pool:
        if len(chosen) == shots:
            break
        if candidate.product != group.product and names.isdisjoint(candidate.grades):
            chosen.append(candidate)
    if len(chosen) < shots:
        cause = f"{shots} worked examples are asked for, the training part has {len(chosen)} for group '{group.id}'"
        raise UserError(cause, fix="lower --set shots, or give data with more products in its training part")
    return chosen


@cache
def _template() -> Callable[..., str]:
    from jinja2 import Environment, StrictUndefined

    source = Path(__file__).with_name("prompt.jinja").read_text(encoding="utf-8")
    environment = Environment(autoescape=False, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(source).render
