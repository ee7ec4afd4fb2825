"""Models that are asked for by a short name: those in Python packages, and the tiny ones that listeval ships."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from listeval.errors import UserError
from listeval.models.packaged import SMOLLM2


class ShortNamedModel(Protocol):
    """A model behind a short name."""

    @property
    def name(self) -> str:
        """What a user types."""

    @property
    def install(self) -> str:
        """The line that installs it."""

    @property
    def installed(self) -> bool:
        """Whether `checkpoint` can find it."""

    def checkpoint(self) -> Path:
        """Its folder. Raises UserError where it is not there."""


@dataclass(frozen=True, slots=True)
class ShippedModel:
    """A checkpoint folder that travels with listeval itself; its model card is the README in it."""

    name: str
    install: str = "pip install --force-reinstall listeval"

    @property
    def installed(self) -> bool:
        return (self._folder() / "config.json").is_file()

    def checkpoint(self) -> Path:
        """The folder in the wheel, or in the repository of an editable install."""
        if not self.installed:
            raise UserError(f"the model '{self.name}' is not there", place=str(self._folder()), fix=self.install)
        return self._folder()

    def _folder(self) -> Path:
        from listeval.bundled import bundled

        return bundled() / "checkpoints" / self.name


SHORT_NAMES: dict[str, ShortNamedModel] = {
    model.name: model
    for model in (SMOLLM2, ShippedModel("tiny-sft"), ShippedModel("tiny-listopd"), ShippedModel("tiny-teacher"))
}
