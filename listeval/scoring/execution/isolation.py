"""How a zygote is started: by bubblewrap where it is installed, else by itself through unshare and pivot_root."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from listeval.errors import UserError
from listeval.scoring.execution.inside.root import TMP
from listeval.scoring.execution.visible_files import DEVICES, VisibleFiles

Isolation = Literal["bubblewrap", "namespaces"]


class Launch(NamedTuple):
    """A command before the interpreter's own, and the configuration that the zygote gets with it."""

    isolation: Isolation
    prefix: tuple[str, ...]
    config: dict[str, Any]


def candidates(wanted: Isolation | None) -> list[Isolation]:
    """What to try, best first. Raises UserError where nothing can work."""
    if not sys.platform.startswith("linux"):
        cause = f"executing generated code needs Linux namespaces, and this is {sys.platform}"
        raise UserError(cause, fix="run it in a Linux machine, virtual machine or container")
    if wanted is not None:
        return [wanted]
    return ["bubblewrap", "namespaces"] if shutil.which("bwrap") else ["namespaces"]


def launch(isolation: Isolation, seen: VisibleFiles) -> Launch:
    """The start of a zygote that sees `seen`. Raises UserError where bubblewrap is asked for and not installed."""
    if isolation == "namespaces":
        root = {"directories": seen.directories, "files": seen.files, "devices": DEVICES, "links": seen.links}
        return Launch(isolation, (), {"root": root, "covered": seen.covered})
    command = shutil.which("bwrap")
    if command is None:
        raise UserError("bubblewrap (bwrap) is not installed", fix="apt-get install bubblewrap")
    return Launch(isolation, (command, *_options(seen)), {"root": None, "covered": ("/proc", *seen.covered)})


def _options(seen: VisibleFiles) -> Sequence[str]:
    # Not --die-with-parent: it means the thread that started it, which may end before the sandbox is closed. The
    # zygote ends with the socket instead. bwrap adds a user namespace by itself where it is not run by root.
    options = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    options += ["--new-session"]
    shown = (*seen.directories, *seen.files)
    # bwrap would make parents of these for its own user only, and the zygote becomes another one.
    for parent in sorted({str(parent) for path in (*shown, *DEVICES) for parent in Path(path).parents} - {"/"}):
        options += ["--dir", parent]
    for path in shown:
        options += ["--ro-bind", path, path]
    for path in DEVICES:
        options += ["--dev-bind", path, path]
    for path, target in seen.links:
        options += ["--symlink", target, path]
    return [*options, "--proc", "/proc", "--dir", TMP, "--remount-ro", "/", "--chdir", "/", "--"]
