"""The two filters of system calls together refuse what the allow-list alone would: run as the kernel runs them."""

from __future__ import annotations

import platform
import struct

import pytest

from listeval.scoring.execution import syscalls

ALLOW, REFUSE = 0x7FFF0000, 0x00050001
"""What a filter returns: allowed, and failed with EPERM."""
THREAD = 0x3D0F00
"""The flags with which libc starts a thread."""
CALLS = {
    "unshare": [(0,), (0x10000000,)],
    "setns": [(3, 0)],
    "setsid": [()],
    "capset": [(0, 0)],
    "fork": [()],
    "vfork": [()],
    "clone": [(17,), (0x1200011,), (0x20000011,), (1 << 32 | 17,)],
    "prctl": [(22, 2), (4, 1), (38, 1), (14,), (17,), (1 << 32 | 15,), (2**64 - 1,)],
    "prlimit64": [(0, 7, 1)],
    "execve": [()],
    "seccomp": [(1,)],
}
FINE = {"clone": [(THREAD,)], "prctl": [(15,), (16,)], "read": [(3,)], "prlimit64": [(0, 7, 0)], "exit_group": [(0,)]}


@pytest.fixture(scope="module")
def seccomp():
    if platform.machine() != "x86_64":
        pytest.skip("the numbers below are those of x86-64")
    return pytest.importorskip("pyseccomp")


@pytest.fixture(scope="module")
def filters(seccomp):
    return syscalls.compile_filters()


def verdict(program: bytes, number: int, arguments: tuple[int, ...], arch: int = 0xC000003E) -> int:
    """What a filter, a program of classic BPF, returns for a system call."""
    data = struct.pack("<IIQ6Q", number, arch, 0, *(*arguments, *(0,) * 6)[:6])
    code = list(struct.iter_unpack("<HBBI", program))
    at = accumulator = 0
    while True:
        operation, yes, no, k = code[at]
        at += 1
        if operation == 0x20:  # load a word
            (accumulator,) = struct.unpack_from("<I", data, k)
        elif operation == 0x54:  # and
            accumulator &= k
        elif operation == 0x06:  # return
            return k
        elif operation == 0x05:  # jump always
            at += k
        else:
            found = {0x15: accumulator == k, 0x25: accumulator > k, 0x35: accumulator >= k, 0x45: bool(accumulator & k)}
            at += yes if found[operation] else no


def both(filters, number, arguments):
    """The stricter of the two, which is the smaller number here."""
    return min(verdict(one, number, arguments) for one in filters)


@pytest.mark.parametrize("name", CALLS)
def test_a_program_is_refused(seccomp, filters, name):
    number = seccomp.resolve_syscall(seccomp.Arch.NATIVE, name)
    assert {both(filters, number, arguments) for arguments in CALLS[name]} == {REFUSE}


@pytest.mark.parametrize("name", FINE)
def test_a_program_may(seccomp, filters, name):
    number = seccomp.resolve_syscall(seccomp.Arch.NATIVE, name)
    assert {both(filters, number, arguments) for arguments in FINE[name]} == {ALLOW}


def test_what_the_process_that_forks_may_do_beyond_is_exactly_what_is_refused_after_the_fork(seccomp, filters):
    known = {seccomp.resolve_syscall(seccomp.Arch.NATIVE, name) for name in (*syscalls._CONFINING, "clone", "prctl")}
    listed = set()
    for name in syscalls._ALLOWED.split():
        try:
            listed.add(seccomp.resolve_syscall(seccomp.Arch.NATIVE, name))
        except OSError:
            continue
    allowed = {number for number in range(600) if verdict(filters.inherited, number, ()) == ALLOW}
    # Those with conditions are allowed for some of their arguments: socketpair and ioctl for none like these.
    assert known <= allowed <= known | listed | {seccomp.resolve_syscall(seccomp.Arch.NATIVE, "prlimit64")}
    refused = {number for number in range(600) if verdict(filters.added, number, ()) == REFUSE}
    assert refused == known


def test_a_call_of_another_abi_passes_neither(filters):
    assert {verdict(one, 0, (), 0x40000003) for one in filters}.isdisjoint({ALLOW, REFUSE})
    assert {verdict(one, 0x40000000, ()) for one in filters}.isdisjoint({ALLOW, REFUSE})
