"""A machine that has no processor to spare turns no verdict."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from listeval.errors import UserError
from listeval.scoring.execution import Limits, Outcome, Program, Sandbox

ROOT = Path(__file__).parents[3]
SPINNERS = 24
STARVED = """
import os, sys
from listeval.scoring.execution import Limits, Program, Sandbox
os.sched_setaffinity(0, {int(sys.argv[1])})
work = "import time\\nwhile time.process_time() < %s: pass"
with Sandbox(Limits(cpu=2.0, wall=0.5), 1, isolation=sys.argv[2]) as sandbox:
    computes, sleeps = sandbox.run([Program(work % 0.1, ()), Program("import time\\ntime.sleep(600)", ())])
print(computes.outcome, sleeps.outcome, computes.detail)
"""


@pytest.fixture
def crowded():
    """One processor that many other processes want, each in a session, and so a scheduling group, of its own."""
    core = max(os.sched_getaffinity(0))
    spin = f"import os\nos.sched_setaffinity(0, {{{core}}})\nprint(flush=True)\nwhile True: pass"
    command = [sys.executable, "-I", "-S", "-c", spin]
    spinners = [subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) for _ in range(SPINNERS)]
    for spinner in spinners:
        spinner.stdout.read(1)
    yield core
    for spinner in spinners:
        spinner.kill()
        spinner.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("isolation", ["namespaces", "bubblewrap"])
def test_one_that_waits_for_a_processor_is_no_sleeper(crowded, isolation):
    try:
        Sandbox(Limits(), 1, isolation=isolation).close()
    except UserError as error:
        pytest.skip(f"no sandbox on this machine: {error}")
    done = subprocess.run(
        [sys.executable, "-c", STARVED, str(crowded), isolation],
        capture_output=True, text=True, timeout=300, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout.split()[:2] == [Outcome.OK, Outcome.TIMEOUT], done.stdout + done.stderr


def test_one_that_sleeps_is_one(any_sandbox):
    (ran,) = any_sandbox.run([Program("import time\ntime.sleep(600)", ())])
    assert (ran.outcome, ran.seconds < 0.5) == (Outcome.TIMEOUT, True)
