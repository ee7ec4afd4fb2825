"""Programs that attack: name -> (code, tests, the outcome that each must end in, words of its detail)."""

from __future__ import annotations

from typing import NamedTuple

from listeval.scoring.execution import Outcome, Program

OK, ASSERTION, EXCEPTION = Outcome.OK, Outcome.ASSERTION, Outcome.EXCEPTION
TIMEOUT, MEMORY, BROKEN = Outcome.TIMEOUT, Outcome.MEMORY, Outcome.SANDBOX

WRONG = "\ndef f(x):\n    return x\n"
TESTS = ("assert f(1) == 2", "assert f(2) == 3")
SYSTEM = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    ctypes.set_errno(0)
    if getattr(libc, name)(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
"""
ALWAYS = """
class Same:
    def __init__(self, *a): pass
    def __eq__(self, other): return True
"""


class Attack(NamedTuple):
    """`detail`: words that the verdict's detail must contain."""

    outcome: Outcome
    code: str
    tests: tuple[str, ...] = ()
    detail: str = ""
    setup: str = ""

    def program(self) -> Program:
        return Program(self.code, self.tests, self.setup)


REFUSED = "Operation not permitted"
ABSENT = "No such file"
READ_ONLY = "Read-only file system"

PROCESSES = {
    "fork bomb": Attack(EXCEPTION, "import os\nwhile True: os.fork()", (), REFUSED),
    "fork bomb that insists": Attack(TIMEOUT, "import os\nwhile True:\n try: os.fork()\n except OSError: pass"),
    "thread bomb": Attack(
        EXCEPTION,
        "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(60,)).start()",
        (),
        "start new thread",
    ),
    "subprocess": Attack(EXCEPTION, "import subprocess, sys\nsubprocess.run([sys.executable, '-c', ''])", (), REFUSED),
    "shell": Attack(EXCEPTION, "import os\nassert os.system('true') == 0, 'no shell'", (), "no shell"),
    "multiprocessing": Attack(
        EXCEPTION, "import multiprocessing as m\nm.get_context('fork').Process(target=print).start()", (), REFUSED
    ),
    "execve": Attack(EXCEPTION, "import os, sys\nos.execv(sys.executable, ['python'])", (), REFUSED),
    "daemon by double fork": Attack(
        EXCEPTION, "import os, time\nif os.fork() == 0:\n os.setsid()\n if os.fork() == 0: time.sleep(600)", (), REFUSED
    ),
    "vfork": Attack(EXCEPTION, SYSTEM + "call('vfork')", (), REFUSED),
    "new session": Attack(EXCEPTION, "import os\nos.setsid()", (), REFUSED),
    "kill the parent": Attack(EXCEPTION, "import os\nos.kill(os.getppid(), 9)", (), REFUSED),
    "kill everything": Attack(EXCEPTION, "import os\nos.kill(-1, 9)", (), REFUSED),
    "kill init": Attack(EXCEPTION, "import os\nos.kill(1, 9)", (), REFUSED),
    "kill itself": Attack(EXCEPTION, "import os\nos.kill(os.getpid(), 9)", (), REFUSED),
    "signal by pidfd": Attack(
        EXCEPTION, "import os, signal\nsignal.pidfd_send_signal(os.pidfd_open(1), 9)", (), REFUSED
    ),
    "ptrace": Attack(EXCEPTION, SYSTEM + "call('ptrace', 16, 1, None, None)", (), REFUSED),
    "read another process": Attack(EXCEPTION, SYSTEM + "call('process_vm_readv', 1, None, 0, None, 0, 0)", (), REFUSED),
}

RESOURCES = {
    "8 GB": Attack(MEMORY, "x = bytearray(8 << 30)"),
    "many small objects": Attack(MEMORY, "x = []\nwhile True: x.append(bytes(4000))"),
    "memory in C": Attack(MEMORY, "x = 'a' * (1 << 40)"),
    "mmap": Attack(MEMORY, "import mmap\nx = mmap.mmap(-1, 8 << 30)"),
    "memory that a test needs": Attack(MEMORY, "def f(): return [0] * (1 << 30)", ("assert f()",)),
    "endless recursion on the heap": Attack(
        MEMORY, "import sys\nsys.setrecursionlimit(10**9)\ndef f(x): return f([x] * 9999)\nf(0)"
    ),
    "hidden memory (memfd)": Attack(EXCEPTION, "import os\nos.memfd_create('x')", (), REFUSED),
    "busy loop": Attack(TIMEOUT, "while True: pass"),
    "busy loop in a test": Attack(TIMEOUT, "def f():\n while True: pass", ("f()",)),
    "busy loop in C": Attack(TIMEOUT, "x = 3 ** 10**9"),
    "catastrophic regex": Attack(TIMEOUT, "import re\nre.match('(a+)+$', 'a' * 64 + 'b')"),
    "sleep": Attack(TIMEOUT, "import time\ntime.sleep(10**6)", (), "did not end"),
    "wait for a lock": Attack(TIMEOUT, "import threading\nx = threading.Lock()\nx.acquire()\nx.acquire()"),
    "ignored signals": Attack(
        TIMEOUT,
        "import signal\nfor s in set(signal.valid_signals()) - {9, 19}:\n try: signal.signal(s, signal.SIG_IGN)\n"
        " except OSError: pass\nwhile True: pass",
    ),
    "catch everything for ever": Attack(
        TIMEOUT, "def loop():\n while True:\n  try:\n   while True: pass\n  except BaseException: pass\nloop()"
    ),
    "own alarm": Attack(TIMEOUT, "import signal\nsignal.alarm(1)\nwhile True: pass"),
    "alarm that raises": Attack(
        EXCEPTION,
        "import signal\ndef ring(*a): raise ValueError('ring')\nsignal.signal(signal.SIGALRM, ring)\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.05)\nwhile True: pass",
        (),
        "ring",
    ),
    "stdout flood": Attack(TIMEOUT, "while True: print('x' * 10**6)"),
    "stdout flood that ends": Attack(OK, "for _ in range(300): print('x' * 10**6)"),
    "stderr flood that ends": Attack(OK, "import os\nfor _ in range(300): os.write(2, b'x' * 10**6)"),
    "descriptors": Attack(
        EXCEPTION, "import os\nx = [os.open('/dev/null', 0) for _ in range(10**6)]", (), "Too many open"
    ),
    "pipes": Attack(EXCEPTION, "import os\nx = [os.pipe() for _ in range(10**6)]", (), "Too many open"),
    "inodes": Attack(EXCEPTION, "for i in range(10**6): open(f'/tmp/{i}', 'w').close()", (), "No space left"),
    "directories": Attack(EXCEPTION, "import os\nfor i in range(10**6): os.mkdir(f'/tmp/{i}')", (), "No space left"),
    "big file": Attack(
        EXCEPTION, "f = open('/tmp/x', 'wb')\nfor _ in range(99): f.write(bytes(1 << 20))", (), "too large"
    ),
    "many files": Attack(
        EXCEPTION, "for i in range(60): open(f'/tmp/{i}', 'wb').write(bytes(1 << 19))", (), "No space left"
    ),
    "raised limits": Attack(EXCEPTION, "import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))", (), "not"),
    "raised CPU limit": Attack(
        EXCEPTION, "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (999, 999))", (), "not"
    ),
    "lowered CPU limit": Attack(
        EXCEPTION, "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (0, 0))\nwhile True: pass", (), "not"
    ),
    "a source too deep for the parser": Attack(EXCEPTION, "x = " + "-" * 200_000 + "1", (), "nested too deeply"),
}

OUTSIDE = {
    "password file": Attack(EXCEPTION, "open('/etc/passwd')", (), ABSENT),
    "environment of init": Attack(EXCEPTION, "open('/proc/1/environ')", (), ABSENT),
    "own memory": Attack(EXCEPTION, "open('/proc/self/mem', 'r+b')", (), ABSENT),
    "kernel settings": Attack(EXCEPTION, "open('/proc/sys/kernel/core_pattern', 'w')", (), ABSENT),
    "sysfs": Attack(EXCEPTION, "import os\nos.listdir('/sys')", (), ABSENT),
    "physical memory": Attack(EXCEPTION, "open('/dev/mem', 'rb')", (), ABSENT),
    "devices": Attack(
        OK,
        "import os\nseen = sorted(os.listdir('/dev'))",
        ("assert seen == ['null', 'random', 'urandom', 'zero'], seen",),
    ),
    "device node": Attack(EXCEPTION, "import os, stat\nos.mknod('/tmp/x', stat.S_IFBLK | 0o600, 2048)", (), REFUSED),
    "environment": Attack(OK, "import os\nseen = dict(os.environ)", ("assert seen == {}, seen",)),
    "environment in C": Attack(
        OK,
        SYSTEM + "libc.getenv.restype = ctypes.c_char_p\nseen = libc.getenv(b'PATH')",
        ("assert seen is None, seen",),
    ),
    "descriptors of others": Attack(
        OK,
        "import os\nseen = []\nfor i in range(99):\n try: os.fstat(i); seen.append(i)\n except OSError: pass",
        ("assert seen == [0, 1, 2, 3], seen",),
    ),
    "standard input": Attack(EXCEPTION, "input()", (), "EOFError"),
    "installed packages": Attack(EXCEPTION, "import pip", (), "ModuleNotFoundError"),
    "this package": Attack(EXCEPTION, "import listeval", (), "ModuleNotFoundError"),
    "write to the root": Attack(EXCEPTION, "open('/x', 'w')", (), READ_ONLY),
    "write to the library": Attack(EXCEPTION, "import os\nopen(os.__file__, 'a')", (), "denied"),
    "write beside the library": Attack(
        EXCEPTION, "import os\nos.mkdir(os.path.dirname(os.__file__) + '/x')", (), READ_ONLY
    ),
    "remove the library": Attack(EXCEPTION, "import os\nos.unlink(os.__file__)", (), READ_ONLY),
    "chmod the interpreter": Attack(EXCEPTION, "import os, sys\nos.chmod(sys.executable, 0o4777)", (), READ_ONLY),
    "symbolic link out": Attack(
        EXCEPTION, "import os\nos.symlink('/etc/passwd', '/tmp/x')\nopen('/tmp/x')", (), ABSENT
    ),
    "symbolic link up": Attack(
        EXCEPTION, "import os\nos.symlink('../../../../../../etc/shadow', '/tmp/x')\nopen('/tmp/x')", (), ABSENT
    ),
    "symbolic link race": Attack(
        OK,
        """
import os, threading
stop, seen = False, []
def swap():
    while not stop:
        for target in (os.__file__, "/tmp/own", "/etc/passwd"):
            try:
                os.symlink(target, "/tmp/new"); os.replace("/tmp/new", "/tmp/x")
            except OSError:
                pass
open("/tmp/own", "w").close()
thread = threading.Thread(target=swap); thread.start()
for _ in range(300):
    try:
        with open("/tmp/x", "a") as file: seen.append(os.fstat(file.fileno()).st_dev == os.stat("/tmp").st_dev)
    except OSError:
        pass
stop = True; thread.join()
""",
        ("assert all(seen), seen", "assert not os.path.exists('/etc/passwd')"),
    ),
    "hard link": Attack(EXCEPTION, "import os\nos.link(os.__file__, '/tmp/x')", (), "Error"),
    "a program in /tmp": Attack(
        EXCEPTION, SYSTEM + "import shutil, sys\nshutil.copy(sys.executable, '/tmp/x')\ncall('execl', b'/tmp/x', None)"
    ),
    "chroot": Attack(EXCEPTION, "import os\nos.mkdir('/tmp/x')\nos.chroot('/tmp/x')", (), REFUSED),
    "mount": Attack(EXCEPTION, SYSTEM + "call('mount', b'x', b'/tmp', b'tmpfs', 0, None)", (), REFUSED),
    "unmount": Attack(EXCEPTION, SYSTEM + "call('umount2', b'/tmp', 2)", (), REFUSED),
    "new namespaces": Attack(EXCEPTION, SYSTEM + "call('unshare', 0x10000000)", (), REFUSED),
    "become root": Attack(EXCEPTION, "import os\nos.setuid(0)", (), REFUSED),
    "never root": Attack(
        OK,
        "import os\nseen = (os.getuid(), os.geteuid(), os.getgid(), *os.getgroups())",
        (
            "assert 0 not in seen",
            "import os\nassert 0 not in (os.getuid(), os.geteuid(), os.getgid(), *os.getgroups())",
        ),
    ),
    "gain privileges": Attack(EXCEPTION, SYSTEM + "call('prctl', 38, 0, 0, 0, 0)", (), REFUSED),
    "socket": Attack(EXCEPTION, "import socket\nsocket.socket()", (), REFUSED),
    "datagram socket": Attack(EXCEPTION, "import socket\nsocket.socket(type=socket.SOCK_DGRAM)", (), REFUSED),
    "raw socket": Attack(EXCEPTION, "import socket\nsocket.socket(socket.AF_PACKET, socket.SOCK_RAW)", (), REFUSED),
    "host socket (vsock)": Attack(EXCEPTION, "import socket\nsocket.socket(socket.AF_VSOCK)", (), REFUSED),
    "shared memory": Attack(EXCEPTION, SYSTEM + "call('shmget', 7, 4096, 0o1666)", (), REFUSED),
    "semaphores": Attack(EXCEPTION, SYSTEM + "call('semget', 7, 1, 0o1666)", (), REFUSED),
    "POSIX shared memory": Attack(
        EXCEPTION, "from multiprocessing import shared_memory as s\ns.SharedMemory('x', create=True, size=9)"
    ),
    "extended attributes": Attack(EXCEPTION, "import os\nos.setxattr('/tmp', 'user.x', b'x')", (), REFUSED),
    "system log": Attack(EXCEPTION, SYSTEM + "call('klogctl', 2, None, 0)", (), REFUSED),
    "dangerous calls": Attack(
        OK,
        SYSTEM
        + """
machine = os.uname().machine
numbers = {"x86_64": dict(keyctl=250, bpf=321, userfaultfd=323, perf_event_open=298, add_key=248, kexec_load=246)}.get(
    machine, dict(keyctl=219, bpf=280, userfaultfd=282, perf_event_open=241, add_key=217, kexec_load=104))
numbers.update(io_uring_setup=425, open_tree=428, move_mount=429, fsopen=430, pidfd_open=434, landlock=444)
allowed = []
for name, number in numbers.items():
    ctypes.set_errno(0)
    if libc.syscall(ctypes.c_long(number), 0, 0, 0, 0, 0, 0) >= 0 or ctypes.get_errno() != 1: allowed.append(name)
""",
        ("assert allowed == [], allowed",),
    ),
    "the 32-bit ABI": Attack(
        EXCEPTION,
        "import ctypes, mmap, os\nassert os.uname().machine == 'x86_64', 'killed by SIGSYS (another processor)'\n"
        "page = mmap.mmap(-1, 4096, prot=7)\npage.write(b'\\xb8\\x14\\0\\0\\0\\xcd\\x80\\xc3')\n"
        "ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()",
        (),
        "killed by SIGSYS",
    ),
    "the x32 ABI": Attack(
        EXCEPTION,
        SYSTEM + "assert os.uname().machine == 'x86_64', 'killed by SIGSYS (another processor)'\n"
        "libc.syscall(ctypes.c_long(0x40000027))",
        (),
        "killed by SIGSYS",
    ),
    "clone3": Attack(EXCEPTION, SYSTEM + "call('syscall', ctypes.c_long(435), None, 0)", (), "not implemented"),
}

FORGERY = {
    "os._exit in the code": Attack(EXCEPTION, "import os\nos._exit(0)", TESTS, "exit status 0"),
    "os._exit in a test": Attack(EXCEPTION, "import os\ndef f(x): os._exit(0)", TESTS, "exit status 0"),
    "sys.exit in the code": Attack(EXCEPTION, "import sys\nsys.exit(0)", TESTS, "SystemExit"),
    "sys.exit in a test": Attack(EXCEPTION, "import sys\ndef f(x): sys.exit()", TESTS, "SystemExit"),
    "exit in C": Attack(EXCEPTION, SYSTEM + "libc.exit(0)", TESTS, "exit status 0"),
    "exit hook": Attack(ASSERTION, "import atexit, os\natexit.register(os._exit, 0)" + WRONG, TESTS),
    "keyboard interrupt": Attack(EXCEPTION, "raise KeyboardInterrupt", TESTS, "KeyboardInterrupt"),
    "closed descriptors": Attack(EXCEPTION, "import os\nos.closerange(0, 999)" + WRONG, TESTS, "ended"),
    "closed streams": Attack(ASSERTION, "import os\nos.closerange(0, 3)" + WRONG, TESTS),
    "replaced descriptors": Attack(
        EXCEPTION, "import os\nx = os.open('/dev/null', os.O_RDWR)\nfor i in range(4): os.dup2(x, i)" + WRONG, TESTS
    ),
    "success on stdout": Attack(ASSERTION, 'print(\'ok\\nPASSED\\n{"outcome": "ok"}\')' + WRONG, TESTS),
    "success on every descriptor": Attack(
        EXCEPTION,
        "import os\nfor i in range(99):\n for word in (b'ok', b'passed', b'1', b'true'):\n  try: os.write(i, word)\n"
        "  except OSError: pass" + WRONG,
        TESTS,
        "channel",
    ),
    "every byte on every descriptor": Attack(
        EXCEPTION,
        "import os\nfor i in range(99):\n for n in range(256):\n  try: os.write(i, bytes([n]))\n"
        "  except OSError: break" + WRONG,
        TESTS,
    ),
    "the answers alone": Attack(
        EXCEPTION, "import os\nos.write(3, b'd')\nos.write(3, b'd')\nos.write(3, b'd')\nos._exit(0)", TESTS
    ),
    "echo of every descriptor": Attack(
        EXCEPTION,
        "import os\nos.set_blocking(3, False)\nfor _ in range(2000):\n try: os.write(3, os.read(3, 99))\n"
        " except OSError: pass" + WRONG,
        TESTS,
    ),
    "the runner's answers without its numbers": Attack(
        EXCEPTION, "import os\nfor _ in range(3): os.write(3, b'd' + bytes(16))\nos._exit(0)", TESTS, "channel"
    ),
    "the statements in the channel": Attack(
        EXCEPTION,
        "import os\nos.set_blocking(3, False)\nseen = []\ntry:\n while True: seen.append(os.read(3, 9999))\n"
        "except OSError: pass\nfor word in seen: os.write(3, word)\nos._exit(0)",
        TESTS,
    ),
    "a test that the answer's recursion limit does not reach": Attack(
        OK,
        "import sys\ndef f(x):\n sys.setrecursionlimit(20)\n return x + 1",
        ("assert f(1) == 2", "assert " + "-" * 60 + "1"),
    ),
    "flood of the channel": Attack(EXCEPTION, "import os\nwhile True: os.write(3, bytes(60000))", TESTS, "channel"),
    "unread channel": Attack(
        EXCEPTION, "import os\nos.write(3, b'd')\nos.write(3, b'd')\nos.write(3, b'd')\nraise ValueError", TESTS
    ),
    "patched AssertionError": Attack(
        ASSERTION,
        "import builtins\nbuiltins.AssertionError = type('No', (Exception,), {})\nAssertionError = No = int" + WRONG,
        TESTS,
    ),
    "patched exec and compile": Attack(
        ASSERTION, "import builtins\nbuiltins.exec = builtins.compile = lambda *a, **k: ''" + WRONG, TESTS
    ),
    "every builtin patched": Attack(
        ASSERTION,
        "import builtins\nkeep = list, vars\nfor name in keep[0](keep[1](builtins)):\n"
        " if name[0] != '_': setattr(builtins, name, lambda *a, **k: True)" + WRONG,
        TESTS,
    ),
    "builtins removed": Attack(ASSERTION, "import builtins\nvars(builtins).clear()" + WRONG, TESTS),
    "own builtins": Attack(ASSERTION, "__builtins__ = {'AssertionError': int}" + WRONG, TESTS),
    "patched set": Attack(
        ASSERTION, ALWAYS + "import builtins\nbuiltins.set = Same" + WRONG, ("assert set([f(1)]) == set([2])",)
    ),
    "patched module of the setup": Attack(
        ASSERTION,
        "import math\nmath.isclose = lambda *a, **k: True" + WRONG,
        ("assert math.isclose(f(1), 2)",),
        "",
        "import math",
    ),
    "patched os and sys": Attack(
        ASSERTION, "import os, sys\nos.write = os.read = os._exit = sys.exit = lambda *a: None" + WRONG, TESTS
    ),
    "modules removed": Attack(ASSERTION, "import sys\nsys.modules.clear()" + WRONG, TESTS),
    "trace that jumps over an assertion": Attack(
        ASSERTION,
        """
import sys
def trace(frame, event, argument):
    if frame.f_code.co_filename == "<test>" and frame.f_lineno == 2:
        frame.f_lineno = 3
    return trace
sys.settrace(trace)
"""
        + WRONG,
        ("x = f(1)\nassert x == 2\nx = 1",),
    ),
    "suppressed by a thread": Attack(
        ASSERTION, "import threading, os, time\nthreading.Thread(target=lambda: time.sleep(0.5)).start()" + WRONG, TESTS
    ),
    "no function": Attack(EXCEPTION, "", TESTS, "NameError"),
    "tests in memory": Attack(
        OK,
        """
import gc, sys
def needle():
    return "-".join(["needle", "in", "a", "test"])
def look():
    frame, found = sys._getframe(), []
    while frame:
        found += [repr(frame.f_locals), repr(frame.f_code.co_consts), repr(list(frame.f_globals.values()))]
        frame = frame.f_back
    found += [repr(thing) for thing in gc.get_objects() if type(thing) in (list, tuple, dict)]
    return [text for text in found if needle() in text]
found = look()
""",
        ("assert found == []", "assert len('needle-in-a-test')"),
    ),
    "tests in the caller's source": Attack(
        EXCEPTION, "import inspect\ndef f(x): return eval(inspect.stack()[1].code_context[0].split('==')[1])", TESTS
    ),
}

PROGRAMS = {
    "right": Attack(OK, "def f(x): return x + 1", TESTS),
    "wrong": Attack(ASSERTION, WRONG, TESTS, "AssertionError"),
    "nothing to test": Attack(OK, "x = 1"),
    "carriage returns": Attack(OK, "def f(x):\r\n    return x + 1\r\n", TESTS),
    "message of a test": Attack(ASSERTION, WRONG, ("assert f(1) == 2, 'one\\ntwo'",), "AssertionError: one"),
    "own assertion at import": Attack(EXCEPTION, "assert False, 'mine'", TESTS, "mine"),
    "own assertion in a call": Attack(EXCEPTION, "def f(x): assert x > 1, 'mine'", TESTS, "mine"),
    "assertion in a helper of the tests": Attack(
        ASSERTION, WRONG, ("def check(g):\n    assert g(1) == 2", "check(f)"), "AssertionError"
    ),
    "syntax error": Attack(EXCEPTION, "def f(:", TESTS, "SyntaxError"),
    "null character": Attack(EXCEPTION, "x = 1\0", TESTS),
    "lone surrogate": Attack(EXCEPTION, "x = '\ud800'", TESTS),
    "endless recursion": Attack(EXCEPTION, "def f(x): return f(x)", TESTS, "RecursionError"),
    "endless recursion in C": Attack(
        EXCEPTION,
        "import sys\nsys.setrecursionlimit(10**9)\nx = []\nfor _ in range(2 * 10**5): x = [x]\nrepr(x)",
        (),
        "SIGSEGV",
    ),
    "deep destructor": Attack(
        OK,
        "class Node:\n def __init__(self, x): self.x = x\n def __del__(self): pass\nx = None\n"
        "for _ in range(10**5): x = Node(x)\ndel x",
    ),
    "segmentation fault": Attack(EXCEPTION, "import ctypes\nctypes.string_at(0)", (), "SIGSEGV"),
    "abort": Attack(EXCEPTION, "import os\nos.abort()", (), "killed by"),
    "exception that cannot be shown": Attack(
        EXCEPTION, "class E(Exception):\n def __str__(self): raise KeyboardInterrupt\nraise E", (), "cannot be shown"
    ),
    "exception that speaks to the terminal": Attack(
        EXCEPTION, "raise ValueError('a\\x1b[2Jb\\x07\\r\\nc')", (), "ValueError: a?[2Jb?"
    ),
    "exception that claims to be another": Attack(
        EXCEPTION, "class E(Exception):\n __class__ = property(lambda s: AssertionError)\nraise E('x')", TESTS
    ),
    "threads left running": Attack(
        OK,
        "import threading\ndef spin():\n while True: pass\nthreading.Thread(target=spin).start()\n"
        "def f(x): return x + 1",
        TESTS,
    ),
    "main guard": Attack(OK, "if __name__ == '__main__': raise SystemExit\ndef f(x): return x + 1", TESTS),
    "dataclass with late annotations": Attack(
        OK,
        "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass A:\n x: int\n",
        ("assert A(1) == A(1)",),
    ),
    "pickle": Attack(
        OK, "import pickle\nclass A: pass\ndef f(): return pickle.loads(pickle.dumps(A()))", ("assert type(f()) is A",)
    ),
    "asyncio": Attack(
        OK, "import asyncio\nasync def g(): return 3\ndef f(): return asyncio.run(g())", ("assert f() == 3",)
    ),
    "files in /tmp": Attack(
        OK,
        "import tempfile\nwith tempfile.TemporaryFile('w+') as t:\n t.write('x'); t.seek(0); y = t.read()",
        ("assert y == 'x'",),
    ),
    "time zone": Attack(OK, "import time", ("assert time.tzname[0] == 'UTC'",)),
    "setup": Attack(OK, "y = x + 1", ("assert y == 2",), "", "x = 1"),
    "setup that fails": Attack(BROKEN, "x = 1", (), "setup: ModuleNotFoundError", "import no_such_module"),
    "setup that exits": Attack(BROKEN, "x = 1", (), "setup: it ended", "import os; os._exit(0)"),
    "setup that loops": Attack(BROKEN, "x = 1", (), "setup: ", "while True: pass"),
    "test that does not compile": Attack(BROKEN, "x = 1", ("assert x = 1",), "the test does not compile"),
    "setup that does not compile": Attack(BROKEN, "x = 1", (), "the setup does not compile", "import"),
    "large program": Attack(OK, "x = '" + "a" * 300_000 + "'", ("assert len(x) == 300_000",)),
}

ATTACKS = {**PROCESSES, **RESOURCES, **OUTSIDE, **FORGERY}
