"""From groups to chat turns: the question, and worked examples before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from listeval import Message, list_answer, prompt_template, turns, worked_examples

from .groups import Group

Titles = Mapping[str, str | None]

KEY = "review_id"
"""The field that names a review in an answer."""


def answer(grades: Mapping[str, float]) -> str:
    """The JSON list that scores each id as `grades` says."""
    return list_answer(KEY, grades)


def question(group: Group, titles: Titles) -> str:
    """The prompt of one group, in the paper's words (arXiv 2605.08737); review texts stand as they are."""
    title = (titles.get(group.product) or "").strip().rstrip(".")
    return prompt_template(Path(__file__).with_name("prompt.jinja"))(title=title, reviews=group.reviews)


def messages(group: Group, examples: Sequence[Group], titles: Titles) -> tuple[Message, ...]:
    """Each worked example as a user and an assistant turn (grades as integers), then the question."""
    shown = [
        (question(example, titles), answer({name: round(grade) for name, grade in example.grades.items()}))
        for example in examples
    ]
    return turns(shown, question(group, titles))


def shots_for(group: Group, pool: Sequence[Group], shots: int) -> list[Group]:
    """`shots` groups of the pool of another product and with other reviewers. Raises UserError where it has too few."""
    names = group.grades.keys()

    def fits(candidate: Group) -> bool:
        return candidate.product != group.product and names.isdisjoint(candidate.grades)

    return worked_examples(pool, shots, fits, f"group '{group.id}'", "the training part")
