"""The standard streams of a process that was started with some of them closed (`>&-`, some daemons)."""

from __future__ import annotations

import os
import sys


def open_closed() -> None:
    """Open what is closed on the null device, so that nothing else need ask, and no file gets its number.

    Python has None in the place of a closed stream, and the next file that is opened would get what is printed below
    Python: its descriptor is the lowest that is free.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - for good
