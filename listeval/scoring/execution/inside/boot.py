"""First code inside: the interpreter runs this file's text with -c, and descriptor 0 is the socket to the host.

Every message on that socket is one line of JSON. The first one brings the other modules, which the host has compiled
with an interpreter of the same version.
"""

from __future__ import annotations

import builtins
import json
import marshal
import os
import signal
import socket
import sys
from types import ModuleType
from typing import Any


def install(name: str, code: str) -> None:
    """Make `name` importable, with empty packages above it.

    Its builtins are a copy of their own, so that a program which patches the real ones does not patch the runner.
    """
    for end in [i for i, letter in enumerate(name) if letter == "."]:
        package = sys.modules.setdefault(name[:end], ModuleType(name[:end]))
        package.__path__ = []
    module = ModuleType(name)
    vars(module)["__builtins__"] = dict(vars(builtins))
    sys.modules[name] = module
    exec(marshal.loads(bytes.fromhex(code)), vars(module))
    parent, _, short = name.rpartition(".")
    setattr(sys.modules[parent], short, module)


def main() -> None:
    """Load the modules, then be the zygote until the host hangs up."""
    # A host that was started in the background ignores it, and what is ignored is inherited.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with socket.socket(fileno=os.dup(0)) as channel:
        hello: dict[str, Any] = json.loads(channel.makefile("rb").readline())
        for name, code in hello.pop("modules"):
            install(name, code)
        sys.modules[hello.pop("zygote")].main(channel, hello)


if __name__ == "__main__":
    main()
