"""The tests' process: it never runs a line of an answer, so nothing that an answer patches is patched here.

It gets its order when the answer's process gets the code, and prepares the tests while that runs. It believes the judge
in everything, since on their channel nobody else can write. From the answer's process it first awaits the proofs that
the judge's statements have run: anything else goes to the judge as it came, marked as that process's own words.

A test's names are looked up in what the setup and earlier tests have bound, then among the builtins, then in the
answer. It serves one trial after the other where the tests of the last one cannot have left anything behind.
"""

from __future__ import annotations

import _socket
import builtins
import marshal
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from types import CodeType, ModuleType
from typing import Any, NamedTuple

from listeval.scoring.execution.inside import runner
from listeval.scoring.execution.inside.peer import LAST, PACKET, Gone, read_packet
from listeval.scoring.execution.inside.proxies import Object, Proxies, number_of
from listeval.scoring.execution.inside.runner import CHANNEL, DONE, MEMORY, SETUP, TEST

BROKEN, GONE, QUOTED, PROVED = b"b", b"g", b"q", b"p"
"""Answers of this process alone: the setup failed here; the answer's process hung up; what it said in place of a proof,
behind the kind of the statement; its setup has run, and the answer is still to come."""
Call = tuple[str, tuple[Any, ...], dict[str, Any]]
"""Name, arguments, named arguments of a call that a test is sure to make."""
USED = b"u"
"""Put before an answer after which this process must not be used again."""

_BUILTINS = dict(vars(builtins))
_DESCRIPTOR = struct.Struct("i")


class _Names(dict[str, Any]):
    """Builtins, and behind them the names of the answer, for functions of the setup too; none while the setup runs."""

    peer: Proxies | None = None

    def __missing__(self, name: str) -> Any:
        if self.peer is None:
            raise KeyError(name)
        found = self.peer.ask("name", name)
        if isinstance(found, Object):
            self[name] = found  # a function stays the same one; a value may change
        return found


class Examination(NamedTuple):
    """What the host says of tests. `names`: what they leave to the answer. `quick`: see `Proxies`. `calls`: what the
    first tests call for sure, one call each (`foreseen`)."""

    setup: str
    tests: Sequence[CodeType]
    names: Sequence[str]
    quick: bool
    calls: Sequence[Call]


class Order(NamedTuple):
    """A trial. `examined`: an `Examination` as marshal wrote it for the host.

    `proofs`: kind and proof of the statements that the answer's process has got. `number`: what the judge wants to see
    backwards where all tests have passed.
    """

    examined: bytes
    proofs: Sequence[tuple[bytes, bytes]]
    number: bytes


def serve() -> None:
    """Judge answers until killed or left alone. Never returns."""
    try:
        judge = _socket.socket(fileno=CHANNEL)
        prepared = None
        while order := _receive(judge):
            if len(order) == 1:
                prepared, answer = prepare(*order)
                judge.send(answer)
                continue
            *told, channel = order
            try:
                judge.send(_trial(judge, Order(*told), channel, prepared))
            finally:
                os.close(channel)
    finally:
        os._exit(70)


def _receive(judge: _socket.socket) -> list[Any]:
    """The next trial with the descriptor that leads to the answer; empty when there will be none."""
    parts: list[bytes] = []
    found: list[int] = []
    while True:
        packet, carried, _, _ = judge.recvmsg(PACKET, _socket.CMSG_SPACE(_DESCRIPTOR.size))
        if not packet:
            return []
        parts.append(packet[1:])
        found += [number for _, _, data in carried for number in _DESCRIPTOR.unpack(data)]
        if packet[:1] == LAST:
            return [*marshal.loads(b"".join(parts)), *found]


def prepare(setup: str) -> tuple[dict[str, Any], bytes]:
    """A new namespace in which the setup has run, and the answer for the judge."""
    namespace = runner.new_program(ModuleType("program"))
    namespace["__builtins__"] = _Names(_BUILTINS)
    answer = runner.run(SETUP, setup.encode("utf-8", "surrogatepass"), namespace) if setup else DONE
    return namespace, answer if answer == DONE else USED + BROKEN + (answer[1:] or b"out of memory")


def _trial(judge: _socket.socket, order: Order, channel: int, prepared: dict[str, Any] | None) -> bytes:
    told = Examination(*marshal.loads(order.examined))
    namespace, answer = (prepared, DONE) if prepared is not None else prepare(told.setup)
    if answer != DONE:
        return answer
    announced: dict[str, int] = {}
    for kind, proof in order.proofs:
        said = read_packet(channel)
        functions = _announced(said, proof, told.names)
        if functions is None:
            return QUOTED + kind + said
        announced = functions
        if kind == SETUP:
            judge.send(PROVED)
    answer = examine(Proxies(channel, quick=told.quick), namespace, told, announced)
    return answer + order.number[::-1] if answer in (DONE, USED + DONE) else answer


def _announced(said: bytes, proof: bytes, names: Sequence[str]) -> dict[str, int] | None:
    """What the answer's process says behind a proof of these names (or of none): functions with their numbers.

    None where it is no proof.
    """
    if not said.startswith(proof):
        return None
    words = said[len(proof) :].split()
    try:
        return {name: int(word) for name, word in zip(names, words, strict=bool(words)) if word != b"-"}
    except ValueError:
        return None


def examine(peer: Proxies, namespace: dict[str, Any], told: Examination, announced: dict[str, int]) -> bytes:
    """Run the tests in a prepared namespace on the answer behind `peer`; the answer for the judge."""
    known: _Names = namespace["__builtins__"]
    # Those of another answer, whose tests left nothing else behind.
    known.clear()
    known.update(_BUILTINS)
    known.peer = peer
    try:
        functions = {name: peer.function(number) for name, number in announced.items()}
        for name in _BUILTINS.keys() & told.names - namespace.keys():
            if (found := functions.pop(name, None) or _own(peer, name)) is not None:
                namespace[name] = found
        known.update(functions)
        peer.call_ahead(_foreseen(told.calls, namespace, known))
        for test in told.tests:
            answer = _test(peer, test, namespace)
            if answer != DONE:
                return answer
    except Gone:
        return USED + GONE
    return USED + DONE if peer.imported else DONE


def _foreseen(calls: Iterable[Call], *bound: dict[str, Any]) -> Iterator[tuple[int, tuple[Any, ...], dict[str, Any]]]:
    """The calls that go to the answer, up to the first that does not, as with a name that `import *` has bound."""
    for name, arguments, named in calls:
        number = number_of(next((names[name] for names in bound if name in names), None))
        if number is None:
            return
        yield number, arguments, named


def _own(peer: Proxies, name: str) -> Any:
    try:
        return peer.ask("name", name)
    except KeyError:
        return None


def _test(peer: Proxies, test: CodeType, namespace: dict[str, Any]) -> bytes:
    answer = runner.execute(TEST, test, namespace, lambda error: any(error is one for one in peer.raised))
    if peer.gone:
        raise Gone
    return USED + answer if answer == MEMORY else answer
