"""`listeval train plan`: what a recipe takes on which card, before anything is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from listeval.errors import UserError, first_line
from listopd.floor import Machine, Size, Work, cards
from listopd.plan.lengths import find_lengths
from listopd.plan.memory import Memory, Models, adapter_weights, memory
from listopd.plan.outline import Outline
from listopd.recipe import Opd, Recipe, Scratch, Sft
from listopd.sharding import check_shardable

if TYPE_CHECKING:
    import torch

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


class Savings(NamedTuple):
    """What could take less memory: training `adapters`, to `recompute` activations, a smaller share of the `engine`."""

    adapters: bool
    recompute: bool
    engine: bool


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
    savings: Savings
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


def make_plan(recipe: Recipe, stage: Stage, place: str, on: Sequence[Machine], shards: int = 1) -> Plan:
    """Of each of `shards` processes.

    Raises UserError for a stage that the recipe lacks, a model without a configuration, answers without room for a
    prompt, and uneven shares of a batch.
    """
    spec = recipe.section(stage, place)
    models = find_models(spec)
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
    return Plan(stage, answers, prompt, answer, found, _savings(recipe, spec, share), shards, assumed)


def _savings(recipe: Recipe, spec: Sft | Opd, engine_share: float) -> Savings:
    return Savings(
        adapters=spec.lora is None,
        recompute=not recipe.precision.gradient_checkpointing,
        engine=engine_share > 0,
    )


def check_fits(plan: Plan, place: str) -> None:
    """Raises UserError, with what would help, where a card of the plan has not the memory."""
    for one in plan.on:
        if one.fits:
            continue
        need, has = one.memory.peak / 1e9, one.card.memory / 1e9
        each = " in each process" if plan.shards > 1 else ""
        cause = f"stage {plan.stage} takes about {need:.0f} GB{each}, and {one.card.name} has {has:.0f}"
        whole = one.memory.fixed > one.card.memory
        raise UserError(cause, place=place, fix=_smaller_weights(plan, one) if whole else _smaller_passes(plan, one))


def _smaller_weights(plan: Plan, one: CardPlan) -> str:
    """What helps where no pass would fit."""
    ways = [f"{plan.stage}.lora={{rank: 16}}"] if plan.savings.adapters else []
    ways += ["a smaller opd.gpu_share"] if plan.savings.engine else []
    ways += ["smaller models"]
    stays = f"weights, gradients, AdamW{', vLLM' if plan.savings.engine else ''}"
    fixed = f"{one.memory.fixed / 1e9:.0f} GB stay, however small a pass ({stays})"
    return f"{', '.join(ways)}, or more GPUs (FSDP2): {fixed}"


def _smaller_passes(plan: Plan, one: CardPlan) -> str:
    """What makes the largest pass smaller, or leaves it more room."""
    longest = one.memory.tokens == plan.prompt + plan.answer
    bounds = ["max_prompt", *(["opd.max_tokens"] if plan.stage == "opd" else [])]
    smaller = bounds if longest else ["precision.tokens_per_pass"]
    smaller += ["opd.gpu_share"] if plan.savings.engine else []
    recompute = ["precision.gradient_checkpointing=true"] if plan.savings.recompute else []
    return ", or ".join([*recompute, f"a smaller {' or '.join(smaller)}"])


def check_device(recipe: Recipe, stage: Stage, device: torch.device, shards: int = 1) -> None:
    """Raises UserError for a training whose weights alone are larger than this GPU, before any of them is loaded.

    `shards` processes hold one copy of them.
    """
    import torch

    from listopd.floor import known

    if device.type != "cuda":
        return
    name = torch.cuda.get_device_name(device)
    total = float(torch.cuda.get_device_properties(device).total_memory)
    rates = known(name) or Machine(1.0, 1.0, name)
    card = Machine(rates.flops, rates.bandwidth, rates.source, name, total)
    found = make_plan(recipe, stage, "", [card], shards)
    if found.on[0].memory.fixed > total:
        check_fits(found, name)


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


def find_models(spec: Sft | Opd) -> Models:
    """Their configurations. Raises UserError where one is missing."""
    if isinstance(spec, Sft):
        return Models(_scratch(spec.model) if isinstance(spec.model, Scratch) else _config(spec.model))
    student = _config(spec.student)
    apart = spec.needs_base and spec.objective.base != "none"
    base, own = None, False
    if apart and spec.base is not None:
        base = _config(spec.base)
    elif apart and spec.lora is None:
        base = student
    else:
        own = apart
    return Models(student, _config(spec.teacher), base, own)


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


def _config(name: str) -> Any:
    """A checkpoint's configuration: a folder's, a short name's, or the hub's, of which nothing else is fetched."""
    from transformers import AutoConfig

    from listeval.models.resolve import located

    fix = "give a folder with its config.json, such as opd.student=PATH"
    try:
        return AutoConfig.from_pretrained(located(name) or name)
    except UserError as error:
        raise UserError(error.cause, place=name, fix=f"{error.fix.rstrip('?')}, or {fix}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"no configuration: {first_line(error)}", place=name, fix=fix) from None
