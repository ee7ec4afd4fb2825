"""A real HTTP/1.1 server on loopback whose answers a test scripts, torn ones included.

`rule(call)` returns a `Reply` for each POST; GETs are answered from `models`. The server records
every call, the most that were in flight at once, and how many clients hung up on an answer.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread
from typing import Any, Literal

Tear = Literal["none", "reset", "short", "chunked", "silent", "drip", "raw"]
"""How an answer breaks: reset mid-body, fewer bytes than announced, an unfinished chunk, no byte at all, a byte now and
then for ever; `raw`: the body is everything that is sent, head and all."""


@dataclass(frozen=True)
class Call:
    """One request as it arrived; `nth` counts from 0 the calls with this very body."""

    path: str
    headers: Mapping[str, str]
    body: Any
    nth: int


@dataclass(frozen=True)
class Reply:
    """What to send, after `delay_s`: text, bytes, or JSON."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    tear: Tear = "none"


def chat(text: str | None, finish: str = "stop", **message: Any) -> dict[str, Any]:
    """A chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}
    return {"choices": [choice], "usage": {"prompt_tokens": 11, "completion_tokens": 7}}


def echo(call: Call) -> Reply:
    """Answers with the last words of the prompt."""
    if "messages" in call.body:
        return Reply(chat("re: " + call.body["messages"][-1]["content"]))
    choice = {"text": "re: " + " ".join(map(str, call.body["prompt"])), "finish_reason": "stop"}
    return Reply({"choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 2}})


VLLM_CARD = {"id": "tiny", "created": 1, "owned_by": "vllm", "root": "/models/tiny", "max_model_len": 2048}


class FakeServer:
    """See the module. `models` None: the server has no list of models; `gets` overrides single GET paths."""

    def __init__(self, rule: Callable[[Call], Reply] = echo) -> None:
        self.rule = rule
        self.models: list[dict[str, Any]] | None = [{"id": "tiny", "owned_by": "acme"}]
        self.gets: dict[str, Reply] = {}
        self.calls: list[Call] = []
        self.hung_up = self.connections = self.in_flight = self.most_in_flight = 0
        self.port = 0
        self._seen: dict[bytes, int] = {}
        self._loop = asyncio.new_event_loop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @contextmanager
    def running(self) -> Iterator[FakeServer]:
        """Serve until the block ends."""
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        thread = Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(self._end(server), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    async def _end(self, server: asyncio.Server) -> None:
        server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve one request; whether the connection can carry another."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head[1:] if line)}
        content = await reader.readexactly(int(headers.get("content-length", "0")))
        if method == "GET":
            return await self._send(writer, self._get(path))
        if path.endswith("/tokenize"):
            return await self._send(writer, self.gets.get(path, Reply({"detail": "Not Found"}, 404)))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            nth = self._seen[content] = self._seen.get(content, -1) + 1
            call = Call(path, headers, json.loads(content), nth)
            self.calls.append(call)
            reply = self.rule(call)
            if reply.delay_s and await self._hangs_up(reader, reply.delay_s):
                self.hung_up += 1
                return False
        finally:
            self.in_flight -= 1
        return await self._send(writer, reply)

    def _get(self, path: str) -> Reply:
        if path in self.gets:
            return self.gets[path]
        if path == "/v1/models" and self.models is not None:
            return Reply({"object": "list", "data": self.models}, headers={"Server": "fake/1"})
        return Reply({"detail": "Not Found"}, 404, headers={"Server": "fake/1"})

    @staticmethod
    async def _hangs_up(reader: asyncio.StreamReader, delay_s: float) -> bool:
        try:
            return await asyncio.wait_for(reader.read(1), delay_s) == b""
        except TimeoutError:
            return False
        except ConnectionError:
            return True

    @staticmethod
    async def _send(writer: asyncio.StreamWriter, reply: Reply) -> bool:
        content = reply.body.encode() if isinstance(reply.body, str) else reply.body
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        kind = "text/html" if isinstance(reply.body, str) else "application/json"
        length = "Transfer-Encoding: chunked" if reply.tear == "chunked" else f"Content-Length: {len(content)}"
        given = {"Content-Type": kind, **reply.headers}
        extra = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        head = f"HTTP/1.1 {reply.status} X\r\n{length}\r\n{extra}\r\n".encode()
        half = content[: len(content) // 2]
        match reply.tear:
            case "none":
                writer.write(head + content)
            case "chunked":
                writer.write(head + f"{len(content):x}\r\n".encode() + half)
            case "silent":
                pass
            case "short" | "reset":
                writer.write(head + half)
            case "raw":
                writer.write(content)
            case "drip":
                writer.write(head)
                for byte in content:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(0.02)
        await writer.drain()
        if reply.tear == "reset":
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        return reply.tear == "none"
