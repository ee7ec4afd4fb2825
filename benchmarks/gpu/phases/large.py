"""A step of a 1.7B student under a 4B teacher on answers of real length: which layouts fit, and how fast they are.

Each case is a whole step but for sampling: scores of teacher and base, loss, gradient, AdamW. Weights are random and
float32 under autocast, as the trainer has them; answers are synthetic. The optimiser's moments are there from the
start, for an update before the first case makes them.
"""

from __future__ import annotations

from benchmarks.gpu.bench import Bench, make_recipe, of_shapes, real_questions
from benchmarks.gpu.job import Job, wait
from benchmarks.gpu.networks import QWEN3_1_7B, QWEN3_4B, TINY_STUDENT, TINY_TEACHER, synthetic
from benchmarks.gpu.plan import SHAPES, shape_name
from listopd.floor import machine
from listopd.rollout import Rollout

GOAL = 2.2
"""Times the floor, for the update that a GPU should reach."""
_SMALLER = 64
"""A rehearsal's passes have this part of the tokens."""


def run(job: Job) -> None:
    """Build once, then every layout; whatever does not fit is a result, and the next is tried."""
    bench: Bench | None = None
    with job.case("start") as found:
        started = wait(job.device)
        bench = build(job)
        found["build_s"] = wait(job.device) - started
        few = answers(job, bench)[: job.pick(4, 2)]
        small = bench.reshaped(job.pick(2048, 128), recomputed=True, packed=False)
        passes = small.prepare(few)
        found["s_minus_b"] = small.s_minus_b(passes)
        small.update(passes)
        found["passes"], found["goal"] = found["s_minus_b"] == 0, "S - B = 0"
    if bench is None:
        raise SystemExit("the networks could not be built")
    rollouts, best = answers(job, bench), machine(job.device)
    for tokens, recomputed, packed in SHAPES:
        with job.case(shape_name(tokens, recomputed, packed)) as found:
            shaped = bench.reshaped(job.pick(tokens, tokens // _SMALLER), recomputed=recomputed, packed=packed)
            found |= shaped.measure(rollouts, best)
            if not job.rehearse:
                found["passes"], found["goal"] = found["times_floor"] <= GOAL, f"<= {GOAL:g} times the floor"


def build(job: Job) -> Bench:
    """Student and base of 1.7B, teacher of 4B; bfloat16 products."""
    recipe = make_recipe(job, "bfloat16")
    return of_shapes(job, recipe, job.pick(QWEN3_1_7B, TINY_STUDENT), job.pick(QWEN3_4B, TINY_TEACHER))


def answers(job: Job, bench: Bench) -> list[Rollout]:
    """128 of 1,200 + 200 tokens on average, of ids that the tiny tokenizer knows, so that labels are really made."""
    question = real_questions(bench.recipe)[0]
    count, prompt, answer = job.pick((128, 1200, 200), (4, 24, 8))
    return synthetic(question, count, prompt, answer, 1024)
