"""Places of examples in their data as text: `0-4,9` are the first five and the tenth, `7-` all from the eighth on."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from listeval.errors import UserError
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


def holds(ranges: Sequence[range], place: int) -> bool:
    """Whether one of the ranges, as `ranges_of` gives those of a spelt text, has the place; found by halving."""
    at = bisect_right(ranges, place, key=lambda one: one.start) - 1
    return at >= 0 and place in ranges[at]


def of_seeds(seeds: Sequence[object], places: Mapping[Any, Any]) -> dict[str, Any]:
    """The places of each of the seeds: its own, and for one that has none those that all others share.

    Raises UserError where these differ.
    """
    own = {str(seed): text for seed, text in places.items()}
    shared = list(dict.fromkeys(own.values()))
    new = [str(seed) for seed in seeds if str(seed) not in own]
    if new and len(shared) != 1:
        cause = f"each seed of this run has samples of its own, so it is not said which those of seed {new[0]} are"
        raise UserError(cause, place="--seeds", fix="--limit or --samples, too")
    return {str(seed): own.get(str(seed), shared[0]) for seed in seeds}


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
