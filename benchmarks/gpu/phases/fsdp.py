"""FSDP2 in bfloat16 under torchrun: sharded student, S - B = 0, and the loss of one process without it."""

from __future__ import annotations

from benchmarks.gpu.bench import make_recipe, of_checkpoints
from benchmarks.gpu.job import Job
from benchmarks.gpu.recorded import read_rollouts, step
from benchmarks.gpu.sharding import end_processes, shard_on_cpu


def run(job: Job) -> None:
    """One case; `sharded` says whether accelerate did shard."""
    if job.device.type == "cpu":
        shard_on_cpu()
    with job.case("bfloat16") as found:
        bench = of_checkpoints(job, make_recipe(job, "bfloat16"))
        rollouts, recorded = read_rollouts(bench)
        found |= step(bench, rollouts) | {"loss_recorded": recorded["loss"], "sharded": bench.trainee.sharded}
        found["passes"] = found["s_minus_b"] == 0 and bench.trainee.sharded
        found["goal"] = "sharded, S - B = 0"
    end_processes()
