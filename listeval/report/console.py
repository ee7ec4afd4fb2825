"""The console that reports print on."""

from collections.abc import Iterable
from typing import NoReturn

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from listeval.visible import visible


class ReportConsole(Console):
    """A rich console that never interprets model text, and leaves a closed pipe to the command line.

    Whatever is printed on it, nothing that a terminal would obey gets out but the styles that we chose.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(markup=False, highlight=False, emoji=False, stderr=stderr)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Every segment with its text made visible; those that steer the terminal are rich's own."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)

    def on_broken_pipe(self) -> NoReturn:
        """Raised on, where rich would exit with the code of errored samples."""
        raise BrokenPipeError(32, "the reader of the output went away")
