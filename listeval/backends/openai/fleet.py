"""Several servers of one model: each request goes to the one with the least in flight, and past one that is gone.

A server that cannot be reached is named, rests for a minute, and its requests go to the others. A request that one
server only fails goes to each of the others before it is given up. With one server everything is as its `Connection`
has it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from logging import getLogger
from typing import Any, TypeVar

from listeval.backends.openai.http import Connection, RequestRefused, Unavailable

T = TypeVar("T")

_LOG = getLogger(__name__)
_REST_S = 60.0
_REACH = 3
"""Attempts at a server that is not there, while others are."""


@dataclass
class Member:
    """One server and what became of it."""

    url: str
    http: Connection
    in_flight: int = 0
    answers: int = 0
    out: str | None = None
    """Why it was last given up; None for one that never was."""
    rests_until: float = 0.0

    @property
    def there(self) -> bool:
        """Whether it is asked."""
        return time.monotonic() >= self.rests_until


class Fleet:
    """The servers behind one run, for use on one event loop."""

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = tuple(members)
        self._turn = 0
        if len(members) > 1:
            for member in members:
                member.http.reach = _REACH

    async def ask(self, path: str, read: Callable[[Any], T], body: Mapping[str, Any] | None = None, *, limit: int) -> T:
        """As `Connection.ask`, at whichever server. Raises Unavailable as `gone` where none is left."""
        tried: list[Member] = []
        faults = 0
        while True:
            member = self._next(tried)
            member.in_flight += 1
            try:
                answer = await member.http.ask(path, read, body, limit=limit)
            except RequestRefused as error:
                error.url = member.url
                raise
            except Unavailable as error:
                if len(self.members) == 1:
                    raise
                tried.append(member)
                if error.gone or error.unreached:
                    self._rest(member, str(error))
                else:
                    faults += 1  # which may be the request's, so the server stays, and others are asked
                if len(tried) == len(self.members):
                    if faults:
                        raise Unavailable(str(error), gone=False) from None
                    raise Unavailable(f"none of {len(tried)} servers answers; the last: {error}", gone=True) from None
            else:
                member.answers += 1
                return answer
            finally:
                member.in_flight -= 1

    def state(self) -> list[dict[str, object]]:
        """Answers of each server, and why one was given up."""
        return [{"base_url": m.url, "answers": m.answers, "out": m.out} for m in self.members]

    async def aclose(self) -> None:
        """Close every connection."""
        for member in self.members:
            await member.http.aclose()

    def _next(self, tried: Sequence[Member]) -> Member:
        """The one with the least in flight, in turn where that is even; one that rests only where no other is left."""
        self._turn += 1
        n = len(self.members)
        places = [place for place in range(n) if self.members[place] not in tried]
        key = {p: (not self.members[p].there, self.members[p].in_flight, (p - self._turn) % n) for p in places}
        return self.members[min(places, key=key.__getitem__)]

    def _rest(self, member: Member, why: str) -> None:
        if member.there:
            _LOG.warning("the server %s is out, the others take its requests: %s", member.url, why)
        member.out, member.rests_until = why, time.monotonic() + _REST_S
