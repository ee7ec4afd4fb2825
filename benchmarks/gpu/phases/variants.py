"""The large step with low-rank adapters, whose base is the student without them, and with an exact divergence."""

from __future__ import annotations

from typing import Any

from benchmarks.gpu.bench import make_recipe, of_shapes
from benchmarks.gpu.job import Job
from benchmarks.gpu.networks import QWEN3_1_7B, QWEN3_4B, TINY_STUDENT, TINY_TEACHER
from benchmarks.gpu.phases.large import answers
from listopd.floor import machine

ANSWERS = 64
VARIANTS: dict[str, dict[str, Any]] = {
    "lora": {"lora": {"rank": 16}},
    "exact rkl": {"objective": {"divergence": "rkl"}},
}


def run(job: Job) -> None:
    """Each from networks of its own, with activations recomputed; a step on a few answers goes before."""
    shapes = job.pick((QWEN3_1_7B, QWEN3_4B), (TINY_STUDENT, TINY_TEACHER))
    layout = {"gradient_checkpointing": True, "tokens_per_pass": job.pick(16_384, 256)}
    for name, opd in VARIANTS.items():
        with job.case(name) as found:
            bench = of_shapes(job, make_recipe(job, "bfloat16", precision=layout, **opd), *shapes)
            rollouts, best = answers(job, bench)[:ANSWERS], machine(job.device)
            bench.measure(rollouts[:2], best)
            found |= bench.measure(rollouts, best)
            found["answers"] = len(rollouts)
