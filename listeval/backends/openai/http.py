"""The network side of the openai backend: one connection pool, bounded retries, errors by whose fault they are.

A request ends in a value, in `Refused` (the server's last word on it) or in `Unavailable`
(no usable answer after every attempt), whatever bytes the server sends. Attempts are repeated on 408, 409, 429, 5xx,
time-outs, broken connections, torn bodies and answers that are not JSON, with exponential
back-off and full jitter, and a few times on JSON of another shape than an answer's; a body that is too long is not
asked for again. A `Retry-After` holds back every request, not only the one that met it.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from listeval.backends.openai.body import ENCODINGS, LIST_LIMIT, BodyReader, UnreadableBody
from listeval.backends.openai.wire import BrokenBody, Redactor, error_code, printable, server_message

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

_POOL = 8
"""Connections in one pool. httpx searches its pool on every request, so one large pool is quadratic in the
requests in flight; several small ones are not."""

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class RequestRefused(Exception):
    """The server's last word on a request: HTTP `status` and its `message`, redacted."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"HTTP {status}: {message}")
        self.status, self.message = status, message
        self.url: str | None = None
        """The server that said it, where there are several."""


class Unavailable(Exception):
    """No usable answer after every attempt. `gone`: the fault lies with the server, not with this request.

    `unreached`: at the last attempt there was no server.
    """

    def __init__(self, message: str, *, gone: bool, unreached: bool = False) -> None:
        super().__init__(message)
        self.gone, self.unreached = gone, unreached


class _Failed(Exception):
    """One failed attempt; worth at most `attempts` (None: the usual number).

    `retry_after` is the pause in seconds that the server asks for; `unreached`: there was no server.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        attempts: int | None = None,
        unreached: bool = False,
    ) -> None:
        super().__init__(message)
        self.retry_after, self.attempts, self.unreached = retry_after, attempts, unreached


_MISREAD = 2
"""Attempts at an answer that our own reading stumbles over."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how patiently. Attempt n waits a uniform time in [0, min(cap_s, base_s * 2^n)] seconds.

    A server that asks for a pause above `longest_s` is taken to be closed for now.
    """

    attempts: int = 7
    base_s: float = 0.5
    cap_s: float = 30.0
    longest_s: float = 120.0

    def pause(self, attempt: int) -> float:
        """Seconds before repetition `attempt` (1, 2, ...)."""
        return random.uniform(0.0, min(self.cap_s, self.base_s * 2.0**attempt))


class Connection:
    """Pools of at least `size` connections to one server, for use on one event loop."""

    def __init__(self, url: str, key: str | None, timeout_s: float, size: int, retry: Retry) -> None:
        import httpx

        self.redact = Redactor(key)
        self._url, self._timeout_s, self._retry = url, timeout_s, retry
        self.reach: int | None = None
        """Attempts at a server that is not there; None: the usual number."""
        self._open_at = 0.0
        self._reader = BodyReader()
        # A proxy of the environment must not come between us and a server on this machine.
        trust = urlsplit(url).hostname not in _LOOPBACK
        tls = httpx.create_ssl_context(trust_env=trust)
        self._clients = [
            httpx.AsyncClient(
                headers={"Accept-Encoding": ENCODINGS} | ({"Authorization": f"Bearer {key}"} if key else {}),
                # One deadline over the whole attempt (below): httpx's own would restart with every byte.
                timeout=httpx.Timeout(None, connect=min(30.0, timeout_s)),
                limits=httpx.Limits(max_connections=_POOL, max_keepalive_connections=_POOL),
                trust_env=trust,
                verify=tls,
            )
            for _ in range(-(-size // _POOL))
        ]
        # Last in, first out: the connection that was just used is the one that is still open.
        self._free: asyncio.LifoQueue[httpx.AsyncClient] = asyncio.LifoQueue()
        for client in self._clients:
            for _ in range(_POOL):
                self._free.put_nowait(client)

    async def ask(
        self,
        path: str,
        read: Callable[[Any], T],
        body: Mapping[str, Any] | None = None,
        attempts: int | None = None,
        limit: int = LIST_LIMIT,
    ) -> T:
        """`read(JSON)` of the answer to GET, or to POST of `body`. `path` is relative to the base URL, or a whole URL.

        Raises RequestRefused and Unavailable, whatever the server sends; `read` may raise BrokenBody. An answer of more
        than `limit` bytes is not read.
        """
        unreached = 0
        total = attempts or self._retry.attempts
        for attempt in range(1, total + 1):
            await self._wait(attempt - 1)
            try:
                return await self._once(path, read, body, limit)
            except _Failed as error:
                failure, last = error, attempt >= min(total, error.attempts or total)
                unreached += error.unreached
                last = last or (error.unreached and unreached >= (self.reach or total))
                self._hold(error)
            if last:
                break
        tries = f" ({attempt} attempts)" if attempt > 1 else ""
        raise Unavailable(
            self.redact(printable(str(failure))) + tries, gone=unreached == attempt, unreached=failure.unreached
        )

    async def _once(self, path: str, read: Callable[[Any], T], body: Mapping[str, Any] | None, limit: int) -> T:
        """One attempt. Raises RequestRefused for the server's last word, _Failed for any other that is no answer."""
        import httpx

        try:
            # One deadline over the whole attempt, however slowly its bytes drip.
            async with asyncio.timeout(self._timeout_s):
                status, headers, raw = await self._send(path, body, limit)
            return read(self._judge(status, headers, raw))
        except (RequestRefused, _Failed):
            raise
        except TimeoutError:
            raise _Failed(f"no answer within {self._timeout_s:g} s") from None
        except BrokenBody as error:
            raise _Failed(str(error), attempts=error.attempts) from None
        except UnreadableBody as error:
            raise _Failed(f"an answer that is not read: {error}", attempts=1) from None
        except Exception as error:  # noqa: BLE001 - whatever a server's bytes make of the client is this request's own
            unreached = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
            attempts = None if isinstance(error, httpx.RequestError | OSError) else _MISREAD
            words = f"{type(error).__name__}: {self.redact(str(error))[:500]}"
            raise _Failed(words, attempts=attempts, unreached=unreached) from None

    async def _send(
        self, path: str, body: Mapping[str, Any] | None, limit: int
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body of one exchange. Raises UnreadableBody, and the client's own errors."""
        url = path if "://" in path else self._url + path
        client = await self._free.get()
        try:
            sending = client.stream("GET", url) if body is None else client.stream("POST", url, json=body)
            async with sending as response:
                return response.status_code, response.headers, await self._reader.read(response, limit)
        finally:
            self._free.put_nowait(client)

    async def _wait(self, attempt: int) -> None:
        """The back-off of a repetition, then whatever pause the server asked of everybody."""
        if attempt:
            await asyncio.sleep(self._retry.pause(attempt))
        while (left := self._open_at - time.monotonic()) > 0:
            # Released together, waiting requests would only meet the same limit again.
            await asyncio.sleep(left + random.uniform(0.0, self._retry.base_s))

    def _hold(self, error: _Failed) -> None:
        if error.retry_after is None:
            return
        if error.retry_after > self._retry.longest_s:
            pause = min(error.retry_after, 1e9)
            raise Unavailable(f"{error}; it asks to wait {pause:.0f} s", gone=True) from None
        self._open_at = max(self._open_at, time.monotonic() + error.retry_after)

    def _judge(self, status: int, headers: Mapping[str, str], raw: bytes) -> Any:
        """The JSON of a good answer; raises for any other."""
        try:
            body = self.redact.scrub(json.loads(raw))
        except (ValueError, RecursionError):
            body = None
        # Redacted before it is cut: half a key is too much, too.
        words = server_message(self.redact(raw[:8000].decode("utf-8", "replace")) if body is None else body)
        words = self.redact(words)
        if status in (408, 409, 429) or status >= 500:
            if error_code(body) == "insufficient_quota":
                raise RequestRefused(status, words)
            raise _Failed(f"HTTP {status}: {words}", retry_after=retry_after(headers.get("Retry-After")))
        if not 200 <= status < 300:
            where = printable(self.redact(headers.get("Location", "")))[:200]
            raise RequestRefused(status, words or (f"redirect to {where}" if where else "no words"))
        if body is None:
            kind = printable(self.redact(headers.get("Content-Type", "no content type")))[:80]
            raise BrokenBody(f"an answer that is not JSON ({kind}): {words[:120]}")
        return body

    async def server(self, url: str) -> str:
        """The `Server` header behind `url`, empty where there is none or no answer."""
        with suppress(Exception):  # It is only a name for the manifest.
            async with asyncio.timeout(self._timeout_s):
                _, headers, _ = await self._send(url, None, LIST_LIMIT)
            return printable(self.redact(headers.get("Server", "")))[:200]
        return ""

    async def aclose(self) -> None:
        """Close every connection."""
        for client in self._clients:
            await client.aclose()


def retry_after(header: str | None) -> float | None:
    """Seconds from a `Retry-After` header, which holds seconds or an HTTP date; None where it says nothing."""
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            when = parsedate_to_datetime(header)
            when = when if when.tzinfo else when.replace(tzinfo=UTC)
            seconds = (when - datetime.now(UTC)).total_seconds()
        except (TypeError, ValueError, OverflowError, IndexError):
            return None
    return max(0.0, seconds) if isfinite(seconds) else None


class EventLoop:
    """An event loop on a thread of its own, so that blocking code can have requests in flight."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="listeval-http", daemon=True)
        self._thread.start()

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start `work`; cancelling the future stops it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self, last: Coroutine[Any, Any, None]) -> None:
        """Cancel everything in flight, run `last`, end the thread."""
        self.submit(_finish(last)).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _finish(last: Coroutine[Any, Any, None]) -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await last
