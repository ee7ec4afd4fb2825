"""`listeval train plan`: what a recipe takes on which card, as a table or as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from listeval.cli.say import say, say_json
from listeval.errors import ExitCode, UserError

if TYPE_CHECKING:
    from listopd.plan.plan import OnCard, Plan
    from listopd.recipe import Recipe


def show_plan(recipe: Recipe, place: str, card: str | None, *, as_json: bool) -> ExitCode:
    """Of every stage that the recipe has, on every card, or on the one that is named.

    Raises UserError where the named one has not the memory, after the plan is shown.
    """
    from listopd.plan.plan import asked_cards, check_fits, make_plan

    sections = {"sft": recipe.sft, "opd": recipe.opd}
    stages = [stage for stage in ("sft", "opd") if sections[stage] is not None]
    if not stages:
        raise UserError("the recipe has no stage", place=place, fix="add a section sft or opd")
    cards = asked_cards(card)
    plans = [make_plan(recipe, "sft" if stage == "sft" else "opd", place, cards) for stage in stages]
    if as_json:
        say_json({"plans": [plan.as_json() for plan in plans]})
    else:
        for line in (line for plan in plans for line in _lines(plan)):
            say(line)
    if card is not None:
        for plan in plans:
            check_fits(plan, place)
    return ExitCode.OK


def _lines(plan: Plan) -> list[str]:
    """The parts on the first card, then a line for each."""
    first = plan.on[0].memory
    longest = f"{plan.answers} answers of at most {plan.prompt:,} + {plan.answer:,} tokens"
    parts = [f"  {part.what:<38}{part.bytes / 1e9:>7.1f} GB" for part in first.parts]
    where = f" on {plan.on[0].card.name}" if any(part.what == "vLLM" for part in first.parts) else ""
    return [
        f"{plan.stage}: a step of {longest}",
        *parts,
        f"  {'peak' + where:<38}{first.peak / 1e9:>7.1f} GB",
        *(_card(one) for one in plan.on),
    ]


def _card(one: OnCard) -> str:
    said = f"{one.left / 1e9:.1f} GB left" if one.fits else f"does not fit: {-one.left / 1e9:.1f} GB too few"
    return f"  {one.card.name:<18}{one.card.memory / 1e9:>5.0f} GB  {said:<32}floor of a step {one.floor_s:.2f} s"
