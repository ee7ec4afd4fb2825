"""The program's own process: read one statement at a time from the channel, run it, and answer.

Behind each statement waits a number that the answer must repeat backwards. It is read when the statement has run to its
end, so nothing worth stealing is in this process while foreign code runs: no later test, no number. What this module
uses of the interpreter is bound before any foreign code, so patches of `os`, `sys` or `builtins` do not reach it.
"""

from __future__ import annotations

import builtins
import errno
import os
import sys
from types import ModuleType, TracebackType
from typing import Any

SETUP, CODE, TEST, MORE = b"s", b"c", b"t", b"+"
"""First byte of a packet with a statement; `MORE` is a part that the next packet continues."""
DONE, ASSERTION, EXCEPTION, MEMORY = b"d", b"a", b"e", b"m"
"""First byte of an answer."""
CHANNEL = 3
"""The runner's only descriptor beside the three streams."""
PACKET = 1 << 16
DETAIL = 500
FULL = 71
"""Exit status of a runner that had no memory left to answer with."""

_NAMES = {SETUP: "<setup>", CODE: "<program>", TEST: "<test>"}
_PROGRAM = ModuleType("program")
_NAMESPACE: dict[str, Any] = vars(_PROGRAM)
_NAMESPACE["__builtins__"] = builtins
_BUILTINS = dict(vars(builtins))
_read, _write, _exit, _exec, _compile = os.read, os.write, os._exit, exec, compile
_settrace, _setprofile = sys.settrace, sys.setprofile
_exc_info = sys.exc_info


def hide() -> None:
    """Leave the program's module in the interpreter and none of ours (before the fork, which copies what is touched).

    Pickle, dataclasses and typing look up the module of a class.
    """
    for name in [name for name in sys.modules if name.startswith("listeval")]:
        del sys.modules[name]
    sys.modules["program"] = sys.modules["__main__"] = _PROGRAM


def serve() -> None:
    """Answer packets until killed. Never returns."""
    try:
        _serve(_NAMESPACE)
    except MemoryError:
        _exit(FULL)
    finally:
        _exit(70)


def _serve(namespace: dict[str, Any]) -> None:
    modules: list[tuple[dict[str, Any], dict[str, Any]]] = []
    while True:
        kind, source = _receive()
        if kind == TEST:
            # Tests have builtins of their own. Putting the real ones right again would touch, and so copy, a lot.
            namespace["__builtins__"] = _BUILTINS
            for current, kept in modules:
                current.update(kept)
        answer = _run(kind, source, namespace)
        _write(CHANNEL, answer + _read(CHANNEL, PACKET)[::-1] if answer == DONE else answer)
        if kind == SETUP:
            modules = [(vars(v), dict(vars(v))) for v in namespace.values() if isinstance(v, ModuleType)]


def _receive() -> tuple[bytes, bytes]:
    parts = []
    while True:
        packet = _read(CHANNEL, PACKET)
        if not packet:
            _exit(0)
        parts.append(packet[1:])
        if packet[:1] != MORE:
            return packet[:1], b"".join(parts)


def _run(kind: bytes, source: bytes, namespace: dict[str, Any]) -> bytes:
    _settrace(None)
    _setprofile(None)
    try:
        code = _compile(source.decode("utf-8", "surrogatepass"), _NAMES[kind], "exec", 0, True)
    except MemoryError:
        return EXCEPTION + b"MemoryError: the source is nested too deeply for the parser"
    except BaseException as error:  # noqa: BLE001 - whatever the compiler says
        return EXCEPTION + _describe(error)
    try:
        _exec(code, namespace)
    except MemoryError:
        return MEMORY
    except AssertionError as error:
        own = kind != TEST or _passes_through_program(_exc_info()[2])
        return (EXCEPTION if own else ASSERTION) + _describe(error)
    except BaseException as error:  # noqa: BLE001 - SystemExit and KeyboardInterrupt are no way to the end either
        return MEMORY if type(error) is OSError and error.errno == errno.ENOMEM else EXCEPTION + _describe(error)
    return DONE


def _passes_through_program(trace: TracebackType | None) -> bool:
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == _NAMES[CODE]:
            return True
        trace = trace.tb_next
    return False


def _describe(error: BaseException) -> bytes:
    try:
        text = f"{type(error).__name__}: {error}"
        line = next((line.strip() for line in text.splitlines() if line.strip()), "")
        return line[:DETAIL].rstrip(": ").encode("utf-8", "replace")
    except BaseException:  # noqa: BLE001 - the program wrote the exception, its text can do anything
        return b"an exception that cannot be shown"
