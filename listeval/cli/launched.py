"""A process that a launcher (torchrun, accelerate) started beside others: which of them speaks, and how it ends."""

from __future__ import annotations

import atexit
import os
import sys
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


class AtExit:
    """Ends this process with `code` after whatever registers from now on to run at exit.

    Python does not take itself apart first, for gloo's threads give a gathered tensor back under its lock. torch's
    caches keep them alive beyond their group, and one that asks for the lock while Python ends aborts the process: a
    finished training would count as failed.
    """

    def __init__(self) -> None:
        self.code = 1  # Unless somebody says otherwise, an exception ended it.
        # What is registered first is called last.
        atexit.register(self._end)

    def _end(self) -> None:
        end(self.code)


def end(code: int) -> NoReturn:
    """End this process at once with what it has printed, before Python takes itself apart."""
    for stream in (sys.stdout, sys.stderr):
        # What cannot be written has been said, or nobody is there to hear it.
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def beside_others() -> bool:
    """Whether a launcher started several processes, this one among them."""
    return os.environ.get("WORLD_SIZE", "1") != "1"


def speaks() -> bool:
    """Whether this is the one process of those launched together that says what all of them would."""
    return not beside_others() or os.environ.get("RANK", "0") == "0"
