"""Run generated Python in isolation and say what became of it: `with Sandbox() as sandbox: sandbox.run(programs)`.

Each worker is a warm interpreter (the zygote) inside the isolation: bubblewrap where it is installed, else our own use
of unshare and pivot_root. For each program it forks a process, hands it the setup, the code and then one test statement
at a time, watches it from outside, and kills it.

Covered, one test each:

- Network: a network namespace whose only interface is a `lo` of its own; sockets but socket pairs are refused.
- Files: the interpreter, its standard library and shared libraries, time zones, four harmless devices, all read-only;
  no home directory, no /etc, no /proc, no installed packages. A private /tmp, limited in bytes and files, gone after.
- No environment, no descriptors but /dev/null on the three streams and the runner's channel. Output is thrown away,
  so there is nothing to flood; input is at its end.
- An unprivileged user without capabilities (never root, also where root started it), `no_new_privs`, and an allow-list
  of system calls: no new processes, no execve, no signals, no ptrace, no namespaces, no shared memory (`syscalls`).
- CPU time (not wall time, so a busy machine turns no verdict), a wall limit for sleepers, address space, threads, file
  size, open files. A PID namespace of its own: killed as a whole, threads included, at the end.
- Verdicts: `ok` needs every statement to have run to its end, seen from outside. Exit, `os._exit`, a crash, closed
  descriptors, success messages on any descriptor, patches of builtins, of `sys`, `os` or of a module that the setup
  imports: none gives `ok`. Nor can a program make itself `sandbox`. The tests are not in its memory before their turn.
- One program leaves nothing to the next. Everything ends with the sandbox: by `close`, an exception, Ctrl-C, kill -9.

Not covered:

- A program written against this runner: it can read the present test from the caller's frame, speak the runner's
  protocol on its descriptor, or find the runner's state through frames or ctypes, and so forge an `ok`.
- A worse verdict of its own choice: `os._exit` with the right status is `memory`, not `exception`. Never a better one.
- Answers that equal everything (`__eq__`), and functions of its own under the names that the tests call.
- Flaws of the kernel, side channels (timing, caches, load), and the standard library's files, which it can read.
- atexit hooks and finalizers at the interpreter's exit: the process is killed when the last test has ended.
- Memory of the machine beyond address space: at most `workers` times `memory` and `tmp_size` (there is no cgroup).
  Where the kernel's own memory killer chooses the zygote, the program is tried once more, then it is `sandbox`.
- Linux before 5.14 counts threads by user across the machine, so a program may get fewer than its limit.

The interpreter is the environment's base Python without installed packages, with a fixed hash seed, UTF-8 and UTC.
"""

from listeval.scoring.execution.program import Limits, Outcome, Program, Ran
from listeval.scoring.execution.sandbox import Sandbox

__all__ = ["Limits", "Outcome", "Program", "Ran", "Sandbox"]
