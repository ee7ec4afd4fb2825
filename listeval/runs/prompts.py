"""What a run knows of its prompts besides their text: the clock that they print, data that spells control tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from listeval.backends.protocol import Backend, Message
from listeval.models.control_text import spells_usual_marks
from listeval.models.renderer import Renderer
from listeval.runs.manifest import Manifest


def keep_clock(backend: Backend, manifest: Manifest, earlier: Manifest | None) -> None:
    """Hold the template's clock still: at the time of the run's first attempt, else of the repeated run, else at now.

    Nothing happens for a template without a clock, and for one that only the server knows.
    """
    renderer = backend.renderer
    if not isinstance(renderer, Renderer) or renderer.clock is None:
        return
    told = manifest.config.clock
    if earlier is not None:
        # Runs of an earlier listeval did not say what their clock was; they began then.
        told = earlier.config.clock or datetime.fromisoformat(earlier.created).astimezone()
    if told is not None:
        renderer.set_clock(told)
    manifest.config = manifest.config.model_copy(update={"clock": renderer.clock})


class ControlTextCount:
    """Counts the prompts whose data spells control tokens, by what becomes of them: of this process and of all.

    `encoded_as_text`: nothing more. `as_the_template_writes`: the template's own marks are plain text, too, and no
    encoding tells them apart. `as_the_server_renders`: whatever the server makes of them.
    """

    def __init__(self, backend: Backend, earlier: Mapping[str, int]) -> None:
        """`earlier` counts those of the attempts before this process."""
        self._renderer = backend.renderer
        self._rendered_there = backend.renderer is None and backend.name not in ("replay", "null")
        self._seen: Counter[str] = Counter()
        self._all = Counter(earlier)

    @property
    def counts(self) -> dict[str, int]:
        """Of all attempts. One that was killed noted samples and no counts: what is seen again makes up for it."""
        return dict(self._all | self._seen)

    def fate(self, messages: Sequence[Message]) -> str:
        """What becomes of control tokens that this prompt's data spells; empty where it spells none."""
        if self._rendered_there:
            return "as_the_server_renders" if spells_usual_marks(message.content for message in messages) else ""
        if not isinstance(self._renderer, Renderer):
            return ""
        control = self._renderer.control
        if any(control.unprotected(message.content) for message in messages):
            return "as_the_template_writes"
        return "encoded_as_text" if any(control.spelled(message.content) for message in messages) else ""

    def count(self, fate: str, *, first: bool) -> None:
        """Count one prompt; `first` says that no attempt had asked it before."""
        if fate:
            self._seen[fate] += 1
            self._all[fate] += first
