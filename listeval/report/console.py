"""The console that reports print on."""

from typing import NoReturn

from rich.console import Console


class ReportConsole(Console):
    """A rich console that never interprets model text, and leaves a closed pipe to the command line."""

    def __init__(self) -> None:
        super().__init__(markup=False, highlight=False, emoji=False)

    def on_broken_pipe(self) -> NoReturn:
        """Raised on, where rich would exit with the code of errored samples."""
        raise BrokenPipeError(32, "the reader of the output went away")
