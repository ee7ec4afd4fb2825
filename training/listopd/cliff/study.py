"""A study as its YAML file says it: pairs, parts with their grids, evaluation, runner and predictions.

Validated before anything is loaded. The file's bytes are its identity: a lock holds their sha256.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from listeval.disk import user_path
from listeval.errors import UserError, did_you_mean, first_line
from listeval.runs.plain_yaml import load_plain
from listopd.cliff.arms import WITHOUT_LAMBDA, ArmSpec, Method, StudyPair
from listopd.cliff.claims import PredictionSpec
from listopd.recipe import Seed

Grid = Annotated[tuple[float, ...], Field(min_length=1)]


class StudyModel(BaseModel):
    """Unknown keys are errors, and a study does not change after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PairSpec(StudyModel):
    """Who learns from whom: starts of the laboratory by name, or checkpoints."""

    student: str
    teacher: str
    base: str | None = Field(None, description="what λ extrapolates from; default: the student's own start")
    size: str = Field("", description="how large the student is, for the size table")


class StudyPart(StudyModel):
    """One sweep: every combination of its lists is an arm."""

    about: str = ""
    pairs: Annotated[tuple[str, ...], Field(min_length=1)]
    methods: Annotated[tuple[Method, ...], Field(min_length=1)] = ("listopd",)
    lams: Grid
    caps: Grid = (math.inf,)
    lrs: Grid
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    batch: int = Field(32, ge=1)
    budgets: Annotated[tuple[int, ...], Field(min_length=1)]
    settings: Mapping[str, Any] = Field(default_factory=dict, description="told to the runner for these arms")

    @model_validator(mode="after")
    def _sane(self) -> Self:
        if list(self.budgets) != sorted(set(self.budgets)) or self.budgets[0] < 1:
            raise ValueError("budgets are steps: positive, rising, each once")
        if list(self.lams) != sorted(set(self.lams)) or not all(0 <= lam < math.inf for lam in self.lams):
            raise ValueError("lams are finite, rising, each once")
        if not all(cap > 1 for cap in self.caps) or not all(0 < lr < math.inf for lr in self.lrs):
            raise ValueError("caps are above 1 (.inf: none), and learning rates positive")
        return self

    def arms(self, name: str, pairs: Mapping[str, StudyPair]) -> list[ArmSpec]:
        """The arms in the order of the lists, each once."""
        found: dict[str, ArmSpec] = {}
        for arm in (
            self._arm(name, pairs[pair], method, lam, cap, lr, seed)
            for pair in self.pairs
            for method in self.methods
            for cap in self.caps
            for lr in self.lrs
            for seed in self.seeds
            for lam in self.lams
        ):
            found.setdefault(arm.id, arm)
        return list(found.values())

    def _arm(self, name: str, pair: StudyPair, method: Method, lam: float, cap: float, lr: float, seed: int) -> ArmSpec:
        """Values that cannot act on a method are set to what stands for that, so that such arms run once."""
        lam = 1.0 if method in WITHOUT_LAMBDA else lam
        cap = math.inf if method in {"exact", *WITHOUT_LAMBDA} else cap
        budgets = self.budgets
        if method == "start":
            lr, seed, budgets = 0.0, self.seeds[0], (0,)
        return ArmSpec(name, pair, method, lam, cap, lr, seed, self.batch, budgets, dict(self.settings))


class Evaluation(StudyModel):
    """How `listeval run` judges a trained checkpoint; task and its options are the recipe's unless named here."""

    task: str | None = None
    options: Mapping[str, Any] = Field(default_factory=dict)
    data: str | None = Field(None, description="held-out data; default: the task's bundled sample")
    limit: int | None = Field(None, ge=1)
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0,)
    max_tokens: int | None = Field(None, ge=1)
    backend: Literal["auto", "hf", "vllm"] = "auto"
    batch_size: int | None = Field(None, ge=1)


class LabRunnerSpec(StudyModel):
    """The laboratory: tiny networks, all arms side by side. `options` are its own."""

    kind: Literal["lab"]
    options: Mapping[str, Any] = Field(default_factory=dict)


class RecipeRunnerSpec(StudyModel):
    """Ordinary recipes on checkpoints, a process an arm."""

    kind: Literal["recipes"]
    recipe: str
    changes: Mapping[str, Any] = Field(default_factory=dict, description="dotted keys of the recipe, for all arms")
    clip: Literal["teacher_ratio", "rollout"] = Field("teacher_ratio", description="which cap the c of an arm is")
    launcher: tuple[str, ...] = Field((), description="words before `-m listeval train`, such as accelerate launch")
    save_every: int = Field(10, ge=1, description="steps between states: what a kill may cost")
    evaluation: Evaluation = Field(default_factory=lambda: Evaluation.model_validate({}))


class Study(StudyModel):
    """One study file."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    about: str = ""
    runner: Annotated[LabRunnerSpec | RecipeRunnerSpec, Field(discriminator="kind")]
    pairs: Annotated[Mapping[str, PairSpec], Field(min_length=1)]
    parts: Annotated[Mapping[str, StudyPart], Field(min_length=1)]
    curve: tuple[float, ...] = Field((), description="λ of the target curves; default: those of the parts")
    predictions: tuple[PredictionSpec, ...] = ()
    draws: int = Field(2000, ge=100, description="resamples behind the intervals")

    @model_validator(mode="after")
    def _names(self) -> Self:
        for name, part in self.parts.items():
            if unknown := [pair for pair in part.pairs if pair not in self.pairs]:
                raise ValueError(f"part '{name}' names the pair '{unknown[0]}', and there is none")
        if list(self.curve) != sorted(set(self.curve)):
            raise ValueError("the λ of curve rise, each once")
        ids = [claim.id for claim in self.predictions]
        if twice := [one for one in ids if ids.count(one) > 1]:
            raise ValueError(f"two predictions are called '{twice[0]}'")
        return self

    def arms(self) -> list[ArmSpec]:
        """All arms, part by part."""
        pairs = {name: StudyPair(name, **spec.model_dump()) for name, spec in self.pairs.items()}
        return [arm for name, part in self.parts.items() for arm in part.arms(name, pairs)]

    def curve_lams(self, pair: str) -> tuple[float, ...]:
        """Where the target curve of a pair is decoded, rising."""
        wanted = [lam for part in self.parts.values() if pair in part.pairs for lam in part.lams]
        return self.curve or tuple(sorted(set(wanted)))


class StudyFile:
    """A study with the file that it was read from."""

    def __init__(self, path: Path) -> None:
        """Raises UserError, naming the key, for whatever does not fit."""
        self.path = path
        try:
            self.content = path.read_bytes()
            value = load_plain(self.content.decode("utf-8"))
        except FileNotFoundError:
            raise UserError("there is no such study", place=str(path), fix="give the path of a YAML file") from None
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            cause = f"the study cannot be read: {first_line(error)}"
            raise UserError(cause, place=str(path), fix="correct it") from None
        if not isinstance(value, dict):
            raise UserError("the study is not a mapping of keys to values", place=str(path), fix="see docs/cliff.md")
        try:
            self.study = Study.model_validate(value)
        except ValidationError as error:
            raise _refused(error, path) from None
        self.arms = self.study.arms()

    @property
    def sha256(self) -> str:
        """Of the file's bytes."""
        return sha256(self.content).hexdigest()


def study_path(name: str) -> Path:
    """The file of that name, or the study that ships under it."""
    from listeval.bundled import bundled

    path = user_path(name)
    shipped = (root / "cliff" / f"{path.name.removesuffix('.yaml')}.yaml" for root in _roots(bundled()))
    found = next((file for file in shipped if file.is_file()), None)
    return path if found is None or path.exists() or path.parent != Path() else found


def _roots(bundled: Path) -> tuple[Path, Path]:
    """Recipes in the wheel, and in the repository of an editable install."""
    return bundled / "recipes", bundled / "training" / "recipes"


def _refused(error: ValidationError, path: Path) -> UserError:
    # Of a value that may be of several kinds, the error that lies deepest says what was meant.
    worst = max(error.errors(), key=lambda one: (one["type"] == "extra_forbidden", len(one["loc"])))
    where = ".".join(map(str, worst["loc"]))
    if worst["type"] == "extra_forbidden":
        known = sorted({name for model in StudyModel.__subclasses__() for name in model.model_fields})
        return UserError(f"unknown key '{where}'", place=str(path), fix=did_you_mean(str(worst["loc"][-1]), known))
    cause = worst["msg"].removeprefix("Value error, ")
    return UserError(f"{where}: {cause}" if where else cause, place=str(path), fix="correct the study")
