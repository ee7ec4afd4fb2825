"""First code inside: the interpreter runs this file's text with -c, and descriptor 0 is the socket to the host.

Every message on that socket is one line of JSON. Behind the first two follow the other modules, which the host has
compiled with an interpreter of the same version: those that every program's process is forked with, and the judge's.
"""

from __future__ import annotations

import builtins
import json
import marshal
import os
import signal
import sys
from types import ModuleType
from typing import IO, Any


def install(name: str, code: bytes) -> None:
    """Make `name` importable, with empty packages above it.

    Its builtins are a copy of their own, so that a program which patches the real ones does not patch the runner.
    """
    for end in [i for i, letter in enumerate(name) if letter == "."]:
        package = sys.modules.setdefault(name[:end], ModuleType(name[:end]))
        package.__path__ = []
    module = ModuleType(name)
    vars(module)["__builtins__"] = dict(vars(builtins))
    sys.modules[name] = module
    exec(marshal.loads(code), vars(module))
    parent, _, short = name.rpartition(".")
    setattr(sys.modules[parent], short, module)


def load(lines: IO[bytes]) -> dict[str, Any]:
    """Install the modules behind the host's next message; the rest of it."""
    message: dict[str, Any] = json.loads(lines.readline())
    for name, size in message.pop("modules"):
        install(name, lines.read(size))
    return message


def main() -> None:
    """Load the modules, then be the zygote until the host hangs up."""
    # A host that was started in the background ignores it, and what is ignored is inherited.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with open(os.dup(0), "rb") as lines:  # noqa: PTH123 - a descriptor
        hello = load(lines)
        sys.modules[hello.pop("start")].main(lines, hello, lambda: load(lines))


if __name__ == "__main__":
    main()
