"""`listeval train plan`: what a recipe takes on which card, before anything is loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from listeval.errors import UserError, first_line
from listopd.floor import Machine, Size, Work, cards
from listopd.plan.lengths import find_lengths
from listopd.plan.memory import Memory, Models, adapter_weights, memory
from listopd.plan.outline import Outline
from listopd.recipe import Opd, Recipe, Scratch, Sft
from listopd.sharding import check_shardable

if TYPE_CHECKING:
    from listopd.recipe import Lora, Stage


@dataclass(frozen=True)
class CardPlan:
    """One card: whether the stage fits, and the least seconds of a step."""

    card: Machine
    memory: Memory
    floor_s: float

    @property
    def left(self) -> float:
        """Bytes; negative where it does not fit."""
        return self.card.memory - self.memory.peak

    @property
    def fits(self) -> bool:
        """Whether the peak is within the card's memory."""
        return self.left >= 0


@dataclass(frozen=True)
class Plan:
    """Of one stage, on each of some cards."""

    stage: Stage
    answers: int
    """Of a step."""
    prompt: int
    answer: int
    """Tokens, at most; but no bound where they are `assumed`."""
    on: tuple[CardPlan, ...]
    shards: int = 1
    """Processes, each with a card, that hold one copy of the networks and share a step's answers."""
    assumed: tuple[str, ...] = ()
    """Of `prompt` and `answer` those that the recipe does not bound."""

    def as_json(self) -> dict[str, Any]:
        """Bytes and seconds."""
        return {
            "stage": self.stage,
            "answers": self.answers,
            "prompt_tokens": self.prompt,
            "answer_tokens": self.answer,
            "assumed": [f"{what}_tokens" for what in self.assumed],
            "shards": self.shards,
            "cards": {
                one.card.name: {
                    "memory": one.card.memory,
                    "peak": one.memory.peak,
                    "fits": one.fits,
                    "floor_seconds": one.floor_s,
                    "parts": {part.what: part.bytes for part in one.memory.parts},
                }
                for one in self.on
            },
        }


def make_plans(recipe: Recipe, place: str, card: str | None, shards: int = 1) -> list[Plan]:
    """Of every stage that the recipe has, on the card of this name, or on all. Raises UserError as `make_plan` does."""
    stages: list[Stage] = ["sft"] if recipe.sft is not None else []
    if recipe.opd is not None:
        stages.append("opd")
    if not stages:
        raise UserError("the recipe has no stage", place=place, fix="add a section sft or opd")
    on = asked_cards(card)
    return [make_plan(recipe, stage, place, on, shards) for stage in stages]


def make_plan(
    recipe: Recipe,
    stage: Stage,
    place: str,
    on: Sequence[Machine],
    shards: int = 1,
    models_of: Callable[[Sft | Opd], Models] | None = None,
) -> Plan:
    """Of each of `shards` processes; `models_of` finds a stage's models in place of `find_models`.

    Raises UserError for a stage that the recipe lacks, a model without a configuration, answers without room for a
    prompt, and uneven shares of a batch.
    """
    spec = recipe.section(stage, place)
    models = (models_of or find_models)(spec)
    answers = spec.batch * spec.rollouts_per_prompt if isinstance(spec, Opd) else spec.batch
    prompt, answer, assumed = find_lengths(recipe, spec, models, place)
    if shards > 1:
        check_shardable(recipe)
    if answers % shards:
        raise UserError(
            f"{shards} processes cannot share a batch of {answers} evenly", place=place, fix="another batch"
        )
    floor = _Floor(recipe, spec, models, answers // shards, prompt, answer)
    needs = partial(memory, recipe, spec, models, bfloat16=_narrow(recipe), shards=shards, longest=prompt + answer)
    share = _engine_share(spec)
    found = tuple(CardPlan(card, needs(engine_share=share * card.memory), floor.seconds(card)) for card in on)
    return Plan(stage, answers, prompt, answer, found, shards, assumed)


def asked_cards(name: str | None) -> list[Machine]:
    """The card of this name, else all that the table has. Raises UserError for one that it lacks."""
    found = cards()
    if name is None:
        return found
    near = [card for card in found if card.name.lower() == name.lower()]
    near = near or [card for card in found if name.lower() in card.name.lower()]
    if not near:
        known = ", ".join(card.name for card in found)
        raise UserError(f"there is no card '{name}' in the table", place="--card", fix=f"one of: {known}")
    return near


def find_config(name: str) -> Any:
    """A checkpoint's configuration: a folder's, a short name's, or the hub's, of which nothing else is fetched.

    Raises UserError where there is none.
    """
    from transformers import AutoConfig

    from listeval.models.resolve import located

    fix = "give a folder with its config.json, such as opd.student=PATH"
    try:
        return AutoConfig.from_pretrained(located(name) or name)
    except UserError as error:
        raise UserError(error.cause, place=name, fix=f"{error.fix.rstrip('?')}, or {fix}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"no configuration: {first_line(error)}", place=name, fix=fix) from None


def find_models(spec: Sft | Opd, read: Callable[[str], Any] = find_config) -> Models:
    """Their configurations, as `read` gives them. Raises UserError where one is missing."""
    if isinstance(spec, Sft):
        return Models(_scratch(spec.model) if isinstance(spec.model, Scratch) else read(spec.model))
    student = read(spec.student)
    apart = spec.needs_base and spec.objective.base != "none"
    base, own = None, False
    if apart and spec.base is not None:
        base = read(spec.base)
    elif apart and spec.lora is None:
        base = student
    else:
        own = apart
    return Models(student, read(spec.teacher), base, own)


class _Floor:
    """The floor of a step whose prompts and answers are as long as they may be."""

    def __init__(self, recipe: Recipe, spec: Sft | Opd, models: Models, answers: int, prompt: int, answer: int) -> None:
        epochs = spec.objective.epochs if isinstance(spec, Opd) else 1
        self._work = Work(
            answers * prompt, answers * answer, answers, answer, epochs, recipe.precision.gradient_checkpointing
        )
        student = Outline.of(models.student)
        self._student = _learner(student, spec.lora)
        self._frozen = [Outline.of(config).size for config in (models.teacher, models.base) if config is not None]
        self._frozen += [student.size] if models.own_base else []

    def seconds(self, card: Machine) -> float:
        """On one such card."""
        return self._work.floor_seconds(self._student, self._frozen, card, rollouts=bool(self._frozen))


def _learner(student: Outline, lora: Lora | None) -> Size:
    """What of the student learns: everything, or its adapters alone, through which a pass goes as well."""
    if lora is None:
        return student.size
    own = adapter_weights(student, lora)
    return replace(student.size, body=student.size.body + own, learned_body=own, learned_head=0)


def _narrow(recipe: Recipe) -> bool:
    return recipe.precision.compute != "float32"


def _engine_share(spec: Sft | Opd) -> float:
    """Of a GPU's memory, for vLLM where it samples."""
    from listopd.rollout.vllm import available

    if not isinstance(spec, Opd) or spec.engine == "hf":
        return 0.0
    return spec.gpu_share if spec.engine == "vllm" or available() else 0.0


def _scratch(spec: Scratch) -> Any:
    import torch

    from listopd.scratch.architecture import random_model

    with torch.device("meta"):
        return random_model(spec, spec.vocab, 0, 0).config
