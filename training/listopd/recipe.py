"""What a training run is told: a YAML file, validated before anything is loaded, re-runnable from its run directory.

A recipe holds what both stages share (task, data, seed, precision) and the sections `sft` and `opd`;
`listeval train sft RECIPE` runs the one, `listeval train opd RECIPE` the other. `key=value` on the
command line replaces one value by its dotted path (`opd.steps=40`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from listeval.bundled import recipes as bundled_recipes
from listeval.disk import user_path
from listeval.errors import UserError, did_you_mean, first_line
from listeval.runs.unique_keys import yaml_values
from listeval.task import MOST
from listopd.extrapolation import AutoSpec, ConstantSpec, ExtrapolationSpec
from listopd.objective.spec import ObjectiveSpec

Stage = Literal["sft", "opd"]
Beta = Annotated[float, Field(ge=0, lt=1)]
Seed = Annotated[int, Field(ge=-MOST, le=MOST)]


class Strict(BaseModel):
    """Unknown keys are errors, and a recipe does not change after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Scratch(Strict):
    """A network with random weights, and a tokenizer trained on the task's own text or taken from another model."""

    architecture: Literal["qwen3", "llama"] = "qwen3"
    hidden: int = Field(128, ge=8)
    layers: int = Field(4, ge=1)
    heads: int = Field(4, ge=1)
    intermediate: int = Field(256, ge=8)
    tokenizer: str | None = Field(None, description="checkpoint whose tokenizer to share")
    vocab: int = Field(3072, ge=64, description="most tokens that the tokenizer may have")
    ids: str = Field(r"R[2-9A-Z]{4}", description="regular expression of the ids, whose characters stay apart")
    max_length: int = Field(1024, ge=32, description="prompt plus answer in tokens")

    @model_validator(mode="after")
    def _whole_heads(self) -> Scratch:
        if self.hidden % self.heads:
            raise ValueError(f"{self.heads} heads do not divide a hidden size of {self.hidden}")
        return self

    @model_validator(mode="after")
    def _one_tokenizer(self) -> Scratch:
        # By value, for a resolved recipe spells the defaults out.
        chosen = {name for name in ("vocab", "ids") if getattr(self, name) != Scratch.model_fields[name].default}
        if self.tokenizer and chosen:
            raise ValueError("a shared tokenizer has its own vocabulary: leave out vocab and ids")
        return self


class Optimiser(Strict):
    """AdamW; the learning rate is constant or falls to zero along a cosine, always without warm-up unless asked."""

    lr: float = Field(gt=0, allow_inf_nan=False)
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    weight_decay: float = Field(0.01, ge=0, allow_inf_nan=False)
    max_grad_norm: float = Field(1.0, gt=0, description="gradients are scaled down to this norm")
    schedule: Literal["constant", "cosine"] = "constant"
    warmup: int = Field(0, ge=0, description="steps of linear warm-up")


class Lora(Strict):
    """Train low-rank adapters instead of the weights; the base is then the student with its adapters off."""

    rank: int = Field(16, ge=1)
    alpha: float = Field(32.0, gt=0)
    targets: str | tuple[str, ...] = "all-linear"


class Length(Strict):
    """How long a stage lasts: optimiser steps, or passes over the data (the last, partial batch of one is dropped)."""

    steps: int | None = Field(None, ge=1)
    epochs: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _one(self) -> Length:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("a stage lasts for steps or for epochs: set one of them, and the other to null")
        return self


class Sft(Length):
    """Warm start: cross-entropy on the tokens of the right answer only."""

    model: str | Scratch = Field(description="checkpoint, or what to build from nothing")
    batch: int = Field(128, ge=1, description="answers per optimiser step, over all processes")
    optimiser: Optimiser
    lora: Lora | None = None


class Opd(Length):
    """On-policy distillation with reward extrapolation."""

    student: str
    teacher: str
    base: str | None = Field(None, description="path of the base where objective.base is 'path'")
    batch: int = Field(128, ge=1, description="prompts per rollout, over all processes")
    rollouts_per_prompt: int = Field(1, ge=1)
    max_tokens: int | None = Field(None, ge=1, description="budget of a rollout; default: the task's")
    engine: Literal["auto", "hf", "vllm"] = "auto"
    gpu_share: float = Field(
        default=0.3, gt=0, lt=1, description="of a GPU's memory for vLLM's weights and KV cache; the rest trains"
    )
    objective: ObjectiveSpec = ObjectiveSpec()
    extrapolation: ExtrapolationSpec = ConstantSpec(value=1.0)
    curve: str | None = Field(None, description="result of `probe --curve` of this pair, which lambda is held against")
    optimiser: Optimiser
    lora: Lora | None = None

    @property
    def needs_base(self) -> bool:
        """Whether the base's numbers enter the loss: at lambda = 1 they drop out of it."""
        return self.extrapolation.extrapolates or self.objective.kl_to_base > 0

    @model_validator(mode="after")
    def _base(self) -> Opd:
        if (self.objective.base == "path") != (self.base is not None):
            raise ValueError("opd.base names a checkpoint exactly when objective.base is 'path'")
        if self.batch * self.rollouts_per_prompt % self.objective.minibatches:
            raise ValueError(f"{self.objective.minibatches} minibatches do not divide the rollouts of a step")
        self.objective.check_extrapolation(self.extrapolation.extrapolates)
        if self.extrapolation.needs_positions and self.needs_base and self.objective.base == "none":
            raise ValueError(f"the policy '{self.extrapolation.kind}' compares teacher and base, and there is no base")
        if self.curve is not None and self.objective.base == "none":
            raise ValueError("opd.curve is of a target that leads away from a base, and the objective has no base")
        cap = self.objective.clips.teacher_ratio_cap
        if isinstance(self.extrapolation, AutoSpec) and cap not in (None, self.extrapolation.clip):
            raise ValueError(f"extrapolation.clip {self.extrapolation.clip:g} is not the objective's {cap:g}")
        return self


def _on_or_off(value: Any) -> Any:
    """YAML reads a bare `on` and `off` as truth values."""
    return ("off", "on")[value] if isinstance(value, bool) else value


class Precision(Strict):
    """Numerics and memory; nothing here changes what is computed, only how exactly and where."""

    compute: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="master weights are float32 always"
    )
    save: Literal["float32", "bfloat16"] = "bfloat16"
    tokens_per_pass: int | None = Field(
        default=None,
        ge=64,
        description="most tokens, padding counted, of one pass; default: 2048 on a CPU, 8192 on a GPU,"
        " 16384 there with gradient_checkpointing",
    )
    packing: Annotated[Literal["auto", "on", "off"], BeforeValidator(_on_or_off)] = Field(
        default="auto", description="several sequences in one row without padding; auto: with flash attention on a GPU"
    )
    attention: str | None = Field(default=None, description="implementation by its name in transformers")
    gradient_checkpointing: bool = False
    compile: bool = Field(
        default=False, description="decoder layers by torch.compile; refused where S - B would not be 0 at the start"
    )
    deterministic: bool = Field(
        default=False, description="only algorithms that repeat themselves to the bit, also on a GPU"
    )
    device: Literal["cpu", "cuda"] | None = Field(default=None, description="default: the GPU where there is one")


class Recipe(Strict):
    """One training run."""

    task: str = "fashion"
    options: Mapping[str, Any] = Field(default_factory=dict, description="task options, as --set of listeval run")
    data: str | None = None
    seed: Seed = Field(0, description="initial weights, order of the data, rollouts: what a repetition varies")
    data_seed: Seed = Field(0, description="which examples there are, where a task draws or groups them by a seed")
    max_prompt: int | None = Field(None, ge=1, description="longer prompts are left out and counted, never cut")
    thinking: bool | None = None
    precision: Precision = Precision()
    sft: Sft | None = None
    opd: Opd | None = None
    save_every: int = Field(
        0, ge=0, description="steps between resumable states, one at the end; 0: only when stopped (Ctrl-C, SIGTERM)"
    )
    keep_every: int = Field(0, ge=0, description="steps between checkpoints to evaluate, kept all; 0: only the last")
    trackers: tuple[Literal["tensorboard", "wandb", "trackio"], ...] = ()

    def section(self, stage: Stage, place: str) -> Sft | Opd:
        """The stage's own part. Raises UserError where the recipe lacks it."""
        found = self.sft if stage == "sft" else self.opd
        if found is None:
            raise UserError(
                f"the recipe has no section '{stage}'", place=place, fix=f"add one, or train {_other(stage)}"
            )
        return found


def read_recipe(name: str | Path, changes: Sequence[str] = ()) -> Recipe:
    """The recipe in a YAML file, under a bundled name, or in an earlier run's directory; with `key=value` changes.

    Raises UserError, naming the key, for whatever does not fit.
    """
    file = _file(name)
    try:
        content = yaml_values(file.read_text(encoding="utf-8"), str(file))
    except FileNotFoundError:
        raise UserError("there is no such recipe", place=str(file), fix=_known(file)) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"the recipe cannot be read: {first_line(error)}", place=str(file), fix="correct it") from None
    if not isinstance(content, dict):
        raise UserError("the recipe is not a mapping of keys to values", place=str(file), fix="see training/recipes")
    return _read(content, changes, str(file))


def changed(recipe: Recipe, changes: Sequence[str]) -> Recipe:
    """The recipe with `key=value` changes. Raises UserError, naming the key, for what does not fit."""
    return _read(recipe.model_dump(), changes, "")


def _read(content: dict[str, Any], changes: Sequence[str], place: str) -> Recipe:
    for change in changes:
        _set(content, change)
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise _refused(error, place) from None


def asked(name: str | Path, recipe: Recipe, stage: Stage, changes: Sequence[str] = ()) -> dict[str, Any]:
    """The values by dotted keys of what a recipe sets for `stage` and the changes do not; none for a bundled recipe."""
    if _file(name).resolve().is_relative_to(bundled_recipes().resolve()):
        return {}
    given = [change.partition("=")[0] for change in changes]
    flat = dict(_flat(recipe.model_dump(exclude={"opd" if stage == "sft" else "sft", "options"})))
    return {key: x for key, x in flat.items() if not any(key == one or key.startswith(f"{one}.") for one in given)}


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield before + key, value


def _set(content: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    if not equals or not key:
        raise UserError(f"'{change}' is not of the form key=value", fix="for example opd.steps=40")
    *path, last = key.split(".")
    for name in path:
        if content.get(name) is None:
            content[name] = {}
        content = content[name]
        if not isinstance(content, dict):
            raise UserError(f"'{name}' in '{key}' has no keys of its own", fix="give the path of one value")
    try:
        content[last] = yaml_values(text, key, lines=False)
    except yaml.YAMLError as error:
        cause = f"the value of '{key}' is no YAML: {first_line(error)}"
        raise UserError(cause, fix="for example opd.steps=40") from None


def _refused(error: ValidationError, place: str) -> UserError:
    # Of a value that may be of several kinds, the errors of the kind that got furthest say what was meant.
    worst = max(error.errors(), key=_depth)
    unknown = worst["type"] == "extra_forbidden"
    keys, known = _walk(worst["loc"][:-1] if unknown else worst["loc"])
    where = ".".join([*keys, str(worst["loc"][-1])] if unknown else keys)
    if unknown:
        return UserError(f"unknown key '{where}'", place=place, fix=did_you_mean(str(worst["loc"][-1]), known))
    cause = worst["msg"].removeprefix("Value error, ")
    rule = worst["type"] == "value_error"
    fix = "correct the recipe" if rule or not where else f"correct it there, or override it: {where}=..."
    return UserError(f"{where + ': ' if where else ''}{cause}", place=place, fix=fix)


def _depth(error: Mapping[str, Any]) -> tuple[bool, int, bool]:
    """How far a reading got before this error: a rule across keys is checked after the keys."""
    return error["type"] == "extra_forbidden", len(error["loc"]), error["type"] == "value_error"


def _walk(location: Sequence[int | str]) -> tuple[list[str], list[str]]:
    """The keys of pydantic's `location` that stand in the recipe, and the keys that are known behind them."""
    keys: list[str] = []
    models: list[type[BaseModel]] = [Recipe]
    for part in map(str, location):
        field = next((model.model_fields[part] for model in models if part in model.model_fields), None)
        if field is not None:
            keys.append(part)
            models = _models(field.annotation)
        else:
            # A member of a union, by its `kind` where it has one.
            kind = [model for model in models if "kind" in model.model_fields]
            models = [model for model in kind if model.model_fields["kind"].default == part] or models
    return keys, [name for model in models for name in model.model_fields]


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _file(name: str | Path) -> Path:
    path = user_path(name)
    if path.is_dir():
        return path / "recipe.yaml"
    shipped = bundled_recipes() / f"{path.name.removesuffix('.yaml')}.yaml"
    return shipped if not path.exists() and path.parent == Path() and shipped.exists() else path


def _known(file: Path) -> str:
    names = sorted(path.stem for path in bundled_recipes().glob("*.yaml"))
    return did_you_mean(file.stem, names) if names else "give the path of a YAML file"


def _other(stage: Stage) -> str:
    return "opd" if stage == "sft" else "sft"
