"""What a study tells the laboratory: the language, the networks, the held-out prompts, and how the work is cut up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from listeval.errors import UserError

if TYPE_CHECKING:
    from listopd.lab.network import Network


class Options(BaseModel):
    """Sizes of language (`items` ... `words`) and network (`layers` ... `hidden`), and of the evaluation.

    `side_by_side` (arms in one set of tensors; None: what suits the device) and `save_every` steps change no number on
    a CPU. A device may: a GPU takes sums in another order.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    items: int = Field(default=5, ge=2)
    ids: int = Field(default=24, ge=1)
    id_length: int = Field(default=1, ge=1)
    words: int = Field(default=1, ge=1)
    layers: int = Field(default=2, ge=1)
    width: int = Field(default=32, ge=2)
    heads: int = Field(default=2, ge=1)
    hidden: int = Field(default=64, ge=1)
    prompts: int = Field(default=200, ge=1)
    log_every: int = Field(default=5, ge=1)
    save_every: int = Field(default=50, ge=1)
    side_by_side: int | None = Field(default=None, ge=1)

    def network(self) -> Network:
        """The shapes of all networks. Raises UserError for a language without enough ids."""
        from listopd.lab.language import Language
        from listopd.lab.network import Network, Sizes

        if self.width % self.heads:
            cause = f"a width of {self.width} cannot be divided among {self.heads} heads"
            raise UserError(cause, place="laboratory", fix="choose a multiple")
        language = Language(self.items, self.ids, self.id_length, self.words)
        return Network(language, Sizes(self.layers, self.width, self.heads, self.hidden))

    def digest(self) -> str:
        """sha256 of all that a number depends on."""
        numbers = self.model_dump(exclude={"side_by_side", "save_every"})
        return sha256(json.dumps(numbers, sort_keys=True).encode()).hexdigest()

    def network_digest(self) -> str:
        """sha256 of the sizes that a start belongs to."""
        sizes = self.model_dump(include={"items", "ids", "id_length", "words", "layers", "width", "heads", "hidden"})
        return sha256(json.dumps(sizes, sort_keys=True).encode()).hexdigest()


class ArmSettings(BaseModel):
    """What an arm may set for itself: `updates` that a rollout serves (None: 4 for aspo and ppo, 1 for all others)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    updates: int | None = Field(default=None, ge=1)


def read_options(values: Mapping[str, Any]) -> Options:
    """The options of a study. Raises UserError for one that is unknown or out of range."""
    try:
        return Options(**values)
    except ValidationError as error:
        raise _refused(error, "the laboratory's options") from None


def read_settings(values: Mapping[str, Any]) -> ArmSettings:
    """An arm's settings. Raises UserError for one that is unknown or out of range."""
    try:
        return ArmSettings(**values)
    except ValidationError as error:
        raise _refused(error, "the settings of an arm") from None


def _refused(error: ValidationError, place: str) -> UserError:
    first = error.errors()[0]
    name = ".".join(map(str, first["loc"]))
    return UserError(f"{name}: {first['msg'].lower()}", place=place, fix=f"correct or remove {name}")
