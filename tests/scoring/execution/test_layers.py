"""The namespaces hold by themselves: the same sandbox with a filter that lets every system call through."""

from __future__ import annotations

import os
import socket
import struct
import time
from pathlib import Path

import pytest

from listeval.scoring.execution import Outcome, Program
from listeval.scoring.execution.syscalls import Filters
from tests.scoring.execution.conftest import start

ALLOW_ALL = struct.pack("HBBI", 0x06, 0, 0, 0x7FFF0000)
"""One instruction: return SECCOMP_RET_ALLOW."""
GRANDCHILD = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)
"""


@pytest.fixture(scope="module", params=["namespaces", "bubblewrap"])
def unfiltered(request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("listeval.scoring.execution.sandbox.compile_filters", lambda: Filters(ALLOW_ALL, ALLOW_ALL))
        with start(request.param) as sandbox:
            yield sandbox


def one(sandbox, code, *tests):
    (ran,) = sandbox.run([Program(code, tests)])
    return ran


def below(pid):
    """Processes of this machine that descend from `pid`."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def test_the_filter_is_really_off(unfiltered):
    assert one(unfiltered, "import socket\nsocket.socket()").outcome is Outcome.OK


def test_the_hosts_loopback_is_another_one(unfiltered):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        address = listener.getsockname()
        ran = one(unfiltered, f"import socket\nsocket.create_connection({address!r}, 1)")
        assert ran.outcome is Outcome.EXCEPTION
        assert "refused" in ran.detail or "unreachable" in ran.detail
        with pytest.raises(TimeoutError):
            listener.accept()


def test_the_only_interface_is_lo(unfiltered):
    code = "import socket\nseen = [name for _, name in socket.if_nameindex()]"
    assert one(unfiltered, code, "assert seen == ['lo'], seen").outcome is Outcome.OK


def test_abstract_sockets_of_the_host_are_out_of_reach(unfiltered):
    with socket.socket(socket.AF_UNIX) as listener:
        name = f"\0listeval-{os.getpid()}"
        listener.bind(name)
        listener.listen()
        ran = one(unfiltered, f"import socket\nsocket.socket(socket.AF_UNIX).connect({name!r})")
        assert "refused" in ran.detail


def most_below(pid: int) -> int:
    """How many processes stand below `pid` once the one that waits for the next program is there again."""
    counts = []
    for _ in range(20):
        counts.append(len(below(pid)))
        time.sleep(0.05)
    return max(counts)


def test_grandchildren_die_with_the_program(unfiltered):
    (worker,) = unfiltered._workers
    idle = one(unfiltered, "x = 1")
    before = most_below(worker._process.pid)
    ran = one(unfiltered, GRANDCHILD)
    assert idle.outcome is ran.outcome is Outcome.OK
    until = time.monotonic() + 10
    while len(below(worker._process.pid)) > before and time.monotonic() < until:
        time.sleep(0.05)
    assert len(below(worker._process.pid)) <= before


@pytest.mark.parametrize("target", ["-1", "0", "2"])
def test_signals_reach_nobody_outside(unfiltered, target):
    code = f"import os\ntry: os.kill({target}, 9)\nexcept OSError: pass"
    ran, after = unfiltered.run([Program(code, ()), Program("x = 1", ())])
    assert (ran.outcome, after.outcome) != (Outcome.SANDBOX, Outcome.SANDBOX)
    assert after.outcome is Outcome.OK


def test_it_is_alone_in_its_process_namespace(unfiltered):
    code = """
import os
seen = [os.getpid(), os.getppid()]
for i in range(2, 400):
    try:
        os.kill(i, 0)
        seen.append(i)
    except OSError:
        pass
"""
    assert one(unfiltered, code, "assert seen == [1, 0], seen").outcome is Outcome.OK


FORBIDDEN = {
    "mount": "libc.mount(b'x', b'/tmp', b'tmpfs', 0, None)",
    "unmount": "libc.umount2(b'/tmp', 2)",
    "remount": "libc.mount(None, b'/', None, 0x1020, None)",
    "pid namespace": "libc.unshare(0x20000000)",
    "host name": "libc.sethostname(b'x', 1)",
    "chroot": "libc.chroot(b'/tmp')",
    "clock": "libc.settimeofday((ctypes.c_long * 2)(), None)",
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_it_has_no_capability(unfiltered, name):
    code = f"import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nresult = {FORBIDDEN[name]}, ctypes.get_errno()"
    ran = one(unfiltered, code, "assert result == (-1, 1), result")
    assert ran.outcome is Outcome.OK, ran


def test_a_new_user_namespace_gives_no_way_back(unfiltered):
    code = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.unshare(0x10000000 | 0x20000)
results = [libc.umount2(path, 2) for path in (b"/tmp", b"/", b"/proc", b"/usr")]
results.append(libc.mount(None, b"/", None, 0x1020, None))
"""
    ran = one(unfiltered, code, "assert set(results) == {-1}, results")
    assert ran.outcome is Outcome.OK, ran


def test_a_fork_bomb_is_contained(unfiltered):
    ran, after = unfiltered.run([Program("import os\nwhile True: os.fork()", ()), Program("x = 1", ())])
    assert ran.outcome in (Outcome.EXCEPTION, Outcome.TIMEOUT)
    assert after.outcome is Outcome.OK


def test_shared_memory_is_gone_with_the_sandbox(unfiltered):
    """System V segments live in the worker's IPC namespace, which the filter keeps programs out of altogether."""
    host = Path("/proc/sysvipc/shm").read_text()
    one(unfiltered, "import ctypes\nx = ctypes.CDLL(None).shmget(77, 4096, 0o1666)")
    assert Path("/proc/sysvipc/shm").read_text() == host
