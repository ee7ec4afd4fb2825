"""inspect-ai's `mockllm/model` on given prompts: `eval` with its per-sample log, display off.

    PYTHON -m benchmarks.peers.inspect_mock PROMPTS.jsonl LOGS

The number in flight is both `max_samples` and `max_connections`. The data set is read once, before the clock. The
model's answers carry their token counts: left to itself it would count the prompt's tokens, work that is no harness's.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

START = time.perf_counter()


def main(prompts: str, logs: str) -> None:
    """Serve measurements."""
    from inspect_ai import Task, eval
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.model import ModelOutput, ModelUsage, get_model
    from inspect_ai.scorer import match
    from inspect_ai.solver import generate

    lines = [json.loads(line) for line in Path(prompts).read_text(encoding="utf-8").splitlines()]
    samples = [Sample(input=line["prompt"], target=line["target"]) for line in lines]

    def answer(*_: object) -> ModelOutput:
        output = ModelOutput.from_content("mockllm", "[]")
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        return output

    model = get_model("mockllm/model", custom_outputs=answer)

    def measure(rows: int, in_flight: int) -> float:
        task = Task(dataset=MemoryDataset(samples[:rows]), solver=generate(), scorer=match())
        start = time.perf_counter()
        logged = eval(
            task, model=model, log_dir=logs, display="none", log_level="error",
            max_samples=in_flight, max_connections=in_flight,
        )  # fmt: skip
        seconds = time.perf_counter() - start
        if logged[0].status != "success":
            raise RuntimeError(f"inspect: {logged[0].error}")
        return seconds

    from benchmarks.peers.serve import serve

    serve("inspect_ai", measure, time.perf_counter() - START)


if __name__ == "__main__":
    main(*sys.argv[1:])
