"""Progress on stderr: a live line on a terminal, a line at least every two seconds elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from listeval.cli import pulse
from listeval.cli.say import say, say_block
from listeval.visible import inline, visible

if TYPE_CHECKING:
    from listeval.backends.protocol import Prompt
    from listeval.runs.rows import Row


class Progress:
    """An observer of a run; what each method is told stands at `listeval.runs.observer.Observer`."""

    def __init__(self, *, quiet: bool, show_prompt: bool = False) -> None:
        self.quiet, self.show_prompt = quiet, show_prompt
        self.total = self.done = self.answered = self.ok = self.before = 0
        self.started = time.monotonic()
        self.bar: Any = None
        self.task: Any = None

    def __enter__(self) -> Self:
        self.pulse = pulse.Pulse("starting", quiet=self.quiet, say=self._say)
        self.pulse.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pulse.__exit__(kind, error, trace)
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
        self._say_before()

    def _say_before(self) -> None:
        if self.before and not self.quiet:
            self._say(f"{self.before} of {self.total} samples were there already")

    def note(self, text: str) -> None:
        if not self.quiet:
            self._say(text)
            self.stage(text)

    def stage(self, text: str) -> None:
        self.pulse.now(text)
        if not self.quiet and sys.stderr.isatty():
            self._live(text, None)

    def prompt(self, prompt: Prompt) -> None:
        if not self.show_prompt:
            return
        text = prompt.text or "\n\n".join(f"[{m.role}]\n{m.content}" for m in prompt.messages)
        counted = f"{len(prompt.token_ids):,} tokens" if prompt.token_ids else "rendered by the server"
        self._say(f"--- first prompt ({counted}) ---\n{text}\n--- end of prompt ---", block=True)

    def begin(self, total: int) -> None:
        self._say_before()  # of the run before this one
        self.done = self.answered = self.ok = self.before = 0
        self.total = total
        self.started = time.monotonic()
        self.pulse.now(self._line)
        if not self.quiet and sys.stderr.isatty():
            self._live("generating", total)

    def skip(self) -> None:
        self.done += 1
        self.before += 1

    def rows(self, rows: list[Row]) -> None:
        self.done += len(rows)
        self.answered += sum(row["kind"] != "engine_error" for row in rows)
        self.ok += sum(row["kind"] == "ok" for row in rows)
        if self.bar is not None:
            self.bar.update(self.task, completed=self.done, description=self._rate())

    def _say(self, text: str, *, block: bool = False) -> None:
        self.pulse.spoke()
        if self.bar is not None:
            shown = visible(text) if block else inline(text)
            self.bar.console.print(shown, markup=False, highlight=False, soft_wrap=True)
        else:
            (say_block if block else say)(text, err=True)

    def _line(self) -> str:
        return f"{self.done}/{self.total} {self._rate()}, {self._left()}"

    def _rate(self) -> str:
        """Of the answers that this process got: what earlier rows hold is not read, so none of them is in the rate."""
        if not self.answered:
            return "no answer yet"
        share = f"{100 * self.ok / self.answered:.0f} % parse"
        return f"{share} (of {self.answered} new)" if self.before else share

    def _left(self) -> str:
        seconds, new = time.monotonic() - self.started, self.done - self.before
        if new:
            seconds = seconds / new * max(0, self.total - self.done)
        return f"{int(seconds // 60)}:{int(seconds % 60):02d} {'left' if new else 'so far'}"

    def _live(self, doing: str, total: int | None) -> None:
        """Show what is going on in the live line, which ticks by itself and needs no pulse."""
        if self.bar is None:
            self._open_bar()
            self.pulse.quiet = True
        self.bar.reset(self.task, total=total, completed=self.done if total else 0, description=doing)

    def _open_bar(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("eta"),
            TimeRemainingColumn(),
        )
        self.bar = Bar(*columns, console=Console(stderr=True), transient=True)
        self.task = self.bar.add_task("starting", total=None)
        self.bar.start()
