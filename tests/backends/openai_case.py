"""What the tests of the openai backend share: a backend on a scripted server, and one request per key."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from listeval.backends.openai import openai_engine as openai
from listeval.backends.openai.http import Retry
from listeval.backends.openai.openai_engine import OpenAIBackend
from listeval.backends.protocol import BackendOptions, Completion, Message, Prompt, Request, Sampling
from listeval.contract import Item, Record
from tests.backends.fake_server import Call, FakeServer, Reply, echo

KEY = "sk-very-secret-0123456789/abc"
ANYTHING = Record(Item)
FAST = Retry(base_s=0.001, cap_s=0.004)


@contextmanager
def opened(server: FakeServer, retry: Retry = FAST, **options: Any) -> Iterator[OpenAIBackend]:
    backend = openai.open("tiny", BackendOptions(**{"base_url": server.url, "timeout_s": 20.0} | options), retry)
    try:
        yield backend
    finally:
        backend.close()


def ask(key: str, text: str | None = None, **sampling: Any) -> Request:
    prompt = Prompt((Message("system", "be brief"), Message("user", text or key)))
    return Request(key, key, prompt, Sampling(**sampling), 5, ANYTHING)


def answers(rule: Callable[[Call], Reply], *keys: str, **options: Any) -> dict[str, Completion]:
    """What the backend makes of `rule` for one request per key; each must come back exactly once."""
    with FakeServer(rule).running() as server, opened(server, **options) as backend:
        found = list(backend.generate(ask(key) for key in keys))
    assert sorted(c.key for c in found) == sorted(keys)
    return {c.key: c for c in found}


def flaky(reply: Reply, times: int = 1) -> Callable[[Call], Reply]:
    """`reply` to the first calls of each request, then the echo."""
    return lambda call: reply if call.nth < times else echo(call)


def until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError("it never came true")
