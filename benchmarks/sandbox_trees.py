"""The sandbox of this tree against that of another one: the same 300 programs, alternating, one at a time and two.

    python -m benchmarks.sandbox_trees OTHER_TREE [--rounds 11]

OTHER_TREE is a checkout, in which this interpreter can import `listeval`. Says the median of each tree and, over the
rounds, median and quartiles of the ratio of this one to the other.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import IO

PROGRAMS = 300
_HERE = Path(__file__).parents[1]
_SERVE = f"""
import sys, time
sys.path.insert(0, sys.argv[1])
from benchmarks.sandbox import in_sandbox, program
from listeval.scoring.execution import Sandbox
import listeval
assert listeval.__file__.startswith(sys.argv[1] + "/"), listeval.__file__
programs, boxes = [program(number) for number in range({PROGRAMS})], {{}}
for line in sys.stdin:
    workers = int(line)
    if workers not in boxes:
        boxes[workers] = Sandbox(workers=workers)
        in_sandbox(boxes[workers], programs)
    start = time.perf_counter()
    in_sandbox(boxes[workers], programs)
    print((time.perf_counter() - start) / {PROGRAMS} * 1000, flush=True)
"""


def main() -> None:
    """One line for each number of programs at a time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path)
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args()
    trees = [str(options.other.resolve()), str(_HERE)]
    servers = [_start(tree) for tree in trees]
    for workers in (1, 2):
        rounds = []
        for number in range(options.rounds + 1):
            order = servers if number % 2 else servers[::-1]
            took = {server: _ask(server, workers) for server in order}
            rounds.append([took[server] for server in servers])
        before, now = (statistics.median(column) for column in zip(*rounds[1:], strict=True))  # the first one warms up
        low, middle, high = statistics.quantiles([ours / theirs for theirs, ours in rounds[1:]], n=4)
        print(f"{workers} at a time: {before:.3f} -> {now:.3f} ms, ratio {middle:.3f} [{low:.3f}, {high:.3f}]")
    for server in servers:
        server.communicate()


def _start(tree: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-P", "-c", _SERVE, tree]
    environment = {**os.environ, "PYTHONPATH": ""}
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tree, env=environment
    )


def _ask(server: subprocess.Popen[str], workers: int) -> float:
    """Milliseconds a program."""
    channel: IO[str] | None = server.stdin
    assert channel and server.stdout
    print(workers, file=channel, flush=True)
    return float(server.stdout.readline())


if __name__ == "__main__":
    main()
