"""How long the prompts and answers of a training may be: what its recipe bounds, and what its models take."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from listeval.errors import UserError
from listeval.models.checkpoint import most_positions
from listopd.recipe import Opd

if TYPE_CHECKING:
    from listopd.plan.memory import Models
    from listopd.recipe import Recipe, Sft

_PROMPT, _ANSWER = 2048, 512
"""Tokens that are assumed of a prompt and an answer where the recipe does not bound them: those of the paper."""


class Lengths(NamedTuple):
    """Tokens of the longest prompt and answer, and which of the two are `assumed`."""

    prompt: int
    answer: int
    assumed: tuple[str, ...]


def find_lengths(recipe: Recipe, spec: Sft | Opd, models: Models, place: str) -> Lengths:
    """What the recipe bounds, and what the models have positions for: longer prompts are left out of a training.

    Raises UserError where an answer leaves no room for a prompt.
    """
    bounds = {"prompt": recipe.max_prompt, "answer": spec.max_tokens if isinstance(spec, Opd) else None}
    prompt, answer = bounds["prompt"] or _PROMPT, bounds["answer"] or _ANSWER
    assumed = tuple(what for what, bound in bounds.items() if not bound)
    texts = [config.get_text_config(decoder=True).to_dict() for config in models.loaded]
    most = min((length for text in texts if (length := most_positions(text)) is not None), default=None)
    if most is None:
        return Lengths(prompt, answer, assumed)
    if "answer" in assumed:
        answer = max(1, min(answer, most // 2))
    if answer >= most:
        cause = f"answers of {answer:,} tokens leave no room for a prompt: the models take {most:,} together"
        raise UserError(cause, place=place, fix="a smaller opd.max_tokens, or models with a longer context")
    return Lengths(min(prompt, most - answer), answer, assumed)
