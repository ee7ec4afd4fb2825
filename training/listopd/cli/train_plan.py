"""`listeval train plan`: what a recipe takes on which card, as a table or as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from listeval.cli.say import say, say_json

if TYPE_CHECKING:
    from listopd.plan.training_plan import CardPlan, Plan


def plan(recipe_path: str, changes: Sequence[str], card: str | None, shards: int, *, as_json: bool) -> None:
    """Show what the stages of a recipe take. Raises UserError for a bad recipe, and where `card` lacks the memory."""
    from listopd.plan.fitting import check_fits
    from listopd.plan.training_plan import make_plans
    from listopd.recipe import read_recipe

    recipe = read_recipe(recipe_path, changes)
    plans = make_plans(recipe, recipe_path, card, shards)
    show_plans(plans, as_json=as_json)
    for one in plans if card is not None else ():
        check_fits(recipe, one, recipe_path)


def show_plans(plans: Sequence[Plan], *, as_json: bool) -> None:
    """The plans of a recipe's stages, one after the other."""
    if as_json:
        say_json({"plans": [plan.as_json() for plan in plans]})
        return
    for line in (line for plan in plans for line in _lines(plan)):
        say(line)


def _lines(plan: Plan) -> list[str]:
    """The parts on the first card, then a line for each."""
    first = plan.on[0].memory
    each = f", each of {plan.shards} processes" if plan.shards > 1 else ""
    tokens = " + ".join(
        f"{n:,}{' (assumed)' if what in plan.assumed else ''}"
        for what, n in (("prompt", plan.prompt), ("answer", plan.answer))
    )
    longest = f"{plan.answers} answers of {'' if plan.assumed else 'at most '}{tokens} tokens"
    parts = [f"  {part.what:<38}{part.bytes / 1e9:>7.1f} GB" for part in first.parts]
    where = f" on {plan.on[0].card.name}" if any(part.what == "vLLM" for part in first.parts) else ""
    return [
        f"{plan.stage}: a step of {longest}{each}",
        *parts,
        f"  {'peak' + where:<38}{first.peak / 1e9:>7.1f} GB",
        *(_card(one) for one in plan.on),
    ]


def _card(one: CardPlan) -> str:
    said = f"{one.left / 1e9:.1f} GB left" if one.fits else f"does not fit: {-one.left / 1e9:.1f} GB too few"
    return f"  {one.card.name:<18}{one.card.memory / 1e9:>5.0f} GB  {said:<32}floor of a step {one.floor_s:.2f} s"
