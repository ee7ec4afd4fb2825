"""Two steps into isolation: a root with nothing but the interpreter, then a user namespace of one powerless user.

`enter_root` is what bubblewrap does where it is installed. `enter_namespaces` follows in either case: it makes the
zygote all-powerful over namespaces of its own and nobody in the rest of the machine, so that it can give each program
a fresh PID namespace and a fresh /tmp.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from listeval.scoring.execution.inside import kernel

NOBODY = 65534
"""Host root becomes this user: the limit on threads does not hold for user 0."""
TMP = "/tmp"


def enter_root(
    proc: int,
    *,
    directories: Sequence[str],
    files: Sequence[str],
    devices: Sequence[str],
    links: Sequence[tuple[str, str]],
) -> None:
    """Move into a read-only root of these paths and symbolic links, without network, host IPC or host name.

    `proc` is a descriptor of the host's /proc, which the new root does not have.
    """
    others = kernel.NEWNS | kernel.NEWNET | kernel.NEWIPC | kernel.NEWUTS | kernel.NEWCGROUP
    if os.geteuid() == 0:
        kernel.unshare(others)
    else:
        _new_user(others, proc)
    kernel.mount_private()
    new = "/tmp"  # any directory does: it is covered in this mount namespace only
    kernel.mount_tmpfs(new, "size=1m,mode=755")
    for path in directories:
        _make(new + path)
        _show(path, new)
    for path in [*files, *devices]:
        _make((new + path).rpartition("/")[0])
        os.close(os.open(new + path, os.O_CREAT, 0o644))
        _show(path, new, devices=path in devices)
    for path, target in links:
        if not os.path.lexists(new + path):
            os.symlink(target, new + path)  # noqa: PTH211 - see `_make`
    _make(new + TMP)
    kernel.pivot(new)
    kernel.make_read_only("/")


def _make(directory: str) -> None:
    # With pathlib, all that it imports would be in every program's process, to be copied and given back.
    os.makedirs(directory, exist_ok=True)  # noqa: PTH103


def _show(path: str, new: str, *, devices: bool = False) -> None:
    kernel.bind(path, new + path)
    kernel.make_read_only(new + path, recursive=True, devices=devices)


def enter_namespaces(covered: Sequence[str], proc: int) -> None:
    """Become an ordinary user who rules new user, mount and PID namespaces, with `covered` directories empty.

    `proc` is a descriptor of a /proc. The PID namespace begins with the next fork.
    """
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    kernel.set_dumpable()
    _new_user(kernel.NEWNS | kernel.NEWPID, proc)
    kernel.no_new_privileges()
    for path in covered:
        kernel.mount_tmpfs(path, "size=4k,nr_inodes=1,mode=555")
        kernel.make_read_only(path)


def _new_user(others: int, proc: int) -> None:
    """Unshare the user namespace and `others`; the one user and group inside are those outside."""
    user, group = os.geteuid(), os.getegid()
    kernel.unshare(kernel.NEWUSER | others)
    kernel.set_dumpable()
    for name, line in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        descriptor = os.open(f"self/{name}", os.O_WRONLY, dir_fd=proc)
        os.write(descriptor, line.encode())
        os.close(descriptor)
