"""The tests' process: it never runs a line of an answer, so nothing that an answer patches is patched here.

A test's names are looked up in what the setup and earlier tests have bound, then among the builtins, then in the
answer. It serves one trial after the other where the tests of the last one cannot have left anything behind.
"""

from __future__ import annotations

import builtins
import os
import socket
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from listeval.scoring.execution.inside import runner
from listeval.scoring.execution.inside.peer import LAST, PACKET, Gone, loads
from listeval.scoring.execution.inside.proxies import Object, Proxies
from listeval.scoring.execution.inside.runner import CHANNEL, DONE, MEMORY, SETUP, TEST

BROKEN, GONE = b"b", b"g"
"""Answers of this process alone: the setup failed here, the answer's process hung up."""
USED = b"u"
"""Put before an answer after which this process must not be used again."""

_BUILTINS = dict(vars(builtins))


class _Names(dict[str, Any]):
    """Builtins, and behind them the names of the answer."""

    peer: Proxies

    def __missing__(self, name: str) -> Any:
        found = self.peer.ask("name", name)
        if isinstance(found, Object):
            self[name] = found  # a function stays the same one; a value may change
        return found


def serve() -> None:
    """Judge answers until killed or left alone. Never returns."""
    try:
        with socket.socket(fileno=CHANNEL) as judge:
            prepared = None
            while order := _receive(judge):
                if len(order) == 1:
                    prepared, answer = prepare(*order)
                    judge.send(answer)
                    continue
                setup, tests, names, quick, number, channel = order
                namespace, answer = (prepared, DONE) if prepared is not None else prepare(setup)
                try:
                    if answer == DONE:
                        answer = examine(Proxies(channel, quick=quick), namespace, tests, names)
                finally:
                    os.close(channel)
                passed = answer in (DONE, USED + DONE)
                judge.send(answer + bytes.fromhex(number)[::-1] if passed else answer)
    finally:
        os._exit(70)


def _receive(judge: socket.socket) -> list[Any]:
    """The next trial with the descriptor that leads to the answer; empty when there will be none."""
    parts, found = [], []
    while True:
        packet, descriptors, _, _ = socket.recv_fds(judge, PACKET, 1)
        if not packet:
            return []
        parts.append(packet[1:])
        found += descriptors
        if packet[:1] == LAST:
            return [*loads(b"".join(parts).decode("ascii")), *found]


def prepare(setup: str) -> tuple[dict[str, Any], bytes]:
    """A new namespace in which the setup has run, and the answer for the judge."""
    namespace = runner.new_program(ModuleType("program"))
    answer = runner.run(SETUP, setup.encode("utf-8", "surrogatepass"), namespace) if setup else DONE
    return namespace, answer if answer == DONE else USED + BROKEN + (answer[1:] or b"out of memory")


def examine(peer: Proxies, namespace: dict[str, Any], tests: list[str], names: Sequence[str]) -> bytes:
    """Run the tests in a prepared namespace on the answer behind `peer`; the answer for the judge."""
    known = namespace["__builtins__"] = _Names(_BUILTINS)
    known.peer = peer
    try:
        # What an answer announces unasked would be read before the builtin of that name.
        functions = {name: found for name, found in peer.functions().items() if name in names}
        for name in _BUILTINS.keys() & names - namespace.keys():
            if (found := functions.pop(name, None) or _own(peer, name)) is not None:
                namespace[name] = found
        known.update(functions)
        for test in tests:
            answer = _test(peer, test, namespace)
            if answer != DONE:
                return answer
    except Gone:
        return USED + GONE
    return USED + DONE if peer.imported else DONE


def _own(peer: Proxies, name: str) -> Any:
    try:
        return peer.ask("name", name)
    except KeyError:
        return None


def _test(peer: Proxies, test: str, namespace: dict[str, Any]) -> bytes:
    source = test.encode("utf-8", "surrogatepass")
    answer = runner.run(TEST, source, namespace, lambda error: any(error is one for one in peer.raised))
    if peer.gone:
        raise Gone
    return USED + answer if answer == MEMORY else answer
