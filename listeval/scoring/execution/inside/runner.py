"""The answer's own process: run the setup and the code, then let the tests' process work on what is there.

Behind each of the two statements waits a number that the answer must repeat backwards, read when the statement has run
to its end. Behind that of the code stand the names that the tests will ask for, and behind its echo goes a word for
each, which is its number where it is a plain function. No test is ever here: a test's calls arrive with their
arguments, and their results leave as values.

There is one channel. The judge and the tests' process hold its other end, each with a descriptor of its own: the judge
writes the statements to it, the tests' process (or the judge, where there are no tests) reads and does all the rest.
Nothing that is written here reaches the channel between those two.
"""

from __future__ import annotations

import builtins
import errno
import os
import sys
from collections.abc import Callable
from types import CodeType, ModuleType
from typing import Any

from listeval.scoring.execution.inside.exported import Exported
from listeval.scoring.execution.inside.peer import AHEAD, MORE, QUICK, Gone, read_packet

SETUP, CODE, TEST = b"s", b"c", b"t"
"""What a statement is: the first byte of its last packet; `MORE` is a part that the next packet continues."""
NUMBER = 17
"""Bytes of the number behind a statement, the first of which is 0, so that an echo of it is no answer."""
DONE, ASSERTION, EXCEPTION, MEMORY = b"d", b"a", b"e", b"m"
"""First byte of an answer."""
CHANNEL = 3
"""The only descriptor beside the three streams."""
DETAIL = 500
FULL = 71
"""Exit status of a process that had no memory left to answer with."""

_NAMES = {SETUP: "<setup>", CODE: "<program>"}
_PROGRAM = ModuleType("program")
_EXPORTED = Exported(CHANNEL, vars(_PROGRAM))
"""Made before the fork: every process would have to copy some fifty pages to make its own."""
_write, _exit, _exec, _compile = os.write, os._exit, exec, compile


def hide() -> None:
    """Leave the program's module in the interpreter and none of ours (before the fork, which copies what is touched).

    Pickle, dataclasses and typing look up the module of a class.
    """
    for name in [name for name in sys.modules if name.startswith("listeval")]:
        del sys.modules[name]
    new_program(_PROGRAM)


def new_program(module: ModuleType) -> dict[str, Any]:
    """Make `module` the one that code runs in; its namespace."""
    sys.modules["program"] = sys.modules["__main__"] = module
    namespace = vars(module)
    namespace["__builtins__"] = builtins
    return namespace


def serve() -> None:
    """Answer until killed or left alone. Never returns."""
    try:
        _run_statements(_EXPORTED)
        while True:
            serve_one(_EXPORTED)
    except Gone:
        _exit(0)
    except MemoryError:
        _exit(FULL)
    finally:
        _exit(70)


def serve_one(exported: Exported) -> None:
    """Serve the next request. Raises Gone."""
    packet = read_packet(exported.channel)
    if packet[:1] == QUICK:
        exported.serve_quick(packet)
    elif packet[:1] == AHEAD:
        exported.serve_ahead(packet)
    else:
        exported.serve(exported.receive(packet))


def _run_statements(exported: Exported) -> None:
    kind = SETUP
    while kind != CODE:
        kind, source = _receive()
        answer = run(kind, source, exported.namespace)
        _write(CHANNEL, prove(exported, read_packet(CHANNEL)) if answer == DONE else answer)


def prove(exported: Exported, packet: bytes) -> bytes:
    """The answer that a statement has run, from the packet behind it."""
    # No JSON here: all that it touches would have to be copied in every process.
    names = packet[NUMBER:].decode().split()
    return DONE + packet[:NUMBER][::-1] + " ".join(map(exported.announced, names)).encode()


def _receive() -> tuple[bytes, bytes]:
    parts = []
    while True:
        packet = read_packet(CHANNEL)
        if not packet:
            _exit(0)
        parts.append(packet[1:])
        if packet[:1] != MORE:
            return packet[:1], b"".join(parts)


def run(kind: bytes, source: bytes, namespace: dict[str, Any]) -> bytes:
    """Compile and run one statement; the answer for it."""
    try:
        code = _compile(source.decode("utf-8", "surrogatepass"), _NAMES[kind], "exec", 0, True)
    except MemoryError:
        return EXCEPTION + b"MemoryError: the source is nested too deeply for the parser"
    except BaseException as error:  # noqa: BLE001 - whatever the compiler says
        return EXCEPTION + describe(error)
    return execute(kind, code, namespace)


def execute(
    kind: bytes,
    code: CodeType,
    namespace: dict[str, Any],
    foreign: Callable[[BaseException], bool] = lambda error: False,
) -> bytes:
    """Run a statement; the answer for it. `foreign`: whether an exception was raised in another process."""
    try:
        _exec(code, namespace)
    except MemoryError:
        return MEMORY
    except AssertionError as error:
        return (ASSERTION if kind == TEST and not foreign(error) else EXCEPTION) + describe(error)
    except Gone:
        raise
    except BaseException as error:  # noqa: BLE001 - SystemExit and KeyboardInterrupt are no way to the end either
        return MEMORY if _wants_memory(error) else EXCEPTION + describe(error)
    return DONE


def _wants_memory(error: BaseException) -> bool:
    """Whether it is how the system or the interpreter (CPython 3.11, for a frame) words that there is no memory."""
    if type(error) is OSError:
        return error.errno == errno.ENOMEM
    try:
        return type(error) is SystemError and error.args == ("error return without exception set",)
    except BaseException:  # noqa: BLE001 - the program wrote the arguments, comparing them can do anything
        return False


def describe(error: BaseException) -> bytes:
    """One line that says what was raised."""
    try:
        text = f"{type(error).__name__}: {error}"
        line = next((line.strip() for line in text.splitlines() if line.strip()), "")
        return line[:DETAIL].rstrip(": ").encode("utf-8", "replace")
    except BaseException:  # noqa: BLE001 - the program wrote the exception, its text can do anything
        return b"an exception that cannot be shown"
