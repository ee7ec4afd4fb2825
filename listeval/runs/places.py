"""Places of examples in their data as text: `0-4,9` are the first five and the tenth, `7-` all from the eighth on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from listeval.task import MOST

Places = Annotated[str, Field(pattern=r"^(\d{1,15}(-(\d{1,15})?)?(,\d{1,15}(-(\d{1,15})?)?)*)?$")]

EVERY = "0-"


def ranges_of(text: str) -> list[range]:
    """The places that a text names."""
    found = []
    for part in filter(None, text.split(",")):
        first, to, last = part.partition("-")
        found.append(range(int(first), 1 + int(last or (MOST if to else first))))
    return found


def spell(ranges: Iterable[range]) -> str:
    """The text that names the places of all `ranges`, in one way whatever their order; empty where there is none."""
    joined: list[range] = []
    for one in sorted(filter(len, ranges), key=lambda one: one.start):
        if joined and one.start <= joined[-1].stop:
            joined[-1] = range(joined[-1].start, max(joined[-1].stop, one.stop))
        else:
            joined.append(one)
    return ",".join(_spelled(one) for one in joined)


def _spelled(one: range) -> str:
    if one.stop > MOST:
        return f"{one.start}-"
    return f"{one.start}-{one.stop - 1}" if len(one) > 1 else str(one.start)
