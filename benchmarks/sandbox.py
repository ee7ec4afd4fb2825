"""Programs a second in the sandbox against one interpreter each; one at a time and two.

The peers start an interpreter for every program, with the same text: `python -I` and, leaner, the base interpreter with
-I -S -B, which isolate nothing; and the latter in bubblewrap with the same namespaces and files, which is the plain way
to the same isolation (still without limits and system call filter). All pass the same tests.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from benchmarks.harness import Contender, Goal, Report, arguments, interleave, publish
from listeval.scoring.execution import Outcome, Program, Sandbox
from listeval.scoring.execution.isolation import launch
from listeval.scoring.execution.visible_files import visible

PROGRAMS = 40
TIMES = 10.0
PLAIN, BARE, WRAPPED = "python -I each", "base python -I -S -B each", "bubblewrap with base python -I -S -B each"
_BODIES = (
    ("", "return sorted(set(x))", "[3, 1, 3]", "[1, 3]"),
    ("import re\n", "return re.findall(r'[a-z]+', x)", "'ab1cd'", "['ab', 'cd']"),
    ("import math\n", "return math.gcd(*x)", "[12, 18]", "6"),
    ("from collections import Counter\n", "return Counter(x).most_common(1)[0][0]", "'banana'", "'a'"),
    ("import heapq\n", "return heapq.nlargest(2, x)", "[4, 9, 2]", "[9, 4]"),
)


def main() -> None:
    """One comparison for each number of programs at a time."""
    options = arguments(__doc__, rounds=7)
    report = Report("sandbox")
    programs = [program(number) for number in range(PROGRAMS)]
    bare = [visible().executable, "-I", "-S", "-B"]
    peers = {PLAIN: [sys.executable, "-I"], BARE: bare}
    if shutil.which("bwrap"):
        peers[WRAPPED] = [*launch("bubblewrap", visible()).prefix, *bare]
    with ExitStack() as stack:
        for workers in (1, 2):
            sandbox = stack.enter_context(Sandbox(workers=workers))
            report.facts["isolation"] = sandbox.isolation
            ours = f"sandbox, {workers} at a time"
            contenders = [Contender(ours, lambda s=sandbox: in_sandbox(s, programs), PROGRAMS)]  # type: ignore[misc]
            for name, command in peers.items():
                contenders.append(Contender(name, each_alone(command, programs, workers), PROGRAMS))
            seconds = interleave(contenders, rounds=options.rounds)
            case = f"{PROGRAMS} programs with 3 tests, {workers} at a time"
            for name in peers:
                report.compare(case, seconds, ours, name, Goal(least=TIMES) if name != BARE else None)
            report.facts[f"programs a second, {workers} at a time"] = round(
                1 / sorted(seconds[ours])[options.rounds // 2]
            )
    publish(report, ["pyseccomp"], dry=options.dry)


def program(number: int) -> Program:
    """A short answer as MBPP has them; every number is another text."""
    imports, body, given, expected = _BODIES[number % len(_BODIES)]
    code = f"{imports}def answer_{number}(x):\n    {body}\n"
    test = f"assert answer_{number}({given}) == {expected}"
    return Program(code, (test, f"assert answer_{number}({given}) is not None", test))


def in_sandbox(sandbox: Sandbox, programs: Sequence[Program]) -> None:
    """All programs; all must pass."""
    assert all(ran.outcome is Outcome.OK for ran in sandbox.run(programs))


def each_alone(command: Sequence[str], programs: Sequence[Program], workers: int) -> Callable[[], None]:
    """The same programs, an interpreter each, `workers` at a time."""

    def alone(one: Program) -> bool:
        text = "\n".join((one.setup, one.code, *one.tests))
        return subprocess.run([*command, "-c", text], stdin=subprocess.DEVNULL, capture_output=True).returncode == 0

    def run() -> None:
        with ThreadPoolExecutor(workers) as pool:
            assert all(pool.map(alone, programs))

    return run


if __name__ == "__main__":
    main()
