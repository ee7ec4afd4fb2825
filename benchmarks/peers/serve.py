"""A peer in a process of its own: one line in for a measurement, one line out with seconds measured inside.

Runs under the peer's interpreter, so nothing here or in its neighbours imports listeval.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from importlib.metadata import version

Measure = Callable[[int, int], float]
"""(rows, in flight) -> seconds."""


def serve(package: str, measure: Measure, startup: float) -> None:
    """Say hello with version and start-up seconds, then answer `{"rows", "in_flight"}` until the input ends."""
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    # Whatever the peer prints must not be taken for a reply.
    os.dup2(2, 1)
    print(json.dumps({"peer": f"{package} {version(package)}", "startup": startup}), file=replies)
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps({"seconds": measure(asked["rows"], asked["in_flight"])}), file=replies)
