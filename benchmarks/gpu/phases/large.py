"""A step of a 1.7B student under a 4B teacher on answers of real length: which layouts fit, and how fast they are.

Each case is a whole step but for sampling: scores of teacher and base, loss, gradient, AdamW. Weights are random, the
student's float32 under autocast, the others' as the trainer holds them; answers are synthetic. Once with compiled
layers, once without: "compiled" and "not compiled" build the networks and make a small update, which compiles and gives
the optimiser its moments, and compare S and B before it by the very code that trains.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from benchmarks.gpu.bench import Bench, graphs_only, make_recipe, of_shapes, real_questions
from benchmarks.gpu.job import Job, allocated_gb, free, wait
from benchmarks.gpu.networks import QWEN3_1_7B, QWEN3_4B, TINY_STUDENT, TINY_TEACHER, synthetic
from benchmarks.gpu.plan import COMPILED, EAGER, Shape
from listopd.floor import machine
from listopd.rollout import Rollout

GOAL = 2.2
"""Times the floor, for the update that a GPU should reach."""
_SMALLER = 64
"""A rehearsal's passes have this part of the tokens."""


def run(job: Job) -> None:
    """Compiled, then not, in networks of their own; whatever does not fit is a result, and the next is tried."""
    if job.rehearse:
        graphs_only()
    steps(job, COMPILED, compiled=True)
    steps(job, EAGER, compiled=False)


def steps(job: Job, shapes: Sequence[Shape], *, compiled: bool) -> None:
    """Build, then a step in every shape."""
    torch._dynamo.reset()
    free(job.device)
    bench: Bench | None = None
    with job.case("compiled" if compiled else "not compiled") as found:
        started = wait(job.device)
        bench = build(job, compiled=compiled)
        found["build_s"] = wait(job.device) - started
        found["built_gb"] = allocated_gb(job.device)
        few = answers(job, bench)[: job.pick(4, 2)]
        small = bench.reshaped(job.pick(4096, 128), recomputed=True, packed=False)
        passes = small.prepare(few)
        found["s_minus_b"] = small.s_minus_b(passes)
        small.update(passes)
        found["passes"], found["goal"] = found["s_minus_b"] == 0, "S - B = 0"
    if bench is None:
        return
    rollouts, best = answers(job, bench), machine(job.device)
    for shape in shapes:
        with job.case(shape.name + ", compiled" * compiled) as found:
            tokens = job.pick(shape.tokens, shape.tokens // _SMALLER)
            shaped = bench.reshaped(tokens, recomputed=shape.recomputed, packed=shape.packed)
            # What happens once is not a step's: code for passes that keep activations, and kernels being looked up.
            shaped.measure(rollouts[:2], best)
            found |= shaped.measure(rollouts, best)
            if not job.rehearse:
                found["passes"], found["goal"] = found["times_floor"] <= GOAL, f"<= {GOAL:g} times the floor"


def build(job: Job, *, compiled: bool) -> Bench:
    """Student and base of 1.7B, teacher of 4B; bfloat16 products."""
    recipe = make_recipe(job, "bfloat16", precision={"compile": compiled})
    return of_shapes(job, recipe, job.pick(QWEN3_1_7B, TINY_STUDENT), job.pick(QWEN3_4B, TINY_TEACHER))


def answers(job: Job, bench: Bench) -> list[Rollout]:
    """128 of 1,200 + 200 tokens on average, of ids that the tiny tokenizer knows, so that labels are really made."""
    question = real_questions(bench.recipe)[0]
    count, prompt, answer = job.pick((128, 1200, 200), (4, 24, 8))
    return synthetic(question, count, prompt, answer, 1024)
