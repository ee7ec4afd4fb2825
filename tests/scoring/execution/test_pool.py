"""The pool: order, sharing, restarts, and nothing left behind however it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from listeval.errors import UserError
from listeval.scoring.execution import Limits, Outcome, Program, Ran, Sandbox
from listeval.scoring.execution.worker import WorkerDied
from tests.scoring.execution.conftest import LIMITS, start
from tests.scoring.execution.test_layers import below

REPOSITORY = Path(__file__).parents[3]
GOOD, BAD = Program("x = 1", ("assert x == 1",)), Program("x = 1", ("assert x == 2",))


def gone(pids, seconds=15):
    until = time.monotonic() + seconds
    while alive := [pid for pid in pids if Path(f"/proc/{pid}").exists()]:
        if time.monotonic() > until:
            return alive
        time.sleep(0.05)
    return []


def kill_below(pid):
    """Kill a worker's first process and the zygote, which is in a session of its own."""
    for victim in sorted([*below(pid), pid]):  # the zygote before its program, of which it would have a verdict
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)


def test_verdicts_come_in_order_from_several_workers():
    with start(None, workers=3) as sandbox:
        programs = [(GOOD, BAD)[i % 3 == 0] for i in range(40)]
        programs[5] = Program("import time\ntime.sleep(0.5)", ())
        outcomes = [ran.outcome for ran in sandbox.run(programs)]
    expected = [(Outcome.OK, Outcome.ASSERTION)[i % 3 == 0] for i in range(40)]
    assert outcomes == expected


def test_no_programs_no_verdicts(any_sandbox):
    assert any_sandbox.run([]) == []


def test_threads_may_share_it():
    with start(None, workers=2) as sandbox:
        found = {}

        def use(number):
            found[number] = [ran.outcome for ran in sandbox.run([GOOD, BAD] * 5)]

        threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert list(found.values()) == [[Outcome.OK, Outcome.ASSERTION] * 5] * 4


def test_a_sandbox_made_in_a_thread_outlives_it():
    made = []
    thread = threading.Thread(target=lambda: made.append(start(None)))
    thread.start()
    thread.join()
    if not made:
        pytest.skip("no sandbox on this machine")
    with made[0] as sandbox:
        time.sleep(0.2)
        assert sandbox.run([GOOD])[0].outcome is Outcome.OK


def test_a_killed_worker_is_replaced_between_programs():
    with start(None) as sandbox:
        kill_below(sandbox._workers[0]._process.pid)
        time.sleep(0.1)
        assert [ran.outcome for ran in sandbox.run([GOOD, BAD])] == [Outcome.OK, Outcome.ASSERTION]


def test_a_worker_that_dies_under_a_program_is_replaced_and_the_program_tried_again():
    with start(None) as sandbox:
        victim = sandbox._workers[0]._process.pid
        threading.Timer(0.5, kill_below, (victim,)).start()
        slow = Program("import time\ntime.sleep(2)", ())
        assert [ran.outcome for ran in sandbox.run([slow, BAD])] == [Outcome.OK, Outcome.ASSERTION]
        assert sandbox._workers[0]._process.pid != victim


def test_a_program_whose_worker_dies_twice_is_unscored(monkeypatch):
    with start(None) as sandbox:
        worker = type(sandbox._workers[0])
        answer, deaths = worker.answer, []

        def die_twice(self):
            ran = answer(self)
            if ran.outcome is Outcome.ASSERTION and len(deaths) < 2:
                deaths.append(self)
                raise WorkerDied("gone")
            return ran

        monkeypatch.setattr(worker, "answer", die_twice)
        first, unscored, last = sandbox.run([GOOD, BAD, GOOD])
        assert (first.outcome, last.outcome) == (Outcome.OK, Outcome.OK)
        assert unscored == Ran(Outcome.SANDBOX, "the worker died twice: gone", 0.0)


@pytest.mark.parametrize("isolation", ["namespaces", "bubblewrap"])
def test_close_leaves_no_process_no_mount_and_no_file(isolation):
    mounts, files = Path("/proc/mounts").read_text(), set(Path("/tmp").iterdir())
    sandbox = start(isolation, workers=2)
    sandbox.run([GOOD, Program("open('/tmp/listeval-litter', 'w')", ())] * 4)
    pids = set().union(*({w._process.pid, *below(w._process.pid)} for w in sandbox._workers))
    assert len(pids) >= 6
    sandbox.close()
    sandbox.close()
    assert gone(pids) == []
    assert Path("/proc/mounts").read_text() == mounts
    assert not any("litter" in path.name for path in set(Path("/tmp").iterdir()) - files)
    with pytest.raises(UserError, match="closed"):
        sandbox.run([GOOD])


HOST = """
import sys, os, multiprocessing
from listeval.scoring.execution import Limits, Program, Sandbox
from tests.scoring.execution.test_layers import below
with Sandbox(Limits(wall=600), 1) as sandbox:
    if "fork" in sys.argv:
        child = os.fork()
        if child == 0:
            import time
            time.sleep(600)
        print(-child, end=" ")
    (worker,) = sandbox._workers
    print(worker._process.pid, *below(worker._process.pid), flush=True)
    sandbox.run([Program("import time\\ntime.sleep(600)", ())])
"""


def host(*arguments):
    """Another process that waits for a program that sleeps; and the processes of its sandbox."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOST, *arguments],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    line = process.stdout.readline()
    if not line:
        pytest.skip(f"no sandbox on this machine: {process.communicate()[1][-200:]}")
    time.sleep(0.3)
    return process, [int(word) for word in line.split()]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_everything_ends_with_the_host(number):
    process, pids = host()
    process.send_signal(number)
    process.communicate(timeout=30)
    assert len(pids) >= 2 and gone(pids) == []


def test_a_process_forked_from_the_host_does_not_keep_the_sandbox_alive():
    process, (other, *pids) = host("fork")
    try:
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)
        assert Path(f"/proc/{-other}").exists() and gone(pids) == []
    finally:
        os.kill(-other, signal.SIGKILL)
        process.communicate()


def test_an_exception_in_the_host_ends_everything(monkeypatch):
    sandbox = start(None)
    pids = below(os.getpid()) & {sandbox._workers[0]._process.pid} | below(sandbox._workers[0]._process.pid)
    monkeypatch.setattr(Sandbox, "_ready", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        sandbox.run([Program("while True: pass", ())])
    assert len(pids) >= 2 and gone(pids) == []


def test_no_worker_is_a_user_error():
    with pytest.raises(UserError, match="at least one worker"):
        Sandbox(LIMITS, 0)


def test_the_result_is_cpu_time_not_wall_time(any_sandbox):
    (ran,) = any_sandbox.run([Program("import time\ntime.sleep(1)", ())])
    assert ran.outcome is Outcome.OK and ran.seconds < 0.5


def test_one_that_computes_longer_than_the_wall_limit_goes_on_to_its_cpu_limit():
    with start(None, Limits(cpu=0.8, wall=0.5)) as sandbox:
        (ran,) = sandbox.run([Program("while True: pass", ())])
    assert ran.outcome is Outcome.TIMEOUT and "CPU" in ran.detail
