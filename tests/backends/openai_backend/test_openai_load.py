"""Ten thousand requests against a server of this machine, a thousand in flight: nothing lost, memory flat."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from listeval.backends.openai import openai_engine as openai
from listeval.backends.protocol import BackendOptions, Request
from tests.backends.openai_case import ask

SERVER = """
import asyncio, json

MODELS = json.dumps({"data": [{"id": "tiny"}]}).encode()

async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\\r\\n")[1:] if b": " in line)
            body = await reader.readexactly(int(fields.get(b"content-length", 0)))
            if head.startswith(b"POST"):
                state["now"] += 1
                state["most"] = max(state["most"], state["now"])
                if state["now"] >= 1000:
                    state["full"].set()
                # The first answers wait until as many are there as may be: the client must be able to hold them.
                await asyncio.wait_for(state["full"].wait(), 100)
                await asyncio.sleep(0.05)
                state["now"] -= 1
                words = json.loads(body)["messages"][-1]["content"]
                told = {"choices": [{"message": {"content": words}, "finish_reason": "stop"}],
                        "usage": {"prompt_tokens": 1, "completion_tokens": state["most"]}}
                answer = json.dumps(told).encode()
            else:
                answer = MODELS if b"/models" in head.split(b"\\r\\n")[0] else b"{}"
            writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(answer))
            writer.write(answer)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()

async def main():
    state["full"] = asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

import resource
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
state = {"now": 0, "most": 0}
asyncio.run(main())
"""  # noqa: E501 - a program of its own
REQUESTS, IN_FLIGHT = 10_000, 1_000


@contextmanager
def server() -> Iterator[str]:
    """A server in a process of its own, so that its memory is not ours."""
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        try:
            yield f"http://127.0.0.1:{running.stdout.readline().strip()}/v1"
        finally:
            running.kill()


def resident() -> int:
    """Bytes of this process in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_ten_thousand_requests_a_thousand_in_flight() -> None:
    with server() as url:
        backend = openai.open("tiny", BackendOptions(base_url=url, timeout_s=150.0, concurrency=IN_FLIGHT))
        read, found, sizes, most = [0], Counter[str](), list[int](), 0

        def requests() -> Iterator[Request]:
            for at in range(REQUESTS):
                read[0] += 1
                yield ask(str(at), "word " * 200 + str(at))

        for completion in backend.generate(requests()):
            assert completion.error is None and completion.text.endswith(f" {completion.key}")
            found[completion.key] += 1
            most = max(most, completion.n_tokens)
            assert read[0] - found.total() <= IN_FLIGHT
            if found.total() % 1_000 == 0:
                sizes.append(resident())
        backend.close()
    assert found == Counter(map(str, range(REQUESTS)))
    assert most == IN_FLIGHT
    # After two thousand every connection and buffer is there; what is kept of a request would be some 10 KB.
    assert sizes[-1] - sizes[1] < 30e6, [size >> 20 for size in sizes]
