"""Progress on stderr: a bar with an ETA on a terminal, a line now and then elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from listeval.cli.say import say, say_block

if TYPE_CHECKING:
    from listeval.backends.protocol import Prompt
    from listeval.runs.rows import Row

_LINE_EVERY_S = 15.0


class Progress:
    """An observer of a run; what each method is told stands at `listeval.runs.observer.Observer`."""

    def __init__(self, *, quiet: bool, show_prompt: bool) -> None:
        self.quiet, self.show_prompt = quiet, show_prompt
        self.total = self.done = self.ok = self.before = 0
        self.started = self.spoken = time.monotonic()
        self.bar: Any = None
        self.task: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            self.bar.stop()
        if self.before:
            self.note(f"{self.before} of {self.total} samples were there already")

    def note(self, text: str) -> None:
        if not self.quiet:
            say(text, err=True)

    def prompt(self, prompt: Prompt) -> None:
        if not self.show_prompt:
            return
        text = prompt.text or "\n\n".join(f"[{m.role}]\n{m.content}" for m in prompt.messages)
        counted = f"{len(prompt.token_ids):,} tokens" if prompt.token_ids else "rendered by the server"
        say_block(f"--- first prompt ({counted}) ---\n{text}\n--- end of prompt ---", err=True)

    def begin(self, total: int) -> None:
        self.total = total
        self.started = self.spoken = time.monotonic()
        if not self.quiet and sys.stderr.isatty():
            self._open_bar()

    def skip(self) -> None:
        self.done += 1
        self.before += 1
        if self.bar is not None:
            self.bar.update(self.task, completed=self.done)

    def rows(self, rows: list[Row]) -> None:
        self.done += len(rows)
        self.ok += sum(row["kind"] == "ok" for row in rows)
        if self.bar is not None:
            self.bar.update(self.task, completed=self.done, description=self._rate())
        elif not self.quiet and time.monotonic() - self.spoken > _LINE_EVERY_S:
            self.spoken = time.monotonic()
            say(f"{self.done}/{self.total} {self._rate()}, {self._eta()} left", err=True)

    def _rate(self) -> str:
        new = self.done - self.before
        return f"{100 * self.ok / new:.0f} % parse" if new else "0 %"

    def _eta(self) -> str:
        new = self.done - self.before
        seconds = (time.monotonic() - self.started) / max(1, new) * max(0, self.total - self.done)
        return f"{int(seconds // 60)}:{int(seconds % 60):02d}"

    def _open_bar(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("eta"),
            TimeRemainingColumn(),
        )
        self.bar = Bar(*columns, console=Console(stderr=True))
        self.task = self.bar.add_task("generating", total=self.total, completed=self.done)
        self.bar.start()
