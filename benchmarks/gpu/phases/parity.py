"""The trainer's step on this device against the recorded one of a CPU; then in bfloat16, where S - B is to be 0."""

from __future__ import annotations

import torch

from benchmarks.gpu.bench import make_recipe, of_checkpoints
from benchmarks.gpu.job import Job
from benchmarks.gpu.recorded import agrees, read_rollouts, step


def run(job: Job) -> None:
    """Both precisions, on the recorded answers."""
    # A float32 product in TF32 has a bfloat16's worth of digits, and would not be float32's step.
    torch.set_float32_matmul_precision("highest")
    for compute in ("float32", "bfloat16"):
        with job.case(compute) as found:
            bench = of_checkpoints(job, make_recipe(job, compute))
            rollouts, recorded = read_rollouts(bench)
            found |= step(bench, rollouts)
            found["loss_recorded"] = recorded["loss"]
            exact = found["s_minus_b"] == 0
            found["passes"] = exact and (compute == "bfloat16" or agrees(found, recorded))
            found["goal"] = "S - B = 0" if compute == "bfloat16" else "loss to 1e-4, S - B = 0"
