"""Calls that are served before the first fork, so that what they touch is warm and stays shared with every fork.

CPython rewrites the bytecode that it runs often, fills caches and counts references: done after a fork, each of these
copies a page, which was most of the time that a program's first call took.
"""

from __future__ import annotations

import json
import marshal
import socket
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


def rehearse() -> None:
    """Leaves nothing but warm code."""
    for _ in range(_TIMES):
        answer, tests = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with answer, tests:
            namespace: dict[str, Any] = {"__name__": "program"}
            runner.run(runner.CODE, _CODE, namespace)
            exported = Exported(answer.fileno(), namespace)
            runner.prove(exported, bytes(runner.NUMBER) + b"f g")
            for packet in _PACKETS:
                tests.send(packet)
                runner.serve_one(exported)
