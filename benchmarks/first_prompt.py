"""One run of one sample in a fresh process, for `benchmarks.coldstart`: when the model was open, when a request left.

    python -m benchmarks.first_prompt BACKEND MODEL OUT

Prints `{"opened", "handed"}`: readings of the system-wide monotonic clock, which another process can subtract from.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any
from unittest.mock import patch


def main(backend: str, model: str, out: str) -> None:
    """Run and print."""
    from listeval.backends import open_backend
    from listeval.backends.protocol import BackendOptions, Prompt
    from listeval.runs import engines, execute
    from listeval.runs.config import RunConfig
    from listeval.runs.observer import SilentObserver

    at: dict[str, float] = {}

    def timed_open(name: str, model: str, options: BackendOptions) -> Any:
        opened = open_backend(name, model, options)
        at["opened"] = time.monotonic()
        return opened

    class Watch(SilentObserver):
        def prompt(self, prompt: Prompt) -> None:
            at["handed"] = time.monotonic()

    config = RunConfig(task="fashion", model=model, backend=backend, limit=1, max_tokens=1, out=out)
    with patch.object(engines, "open_backend", timed_open):
        execute.run(config, Watch())
    print(json.dumps(at))


if __name__ == "__main__":
    main(*sys.argv[1:])
