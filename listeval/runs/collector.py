"""Python's collector of circles, paused while many rows are in the making: rows hold no circles, and it looks at all.

Every time the number of objects has grown by a quarter, the collector walks through every one of them. Sixty thousand
rows are millions of objects, of which none is garbage.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """No collection within the block, or within a function that this decorates; counted references go all the same."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
