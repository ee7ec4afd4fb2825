"""The hf backend against a bare `model.generate` on the same token ids in the same batches, with the same network.

Ours adds the window's sort, the hooks of stopping, decoding and channels; the bare loop pads and cuts as ours does.
Both must give the same ids, which is checked in every round. Wall time is the claim; processor time of the same calls
stands beside it, for other load on the machine moves it less. The bare loop runs a second time in every round: what it
shows against itself is the noise that the other ratios stand in.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.harness import RESULTS, Goal, Report, arguments, publish, take_turns
from benchmarks.tiny import write_checkpoint
from listeval.backends import open_backend
from listeval.backends.hf.hf_engine import HFBackend
from listeval.backends.protocol import BackendOptions, Request, Sampling
from listeval.models.cpu import wait_passively
from listeval.plugins.open import make_task

Ids = dict[str, list[int]]
OURS, BARE, AGAIN = "listeval, hf backend", "bare model.generate", "bare model.generate, again"


def main() -> None:
    """A tiny checkpoint; with `--models smollm2`, that one too."""
    options = arguments(__doc__, rounds=7, models=True)
    wait_passively()
    report = Report("hf")
    with tempfile.TemporaryDirectory() as scratch:
        texts = [path.read_text() for path in sorted(RESULTS.parents[1].glob("tasks/fashion/*.md"))]
        size = write_checkpoint(Path(scratch), texts)
        case = f"{size / 1e6:.1f} M parameters, 64 prompts, batches of 16"
        compare(report, case, scratch, prompts=64, batch=16, tokens=64, rounds=options.rounds)
    for model in options.models:
        compare(report, f"{model}, 4 prompts, one batch", model, prompts=4, batch=4, tokens=16, rounds=options.rounds)
    publish(report, ["torch", "transformers", "tokenizers"], dry=options.dry)


def compare(report: Report, case: str, model: str, *, prompts: int, batch: int, tokens: int, rounds: int) -> None:
    """Ours and the bare loop in turn, wall and processor time of the same calls. Raises RuntimeError on other ids."""
    opened = open_backend("hf", model, BackendOptions(device="cpu", dtype="float32", batch_size=batch))
    assert isinstance(opened, HFBackend)
    requests = make_requests(opened, prompts, tokens)
    calls: dict[str, Callable[[], Ids]] = {
        OURS: lambda: {c.key: list(c.token_ids) for c in opened.generate(requests)},
        BARE: lambda: bare(opened, requests, batch, tokens),
        AGAIN: lambda: bare(opened, requests, batch, tokens),
    }
    expected = calls[BARE]()
    processor: dict[str, list[float]] = {name: [] for name in calls}

    def measure(name: str) -> float:
        start, worked = time.perf_counter(), time.process_time()
        found = calls[name]()
        seconds = time.perf_counter() - start
        processor[name].append((time.process_time() - worked) / prompts)
        if found != expected:
            raise RuntimeError(f"{name}: other ids than the first bare call")
        return seconds / prompts

    measures = {name: lambda n=name: measure(n) for name in calls}
    take_turns(measures, rounds=1)
    for spent in processor.values():
        spent.clear()
    wall = take_turns(measures, rounds=rounds)
    report.compare(f"{case}: wall time a prompt", wall, OURS, BARE, Goal(most=1.02))
    report.compare(f"{case}: processor time a prompt", processor, OURS, BARE, Goal(most=1.02))
    report.compare(f"{case}: wall time, the same against itself", wall, AGAIN, BARE)
    report.compare(f"{case}: processor time, the same against itself", processor, AGAIN, BARE)
    report.facts[f"identical ids, {case}"] = f"{prompts} of {prompts}, {sum(map(len, expected.values()))} tokens"
    opened.close()


def make_requests(backend: HFBackend, count: int, tokens: int) -> list[Request]:
    """Prompts of the task's own sample, cut short to differ in length; longest first, as the backend sorts them."""
    task = make_task("fashion", {"split": "all", "k": 4})
    requests = []
    for number, example in enumerate((list(task.load(None, 0).examples) * 2)[:count]):
        prompt = backend.renderer.render(example.messages)
        kept = prompt.token_ids[-(96 + 8 * (number % 9)) :]
        request = Request(str(number), example.id, prompt._replace(token_ids=kept), Sampling(max_tokens=tokens), 0,
                          task.contract(example.target))  # fmt: skip
        requests.append(request)
    return sorted(requests, key=lambda request: -len(request.prompt.token_ids))


def bare(backend: HFBackend, requests: list[Request], batch: int, tokens: int) -> Ids:
    """What one writes without a harness: pad on the left, `generate`, cut at the first stop token."""
    import torch

    network: Any = backend._network
    stops, pad = list(backend._stops), backend._pad
    found: Ids = {}
    for start in range(0, len(requests), batch):
        part = requests[start : start + batch]
        rows = [list(request.prompt.token_ids) for request in part]
        width = max(map(len, rows))
        ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
        with torch.inference_mode():
            output = network.generate(
                input_ids=ids, attention_mask=mask, max_new_tokens=tokens,
                do_sample=False, eos_token_id=stops, pad_token_id=pad,
            )  # fmt: skip
        for request, row in zip(part, output[:, width:].tolist(), strict=True):
            end = next((i for i, token in enumerate(row) if token in stops), None)
            found[request.key] = row[:end]
    return found


if __name__ == "__main__":
    main()
