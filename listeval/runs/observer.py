"""What a run tells whoever watches it, so that no run knows of terminals."""

from typing import Protocol

from listeval.backends.protocol import Prompt
from listeval.runs.rows import Row


class Observer(Protocol):
    """What a progress display is told. `prompt` and `skip` come from the engine's thread."""

    def note(self, text: str) -> None:
        """One line of what is going on."""

    def stage(self, text: str) -> None:
        """What is going on from here on; worth a line only where it takes a while."""

    def prompt(self, prompt: Prompt) -> None:
        """The first rendered prompt."""

    def begin(self, total: int) -> None:
        """`total` samples in the run, whether they are there already or not."""

    def skip(self) -> None:
        """One sample is there already."""

    def rows(self, rows: list[Row]) -> None:
        """Rows that were just appended."""


class SilentObserver:
    """An observer that shows nothing."""

    def note(self, text: str) -> None: ...

    def stage(self, text: str) -> None: ...

    def prompt(self, prompt: Prompt) -> None: ...

    def begin(self, total: int) -> None: ...

    def skip(self) -> None: ...

    def rows(self, rows: list[Row]) -> None: ...
