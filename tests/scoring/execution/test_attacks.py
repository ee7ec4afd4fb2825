"""Every attack ends in its right verdict, and the program after it is judged as if nothing had happened."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from listeval.scoring.execution import Outcome, Program
from tests.scoring.execution.attacks import ATTACKS, PROGRAMS, Attack

ALL = {**ATTACKS, **PROGRAMS}
GOOD = Program("import math\ndef f(x): return x + 1", ("assert f(1) == 2", "assert math.sqrt(4) == 2"))


def test_there_are_enough_attacks():
    assert len(ATTACKS) >= 40


@pytest.mark.parametrize("name", ALL)
def test_verdict_and_what_follows(sandbox, name):
    attack: Attack = ALL[name]
    ran, after = sandbox.run([attack.program(), GOOD])
    assert ran.outcome is attack.outcome, ran
    assert attack.detail in ran.detail
    assert "\n" not in ran.detail and ran.seconds < 5
    assert (ran.detail == "") == (ran.outcome is Outcome.OK)
    assert after == (Outcome.OK, "", after.seconds)


def test_a_listener_on_the_hosts_loopback_hears_nothing(sandbox):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        port = listener.getsockname()[1]
        (ran,) = sandbox.run([Program(f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 1)", ())])
        assert ran.outcome is Outcome.EXCEPTION
        with pytest.raises(TimeoutError):
            listener.accept()


def test_neither_home_nor_repository_nor_the_hosts_tmp_is_there(sandbox, tmp_path):
    (tmp_path / "file").write_text("secret")
    paths = [str(Path(__file__)), str(tmp_path / "file"), "/etc/shadow", "/home", "/var", "/proc/self", "/sys"]
    (ran,) = sandbox.run(
        [Program(f"import os\nseen = [p for p in {paths!r} if os.path.exists(p)]", ("assert not seen, seen",))]
    )
    assert ran.outcome is Outcome.OK, ran


def test_a_file_of_the_host_cannot_be_changed_through_the_same_name(sandbox, tmp_path):
    target = tmp_path / "file"
    target.write_text("before")
    sandbox.run(
        [
            Program(
                f"import os\nos.makedirs({str(tmp_path)!r}, exist_ok=True)\nopen({str(target)!r}, 'w').write('x')", ()
            )
        ]
    )
    assert target.read_text() == "before"


def test_environment_of_the_host_does_not_come_in(monkeypatch):
    from tests.scoring.execution.conftest import start

    monkeypatch.setenv("LISTEVAL_SECRET", "xyzzy")
    with start(None) as sandbox:
        code = "import ctypes\nc = ctypes.CDLL(None)\nc.getenv.restype = ctypes.c_char_p"
        (ran,) = sandbox.run([Program(code, ("assert c.getenv(b'LISTEVAL_SECRET') is None",))])
    assert ran.outcome is Outcome.OK
    assert os.environ["LISTEVAL_SECRET"] == "xyzzy"


def test_the_next_program_does_not_have_the_tests_of_the_one_before(sandbox):
    """Samples of one example run one after the other, so they share their tests."""
    program = ALL["tests in memory"].program()
    assert [ran.outcome for ran in sandbox.run([program] * 3)] == [Outcome.OK] * 3


LITTER = {
    "file": "open('/tmp/x', 'w').write('x')",
    "hidden directory": "import os\nos.mkdir('/tmp/.x')",
    "unreadable /tmp": "import os\nos.chmod('/tmp', 0)",
    "full /tmp": "for i in range(10**6): open(f'/tmp/{i}', 'w')",
    "patched module": "import math\nmath.sqrt = None",
    "patched builtins": "import builtins\nbuiltins.len = None",
    "removed modules": "import sys\nsys.modules.clear()",
    "working directory": "import os\nos.mkdir('/tmp/x'); os.chdir('/tmp/x')",
    "recursion limit": "import sys\nsys.setrecursionlimit(9)",
    "signal handlers": "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)",
}
CLEAN = Program(
    """
import math, os, signal, sys
def seen():
    yield os.listdir('/tmp') == [] and os.getcwd() == '/tmp'
    yield open('y', 'w').write('y') == 1
    yield math.sqrt(4) == 2 and len('ab') == 2
    yield sys.getrecursionlimit() == 1000
    yield signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
""",
    ("assert list(seen()) == [True] * 5", "import os\nassert os.getcwd() == '/tmp' and os.listdir() == ['y']"),
)


@pytest.mark.parametrize("name", LITTER)
def test_nothing_is_left_for_the_next_program(sandbox, name):
    _, after = sandbox.run([Program(LITTER[name], ()), CLEAN])
    assert after.outcome is Outcome.OK, after
