"""Calls that are served before the first fork, so that what they touch is warm and stays shared with every fork.

CPython rewrites the bytecode that it runs often, fills caches and counts references: done after a fork, each of these
copies a page, which was most of the time that a program's first call took.
"""

from __future__ import annotations

import _socket
import json
import marshal
from typing import Any

from listeval.scoring.execution.inside import runner
from listeval.scoring.execution.inside.exported import NO_REFERENCES, Exported
from listeval.scoring.execution.inside.peer import LAST, QUICK

_TIMES = 12
_CODE = b"def f(x, *rest, **named):\n    return x\nclass A:\n    def __init__(self, x):\n        self.x = x\n"
_PACKETS = (
    QUICK + marshal.dumps((0, ([1, "a", (2.5, None)],), {}), NO_REFERENCES),
    LAST + json.dumps({"do": "name", "of": ["A"]}).encode(),
    LAST + json.dumps({"do": "call", "of": [["object", 0], ["tuple", ["list", 1, ["tuple"]]], ["dict"]]}).encode(),
)


class Rehearsal:
    """A small program that a fork runs while it waits for the answer's: what both touch is copied by then."""

    def __init__(self) -> None:
        self._code = b"def f(x):\n    return x\n"
        self._packet = QUICK + marshal.dumps((0, ([1, "a"],), {}), NO_REFERENCES)
        self._exported = Exported(1, {"__name__": "program"})

    def run(self) -> None:
        """To be called once. What it writes goes to the standard output, which is /dev/null."""
        runner.run(runner.CODE, self._code, self._exported.namespace)


def rehearse() -> None:
    """Leaves nothing but warm code."""
    for _ in range(_TIMES):
        answer, tests = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        namespace: dict[str, Any] = {"__name__": "program"}
        runner.run(runner.CODE, _CODE, namespace)
        exported = Exported(answer.fileno(), namespace)
        runner.prove(exported, bytes(runner.NUMBER) + b"f g")
        for packet in _PACKETS:
            tests.send(packet)
            runner.serve_one(exported)
        answer.close()
        tests.close()
