"""What a signal breaks on its way is shown by no hook of Python's; what broke otherwise is."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from listeval.cli import signals


def shown_by_hooks() -> None:
    """As extension modules show what broke an import of theirs."""
    try:
        raise RuntimeError("broken")
    except RuntimeError as error:
        sys.excepthook(type(error), error, error.__traceback__)


def test_what_breaks_without_a_signal_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with signals.Raised():
        shown_by_hooks()
    assert "RuntimeError: broken" in capsys.readouterr().err


@pytest.mark.parametrize("number", signals.CODES)
def test_what_a_signal_breaks_is_not_shown_and_hooks_come_back(
    capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    before = sys.excepthook, sys.unraisablehook
    with pytest.raises(signals.Stopped), signals.Raised():
        try:
            os.kill(os.getpid(), number)
        finally:
            shown_by_hooks()
    assert capsys.readouterr().err == ""
    assert (sys.excepthook, sys.unraisablehook) == before
