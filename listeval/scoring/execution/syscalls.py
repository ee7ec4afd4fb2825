"""The system calls of a program, as a seccomp allow-list: what one Python process with threads and files needs.

Compiled by libseccomp through pyseccomp, once a sandbox, in two filters, of which a program has both, since a filter
takes the kernel long to make ready: the allow-list with the few calls that it takes to fork and confine a program,
which the process that forks puts on itself and its forks inherit; and one of a few rules, put on after each fork, that
refuses those. A call has to pass both. Everything that is not named fails with EPERM, in Python a
PermissionError: new processes, execve, sockets (but socket pairs), signals to anyone, ptrace, mount, namespaces, keys,
bpf, io_uring, userfaultfd, perf, memfd, System V and POSIX IPC, extended attributes, clocks, modules. A call through
another ABI of the processor (32-bit, x32) is no such call: it ends the program, with SIGSYS.
"""

from __future__ import annotations

import errno
import os
from typing import Any, NamedTuple

from listeval.errors import UserError

_CLONE_THREAD = 0x10000
_AF_UNIX = 1
_PR_SET_NAME, _PR_GET_NAME = 15, 16
_TERMINAL_SIZE, _TERMINAL_MODE, _READABLE, _NOT_INHERITED, _INHERITED, _NON_BLOCKING = (
    *(0x5413, 0x5401, 0x541B),
    *(0x5451, 0x5450, 0x5421),
)

_ALLOWED = """\
read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 close close_range lseek
open openat creat stat fstat lstat newfstatat statx access faccessat faccessat2 readlink readlinkat getcwd chdir fchdir
mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat symlink symlinkat chmod fchmod fchmodat
truncate ftruncate fallocate fsync fdatasync utime utimes utimensat futimesat getdents getdents64 statfs fstatfs umask
flock fcntl dup dup2 dup3 pipe pipe2 sendfile copy_file_range splice fadvise64 sync_file_range
poll ppoll select pselect6 _newselect epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd
eventfd2 sendto recvfrom sendmsg recvmsg shutdown getsockopt setsockopt getsockname getpeername
mmap munmap mprotect mremap brk madvise msync mincore membarrier
futex futex_waitv set_robust_list get_robust_list rseq set_tid_address sched_yield sched_getaffinity
sched_setaffinity sched_getparam sched_getscheduler sched_get_priority_max sched_get_priority_min
exit exit_group gettid getpid getppid getuid geteuid getgid getegid getresuid getresgid getgroups getpgrp getpgid getsid
rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigsuspend sigaltstack pause alarm setitimer
getitimer restart_syscall nanosleep clock_nanosleep clock_gettime clock_getres gettimeofday time times getrusage
getrandom uname sysinfo getcpu arch_prctl getrlimit getpriority wait4 waitid
"""


_CONFINING = ("unshare", "setns", "setsid", "capset")
"""What the process that forks may do beside the allow-list, with any clone and prctl, and a program may not."""


class Filters(NamedTuple):
    """In the kernel's format. `inherited`: of the process that forks and of its forks; `added`: of its forks alone."""

    inherited: bytes
    added: bytes


def compile_filters() -> Filters:
    """Both filters. Raises UserError where pyseccomp or libseccomp is missing."""
    fix = "pip install 'listeval[sandbox]' and the system's libseccomp (apt-get install libseccomp2)"
    try:
        import pyseccomp as seccomp
    except ImportError:
        raise UserError.missing_package("pyseccomp", fix, "the sandbox") from None
    except (RuntimeError, OSError) as error:
        raise UserError(f"the sandbox needs libseccomp: {error}", fix=fix) from None
    return Filters(_exported(_inherited(seccomp)), _exported(_added(seccomp)))


def _inherited(seccomp: Any) -> Any:
    rules = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))
    # A tree instead of a list of comparisons: the kernel walks the filter for each call number when it is applied.
    rules.set_attr(seccomp.Attr.CTL_OPTIMIZE, 2)

    def known(name: str) -> bool:
        try:
            seccomp.resolve_syscall(seccomp.Arch.NATIVE, name)
        except OSError:
            return False  # an older libseccomp, or a call that this architecture does not have
        return True

    for name in filter(known, _ALLOWED.split()):
        rules.add_rule(seccomp.ALLOW, name)
    for name in (*_CONFINING, "clone", "prctl"):
        rules.add_rule(seccomp.ALLOW, name)
    rules.add_rule(seccomp.ALLOW, "socketpair", seccomp.Arg(0, seccomp.EQ, _AF_UNIX))
    # Without a new limit it only asks.
    rules.add_rule(seccomp.ALLOW, "prlimit64", seccomp.Arg(2, seccomp.EQ, 0))
    for request in (_TERMINAL_SIZE, _TERMINAL_MODE, _READABLE, _NOT_INHERITED, _INHERITED, _NON_BLOCKING):
        rules.add_rule(seccomp.ALLOW, "ioctl", seccomp.Arg(1, seccomp.EQ, request))
    # Its flags lie in memory, where a filter cannot look. libc falls back to clone when the kernel lacks it.
    if known("clone3"):
        rules.add_rule(seccomp.ERRNO(errno.ENOSYS), "clone3")
    return rules


def _added(seccomp: Any) -> Any:
    rules, refused = seccomp.SyscallFilter(seccomp.ALLOW), seccomp.ERRNO(errno.EPERM)
    for name in _CONFINING:
        rules.add_rule(refused, name)
    rules.add_rule(refused, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, _CLONE_THREAD, 0))
    # All but the name of a thread, set or asked for.
    rules.add_rule(refused, "prctl", seccomp.Arg(0, seccomp.LT, _PR_SET_NAME))
    rules.add_rule(refused, "prctl", seccomp.Arg(0, seccomp.GT, _PR_GET_NAME))
    return rules


def _exported(rules: Any) -> bytes:
    read, write = os.pipe()  # holds 64 KiB; a filter is some 2
    with os.fdopen(read, "rb") as reader, os.fdopen(write, "wb") as writer:
        rules.export_bpf(writer)
        writer.close()
        return reader.read()
