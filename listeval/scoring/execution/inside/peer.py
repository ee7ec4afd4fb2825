"""One end of the talk between the answer's process and the tests': messages in packets, requests that nest.

A message is a line of JSON: a request `{"do": operation, "of": [operands]}`, or a reply with `ok` or `raise`, and with
`now`, what the call made of the containers that it was given. While an end waits for its reply it serves requests: a
test may hand over a function of its own, which the answer then calls.
"""

from __future__ import annotations

import builtins
import contextlib
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from listeval.scoring.execution.inside.values import Codec, Memo, Refused

PACKET = 1 << 16
MORE, LAST, QUICK, AHEAD = b"+", b".", b"!", b">"
"""First byte of a packet: whether another follows, or that it is no JSON (`Exported.serve_quick`), and then whether it
was sent before the call in front of it was answered."""
SKIPPED = b"-"
"""The answer to a call sent ahead that was not made, because the one in front of it gave no plain value."""

_buffer = bytearray(PACKET)
"""Made before the fork and filled only as far as a packet goes: a new one would cost its pages each time."""
_readv, _write = os.readv, os.write
_dumps, loads = json.JSONEncoder(check_circular=False).encode, json.JSONDecoder().decode


class Gone(BaseException):
    """The other end hung up. No `except Exception` of a test may take it for an error of the answer's."""


class Peer(ABC):
    """An end of `channel`, a descriptor of a SEQPACKET socket. Subclasses say what they offer and how they refer."""

    operations: Mapping[str, Callable[..., Any]] = {}
    """What the other end may ask for, by name."""

    def __init__(self, channel: int) -> None:
        self.channel = channel
        self.gone = False
        self._codec = Codec(self.name, self.resolve)

    @abstractmethod
    def name(self, value: Any) -> list[Any]:
        """A reference to something without a value. Raises Refused."""

    @abstractmethod
    def resolve(self, data: list[Any]) -> Any:
        """What a reference stands for. Raises Refused."""

    @abstractmethod
    def revive(self, kind: Any, arguments: Any, text: str) -> BaseException:
        """The exception that the other end describes."""

    def ask(self, do: str, *operands: Any) -> Any:
        """What the other end answers. Raises what the operation raised there, Refused and Gone."""
        memo = Memo()
        self.send({"do": do, "of": [self._codec.encode(operand, memo) for operand in operands]})
        while "do" in (reply := self.receive()):
            self.serve(reply)
        return self.settle(reply, memo)

    def serve(self, request: Mapping[str, Any]) -> None:
        """Carry out a request of the other end and reply."""
        memo = Memo()
        operands = [self._codec.decode(operand, memo) for operand in request["of"]]
        try:
            operation = self.operations.get(request["do"])
            if operation is None:
                raise Refused(f"the operation {request['do']!r}")
            result = operation(*operands)
        except BaseException as error:  # noqa: BLE001 - it is the other end's to deal with, SystemExit included
            self.reply(None, error, memo)
        else:
            self.reply(result, None, memo)

    def reply(self, result: Any, failure: BaseException | None, memo: Memo) -> None:
        """Send what came of a request whose containers are in `memo`."""
        given = list(memo.containers)
        reply: dict[str, Any] = {"now": [self._codec.contents(container, memo) for container in given]} if given else {}
        if failure is None:
            try:
                reply["ok"] = self._codec.encode(result, memo)
            except Refused as refused:
                failure = TypeError(f"{refused} cannot leave its process")
        if failure is not None:
            reply["raise"] = self._describe(failure, memo)
        self.send(reply)

    def send(self, message: Mapping[str, Any]) -> None:
        """Raises Gone."""
        data = _dumps(message).encode()
        room = PACKET - 1
        for start in range(0, len(data), room):
            mark = LAST if start + room >= len(data) else MORE
            self.write(mark + data[start : start + room])

    def write(self, packet: bytes) -> None:
        """Raises Gone."""
        try:
            _write(self.channel, packet)
        except OSError:
            self.gone = True
            raise Gone from None

    def receive(self, packet: bytes | None = None) -> dict[str, Any]:
        """The next message, which `packet` may begin. Raises Gone at the end, Refused for what is no message."""
        parts = []
        while True:
            packet = packet or read_packet(self.channel)
            if not packet:
                self.gone = True
                raise Gone
            parts.append(packet[1:])
            if packet[:1] != MORE:
                break
            packet = None
        try:
            message = loads(b"".join(parts).decode("ascii"))
        except (ValueError, RecursionError):
            message = None
        if packet[:1] != LAST or type(message) is not dict:
            raise Refused("a message of another form")
        return message

    def settle(self, reply: Mapping[str, Any], memo: Memo) -> Any:
        """What a reply says; `memo` is the one of its request. Raises what it says was raised, and Refused."""
        given = list(memo.containers)
        try:
            now = reply.get("now", [])
            if len(now) != len(given):
                raise ValueError
            for container, contents in zip(given, now, strict=True):
                self._codec.fill(container, contents, memo)
            if "raise" not in reply:
                return self._codec.decode(reply["ok"], memo)
            kind, arguments, text = (self._codec.decode(part, memo) for part in reply["raise"])
            raised = self.revive(kind, arguments, text)
        except (Gone, Refused):
            raise
        except Exception as error:  # noqa: BLE001 - hostile bytes can break anything in the decoding of them
            raise Refused(f"a reply of another form ({type(error).__name__})") from None
        raise raised

    def _describe(self, error: BaseException, memo: Memo) -> list[Any]:
        """Its class where that is a builtin one, else itself; its arguments; its text."""
        try:
            text = str(error)
        except BaseException:  # noqa: BLE001 - the program wrote the exception, its text can do anything
            text = "an exception that cannot be shown"
        known = [kind for kind in type(error).__mro__ if vars(builtins).get(kind.__name__) is kind]
        try:
            what = self._codec.encode(known[0] if known[0] is type(error) else error, memo)
        except Refused:
            what = self._codec.encode(known[0], memo)
        try:
            return [what, self._codec.encode(error.args, memo), text]
        except Refused:
            return [what, None, text]


def read_packet(channel: int) -> bytes:
    """The next packet; empty at the end of the channel."""
    try:
        return bytes(_buffer[: _readv(channel, (_buffer,))])
    except ConnectionResetError:
        # The other end is gone and has left packets unread, which is told once, before what it wrote.
        return read_packet(channel)
    except OSError:
        return b""


def builtin_exception(kind: Any, arguments: Any, text: str) -> BaseException:
    """An exception of a builtin class with these arguments, or with its text alone where they do not fit."""
    if isinstance(kind, type) and issubclass(kind, BaseException) and vars(builtins).get(kind.__name__) is kind:
        make: Any = kind
        for given in (arguments, (text,)):
            with contextlib.suppress(Exception):  # a class may refuse any arguments
                made: BaseException = make(*given)
                return made
    return RuntimeError(text)
