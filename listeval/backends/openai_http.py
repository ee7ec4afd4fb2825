"""The network side of the openai backend: one connection pool, bounded retries, errors by whose fault they are.

A request ends in a value, in `Refused` (the server's last word on it) or in `Unavailable`
(no usable answer after every attempt). Attempts are repeated on 408, 409, 429, 5xx,
time-outs, broken connections, torn bodies and answers that are not JSON, with exponential
back-off and full jitter; a `Retry-After` holds back every request, not only the one that met it.
"""

from __future__ import annotations

import asyncio
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

from listeval.backends.openai_wire import Redactor, Torn, error_code, server_message

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

_POOL = 8
"""Connections in one pool. httpx searches its pool on every request, so one large pool is quadratic in the
requests in flight; several small ones are not."""

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class Refused(Exception):
    """The server's last word on a request: HTTP `status` and its `message`, redacted."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"HTTP {status}: {message}")
        self.status, self.message = status, message


class Unavailable(Exception):
    """No usable answer after every attempt. `gone`: the fault lies with the server, not with this request."""

    def __init__(self, message: str, *, gone: bool) -> None:
        super().__init__(message)
        self.gone = gone


class _Transient(Exception):
    """One failed attempt; `retry_after` is the pause in seconds that the server asks for."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


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
        self._open_at = 0.0
        # A proxy of the environment must not come between us and a server on this machine.
        trust = urlsplit(url).hostname not in _LOOPBACK
        tls = httpx.create_ssl_context(trust_env=trust)
        self._clients = [
            httpx.AsyncClient(
                headers={"Authorization": f"Bearer {key}"} if key else {},
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
    ) -> T:
        """`read(JSON)` of the answer to GET, or to POST of `body`. `path` is relative to the base URL, or a whole URL.

        Raises Refused and Unavailable; `read` may raise Torn.
        """
        import httpx

        unreached = 0
        total = attempts or self._retry.attempts
        for attempt in range(total):
            await self._wait(attempt)
            try:
                async with asyncio.timeout(self._timeout_s):
                    return read(self._judge(await self._send(path, body)))
            except TimeoutError:
                failure = f"no answer within {self._timeout_s:g} s"
            except httpx.RequestError as error:
                unreached += isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
                failure = f"{type(error).__name__}: {error}"
            except Torn as error:
                failure = str(error)
            except _Transient as error:
                failure = str(error)
                self._hold(error)
        tries = f" ({total} attempts)" if total > 1 else ""
        raise Unavailable(self.redact(failure) + tries, gone=unreached == total)

    async def _send(self, path: str, body: Mapping[str, Any] | None) -> httpx.Response:
        url = path if "://" in path else self._url + path
        client = await self._free.get()
        try:
            return await (client.get(url) if body is None else client.post(url, json=body))
        finally:
            self._free.put_nowait(client)

    async def _wait(self, attempt: int) -> None:
        """The back-off of a repetition, then whatever pause the server asked of everybody."""
        if attempt:
            await asyncio.sleep(self._retry.pause(attempt))
        while (left := self._open_at - time.monotonic()) > 0:
            # Released together, waiting requests would only meet the same limit again.
            await asyncio.sleep(left + random.uniform(0.0, self._retry.base_s))

    def _hold(self, error: _Transient) -> None:
        if error.retry_after is None:
            return
        if error.retry_after > self._retry.longest_s:
            raise Unavailable(f"{error}; it asks to wait {error.retry_after:.0f} s", gone=True) from None
        self._open_at = max(self._open_at, time.monotonic() + error.retry_after)

    def _judge(self, response: httpx.Response) -> Any:
        """The JSON of a good answer; raises for any other."""
        try:
            body = self.redact.scrub(response.json())
        except (ValueError, RecursionError):
            body = None
        status = response.status_code
        words = self.redact(server_message(response.text[:2000] if body is None else body))
        if status in (408, 409, 429) or status >= 500:
            if error_code(body) == "insufficient_quota":
                raise Refused(status, words)
            raise _Transient(f"HTTP {status}: {words}", retry_after(response.headers.get("Retry-After")))
        if not response.is_success:
            raise Refused(status, words or self.redact(f"redirect to {response.headers.get('Location')}"))
        if body is None:
            kind = response.headers.get("Content-Type", "no content type")
            raise Torn(self.redact(f"an answer that is not JSON ({kind}): {words[:120]}"))
        return body

    async def server(self, url: str) -> str:
        """The `Server` header behind `url`, empty where there is none or no answer."""
        import httpx

        with suppress(httpx.HTTPError, TimeoutError):
            async with asyncio.timeout(self._timeout_s):
                return self.redact(str((await self._send(url, None)).headers.get("Server", "")))
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
        except (TypeError, ValueError):
            return None
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        seconds = (when - datetime.now(UTC)).total_seconds()
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
