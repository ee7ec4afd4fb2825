"""One loss at a real vocabulary, forward and backward, in a process of its own.

`python -m benchmarks.peers.losses KIND` prints seconds of every pass, peak memory over what the process held before
the first, and the loss' value.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

VOCAB, HIDDEN, LAYERS = 151_936, 64, 2
SEQUENCES, PROMPT, ANSWER = 4, 256, 192
PASSES = 3
Loss = Callable[[Any, Any], Any]


def main() -> None:
    """Measure the loss named on the command line."""
    from listeval.models.cpu import keep_memory, wait_passively

    wait_passively()
    keep_memory()
    import torch

    loss = _LOSSES[sys.argv[1]]
    network = _network()
    ids = torch.randint(VOCAB, (SEQUENCES, PROMPT + ANSWER), generator=torch.Generator().manual_seed(0))
    before = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    seconds = []
    for _ in range(PASSES):
        start = time.perf_counter()
        value = loss(network, ids)
        value.backward()
        seconds.append(time.perf_counter() - start)
        network.zero_grad()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    print(json.dumps({"seconds": seconds, "peak": peak, "loss": float(value.detach())}))


def _network() -> Any:
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=VOCAB, hidden_size=HIDDEN, intermediate_size=2 * HIDDEN, num_hidden_layers=LAYERS,
        num_attention_heads=2, num_key_value_heads=1, head_dim=32, tie_word_embeddings=True,
    )  # fmt: skip
    return Qwen3ForCausalLM(config)


def _scored(network: Any, ids: Any) -> Any:
    from listopd.batch import AnsweredPrompt, pad
    from listopd.score import Scorer, Scores

    rows = [AnsweredPrompt(tuple(row[:PROMPT]), tuple(row[PROMPT:])) for row in ids.tolist()]
    scores = Scorer(network)(pad(rows, ids.device))
    assert isinstance(scores, Scores)
    return -scores.logp.mean()


def _naive(network: Any, ids: Any) -> Any:
    log_probs = network(input_ids=ids, use_cache=False).logits.float().log_softmax(-1)
    return -log_probs[:, PROMPT - 1 : -1].gather(-1, ids[:, PROMPT:, None]).mean()


def _fused(network: Any, ids: Any) -> Any:
    import torch
    from trl.trainer.utils import add_fused_lm_head

    if not hasattr(network, "fused"):
        add_fused_lm_head(network)
        network.fused = True
    labels = ids.clone()
    labels[:, :PROMPT] = -100
    output = network(input_ids=ids, attention_mask=torch.ones_like(ids), labels=labels, fused_lm_head=True)
    return -output.log_probs[:, -ANSWER:].mean()


_LOSSES: dict[str, Loss] = {"scored": _scored, "naive": _naive, "fused": _fused}

if __name__ == "__main__":
    main()
