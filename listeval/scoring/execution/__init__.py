"""Run generated Python in isolation and say what became of it: `with Sandbox() as sandbox: sandbox.run(programs)`.

Each worker is a warm interpreter (the zygote) inside the isolation: bubblewrap where it is installed, else our own use
of unshare and pivot_root. For each program it forks a process that runs the setup and the answer's code. The tests run
in another process, as isolated, which never runs a line of an answer: it calls the answer's functions through a
channel, several at once where tests are sure to make them. Values cross as copies that the receiver builds from builtin
types (numbers, text, containers, dates, ...), and what a call did to the containers that it was given is done to the
test's; everything else stays where it is and is worked on from there. The zygote watches both processes from outside,
and kills them.

Covered, one test each:

- Network: a network namespace whose only interface is a `lo` of its own; sockets but socket pairs are refused.
- Files: the interpreter, its standard library and shared libraries, time zones, four harmless devices, all read-only;
  no home directory, no /etc, no /proc, no installed packages. A private /tmp, limited in bytes and files, gone after.
- No environment, no descriptors but /dev/null on the three streams and one channel. Output is thrown away, so there is
  nothing to flood; input is at its end.
- An unprivileged user without capabilities (never root, also where root started it), `no_new_privs`, and an allow-list
  of system calls: no new processes, no execve, no signals, no ptrace, no namespaces, no shared memory (`syscalls`).
- CPU time (not wall time, so a busy machine turns no verdict), a wall limit for sleepers (who waits for a processor is
  none), address space, threads, file size, open files. A PID namespace of its own: killed as a whole, threads included,
  at the end.
- Verdicts: `ok` needs every test to have run to its end in its own process. Exit, a crash, closed descriptors, words
  on any descriptor, patches of any module, builtin or type, traces, frames, ctypes, a fake module, a changed import
  system: none of it is where the tests are. An object of the answer's is equal to, less or more than a test's value
  only where it is one (an instance of a subclass of list, int, ...), and then by the value, not by its own `__eq__`;
  so are operators between the two and methods that values have. What an operator of any other object makes of a
  test's value is never taken for a value.
  The tests, and what they expect, are never in the answer's memory; it sees the arguments of the calls. Names that
  the setup, an earlier test or builtins define mean those, whatever the answer defines (`Program.names`).
- Nor can a program make itself `sandbox`, and so take itself out of a mean.
- One program leaves nothing to the next. Everything ends with the sandbox: by `close`, an exception, Ctrl-C, kill -9.

Not covered, one test each:

- What an object of the answer's own class says of itself is believed: whether it is true, how long it is, what it
  contains where it cannot be iterated, its text, the number that it converts to, its attributes and items, whether two
  of them are equal. A test that asks nothing else can be lied to; one that compares it with a value cannot.
- Operators that a subclass of a builtin type defines itself: with a test's value they are the builtin type's.
- A test can not subclass the answer's class, pickle its objects, or hand over an object of a class of its own (but
  functions and iterators): that is an `exception`, however good the answer. Coroutines run one after the other. State
  that an answer keeps in a module of the library (`random.seed`, `sys.setrecursionlimit`) is its own; a test that
  reads the module sees the test's.
- A worse verdict of its own choice: `os._exit` with the right status is `memory`, not `exception`. Never a better one.
- Flaws of the kernel, side channels (timing, caches, load), and the standard library's files, which it can read.
- atexit hooks and finalizers at the interpreter's exit: the process is killed when the last test has ended.
- Memory of the machine beyond address space: at most twice `workers` times `memory`, and `tmp_size` (there is no
  cgroup). Where the kernel's memory killer chooses the zygote, the program is tried once more, then it is `sandbox`.
- Linux before 5.14 counts threads by user across the machine, so a program may get fewer than its limit.

The interpreter is the environment's base Python without installed packages, with a fixed hash seed, UTF-8 and UTC.
"""

from listeval.scoring.execution.program import Limits, Outcome, Program, Ran
from listeval.scoring.execution.sandbox import Sandbox

__all__ = ["Limits", "Outcome", "Program", "Ran", "Sandbox"]
