"""A machine that gives too little: the right cause, one line, and the fix that fits it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CODE = """
import resource, sys
from listeval.errors import UserError
from listeval.scoring.execution import Program, Sandbox
{prepare}
try:
    with Sandbox(workers=1, isolation={isolation!r}) as sandbox:
        print(*(ran.outcome for ran in sandbox.run([Program("def f(x): return x + 1", ("assert f(1) == 2",))] * 2)))
except UserError as error:
    print(error)
"""


@pytest.fixture
def few_processes():
    """A cgroup whose limit on processes the test sets, or a skip."""
    for folder in (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup")):
        group = folder / f"listeval-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        if (group / "pids.max").exists():
            yield group
            for pid in (group / "cgroup.procs").read_text().split():
                os.kill(int(pid), 9)
            group.rmdir()
            return
        group.rmdir()
    pytest.skip("needs a cgroup of its own that limits processes")


def said(isolation, prepare):
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(isolation=isolation, prepare=prepare)],
        capture_output=True, text=True, timeout=120, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("most", [1, 2, 3, 4, 5])
def test_too_few_processes_are_named_as_that(few_processes, most):
    (few_processes / "pids.max").write_text(str(most))
    words = said("namespaces", f"open({str(few_processes / 'cgroup.procs')!r}, 'w').write('0')")
    assert "pids.max" in words and "\n" not in words
    assert "user namespaces" not in words


@pytest.mark.parametrize("most", [6, 7, 9, 14])
def test_as_few_as_it_needs_are_enough_or_named(few_processes, most):
    (few_processes / "pids.max").write_text(str(most))
    words = said("namespaces", f"open({str(few_processes / 'cgroup.procs')!r}, 'w').write('0')")
    assert words == "ok ok" or "pids.max" in words


@pytest.mark.parametrize("megabytes", [60, 120, 300])
def test_a_limit_below_the_sandboxs_is_named(megabytes):
    size = megabytes << 20
    words = said("namespaces", f"resource.setrlimit(resource.RLIMIT_AS, ({size}, {size}))")
    assert "ulimit" in words or "MemoryError" in words or "memory" in words, words
    assert "\n" not in words and "user namespaces" not in words
