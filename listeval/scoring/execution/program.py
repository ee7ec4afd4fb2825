"""What goes into the sandbox and what comes out: programs, limits, outcomes. It is used inside, too."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Outcome(StrEnum):
    """What became of a program. Only `sandbox` is no verdict on it: the instrument or the tests failed.

    `assertion` is an AssertionError of a test statement itself; one that passes through the program's own code is an
    `exception`, as is every other way of not reaching the end: exit, a crash, tampering with the runner.
    """

    OK = "ok"
    ASSERTION = "assertion"
    EXCEPTION = "exception"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    SANDBOX = "sandbox"


class Program(NamedTuple):
    """`setup`, then `code`, then each test statement, in one module named `program`.

    `names`: what the answer has to define although builtins have the name, too (a task that asks for a function
    `sum`). Elsewhere a test's `sum` is the builtin one, unless its tests name nothing else that could be the answer.

    The name is not `__main__`, so a main guard does not run (as with the checkers of HumanEval and MBPP, which call
    `exec` on a bare dict). A setup that fails, or a test that does not compile, is the data's fault: `sandbox`.
    """

    code: str
    tests: tuple[str, ...]
    setup: str = ""
    names: tuple[str, ...] = ()


class Ran(NamedTuple):
    """`detail` says in one line what went wrong, empty where nothing did; `seconds` is CPU time, not wall time."""

    outcome: Outcome
    detail: str
    seconds: float


class Limits(NamedTuple):
    """What one program may use.

    `cpu`: seconds of CPU time, so that a busy machine does not turn a verdict.
    `wall`: seconds after which a program that mostly slept (CPU under a tenth of them) is stopped. One that computes,
    or waits for a processor that others have, goes on to its CPU limit, for ten times `wall` at most.
    `memory`: bytes of address space. `threads`: beside the main one (new processes are refused altogether).
    `file_size`: bytes of one file. `tmp_size`, `inodes`: bytes and files in its /tmp. `descriptors`: open files.
    """

    cpu: float = 10.0
    wall: float = 60.0
    memory: int = 1 << 30
    threads: int = 32
    file_size: int = 16 << 20
    tmp_size: int = 64 << 20
    inodes: int = 1024
    descriptors: int = 64
