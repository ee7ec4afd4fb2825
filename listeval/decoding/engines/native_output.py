"""What an engine's C++ or Rust writes to stderr while it compiles, kept off the terminal and handed back as text."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_NATIVE = re.compile(
    r"^\[\d\d:\d\d:\d\d\].*\.(?:cc|h|cpp):\d+.*|^thread '.*' panicked at .*|^note: run with `RUST_BACKTRACE.*", re.M
)
"""Lines as xgrammar's log and Rust's panics write them."""


@contextmanager
def captured_native_output() -> Iterator[list[str]]:
    """Redirect the descriptor itself, which replacing sys.stderr would not; the lines of the engine fill the list.

    Whatever else was written meanwhile (another thread's progress) is passed on at the end.
    """
    lines: list[str] = []
    with suppress(OSError, ValueError):
        sys.stderr.flush()
    try:
        copy = os.dup(2)
    except OSError:  # a process without a stderr has nothing to hide
        yield lines
        return
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield lines
        finally:
            with suppress(OSError, ValueError):
                sys.stderr.flush()
            os.dup2(copy, 2)
            os.close(copy)
            file.seek(0)
            text = file.read().decode(errors="replace")
            lines += _NATIVE.findall(text)
            if rest := _NATIVE.sub("", text).strip("\n"):
                os.write(2, rest.encode() + b"\n")
