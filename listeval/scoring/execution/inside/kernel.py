"""The system calls that isolation needs and Python 3.11 does not have, through ctypes. Failures raise OSError."""

from __future__ import annotations

import ctypes
import os
from typing import Any

NEWNS, NEWCGROUP, NEWUTS, NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
NEWUSER, NEWPID, NEWNET = 0x10000000, 0x20000000, 0x40000000
"""Flags of unshare(2): which namespaces to leave."""

_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND, _MS_REC, _MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
_MNT_DETACH = 2
_RDONLY, _NOSUID, _NODEV = 1, 2, 4
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 4, 22, 38
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION_3 = 0x20080522
# No wrapper in libc. x86-64 has its own number; the other 64-bit architectures share the generic table.
_PIVOT_ROOT = 155 if os.uname().machine == "x86_64" else 41
_MOUNT_SETATTR = 442

_THIS_PROCESS = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
_NO_CAPABILITIES = (ctypes.c_uint32 * 6)()
_libc = ctypes.CDLL(None, use_errno=True)


# Looked up now: after a fork, a lookup would touch, and so copy, pages of every library.
for _name in ("unshare", "setns", "mount", "umount2", "syscall", "prctl", "capset"):
    getattr(_libc, _name)


def _call(name: str, *arguments: Any, what: str = "") -> int:
    result = int(getattr(_libc, name)(*arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), what or name)
    return result


def _syscall(number: int, *arguments: Any, what: str) -> int:
    wide = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return _call("syscall", ctypes.c_long(number), *wide, what=what)


def fork() -> int:
    """os.fork, whose error says what it was that failed."""
    try:
        return os.fork()
    except OSError as error:
        raise OSError(error.errno, error.strerror, "fork") from None


def unshare(flags: int) -> None:
    """Leave the namespaces in `flags`; NEWPID takes effect for children."""
    _call("unshare", flags, what=f"unshare({flags:#x})")


def setns(descriptor: int, kind: int) -> None:
    """Join the namespace of `kind` that a pidfd's process is in."""
    _call("setns", descriptor, kind)


def mount_private() -> None:
    """Stop mounts of this namespace from reaching any other."""
    _call("mount", None, b"/", None, _MS_REC | _MS_PRIVATE, None, what="mount(private /)")


def mount_tmpfs(target: str, options: str) -> None:
    """An empty file system in memory, from which nothing can be executed."""
    flags = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
    _call("mount", b"tmpfs", os.fsencode(target), b"tmpfs", flags, options.encode(), what=f"mount(tmpfs {target})")


def bind(source: str, target: str) -> None:
    """Show `source` with all that is mounted below it at `target`, as it is."""
    where = os.fsencode(source), os.fsencode(target)
    _call("mount", *where, None, _MS_BIND | _MS_REC, None, what=f"mount(bind {source})")


def make_read_only(target: str, *, recursive: bool = False, devices: bool = False) -> None:
    """No writing and no set-user-id programs, and no devices unless `devices`. Linux 5.12."""
    attributes = (ctypes.c_uint64 * 4)(_RDONLY | _NOSUID | (0 if devices else _NODEV), 0, 0, 0)
    flags = _AT_RECURSIVE if recursive else 0
    path = ctypes.c_char_p(os.fsencode(target))
    _syscall(
        _MOUNT_SETATTR, _AT_FDCWD, path, flags, attributes, ctypes.sizeof(attributes), what=f"mount_setattr({target})"
    )


def unmount(target: str) -> None:
    """Take a mount away; what still uses it keeps it until it ends."""
    _call("umount2", os.fsencode(target), _MNT_DETACH, what=f"umount({target})")


def pivot(new_root: str) -> None:
    """Make `new_root`, a mount, the root, and drop the old one with everything below it."""
    os.chdir(new_root)
    here = ctypes.c_char_p(b".")
    _syscall(_PIVOT_ROOT, here, here, what="pivot_root")
    unmount(".")
    os.chdir("/")


def set_dumpable() -> None:
    """Own the files in /proc/self again, which a change of user gives to root."""
    _call("prctl", _PR_SET_DUMPABLE, 1, 0, 0, 0, what="prctl(dumpable)")


def no_new_privileges() -> None:
    """From now on no execve gives this process or its children more than they have."""
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, what="prctl(no_new_privs)")


def drop_capabilities() -> None:
    """Give up every capability: effective, permitted, inheritable, and with them the ambient ones."""
    _call("capset", _THIS_PROCESS, _NO_CAPABILITIES)


class SystemCallFilter:
    """A seccomp program in the kernel's format (8 bytes an instruction), ready to be applied after a fork."""

    def __init__(self, instructions: bytes) -> None:
        self._buffer = ctypes.create_string_buffer(instructions, len(instructions))

        class Program(ctypes.Structure):
            _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

        self._program = Program(len(instructions) // 8, ctypes.addressof(self._buffer))

    def apply(self) -> None:
        """Filter this process and its threads for good. Needs `no_new_privileges`."""
        where = ctypes.byref(self._program)
        _call("prctl", _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, where, 0, 0, what="prctl(seccomp)")
