"""The CPU's step that a GPU is held against: `python -m benchmarks.gpu.recorded` makes it anew.

The rollouts are sampled once, on the CPU, and kept as token ids with their log-probabilities, for another device draws
other answers. What is compared is everything behind them: scores, advantage, loss, gradient, and the step's effect.
"""

from __future__ import annotations

import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.gpu.bench import Bench
    from benchmarks.gpu.job import Job
    from listopd.rollout import Rollout

FILE = Path(__file__).with_name("recorded.json")
ANSWERS = 8
_LOSS, _RELATIVE = 1e-4, 1e-3


def step(bench: Bench, rollouts: list[Rollout]) -> dict[str, Any]:
    """One update on these rollouts: its figures, |S - B| before it, and the answers' mean log-probability after."""
    found = bench.prepare(rollouts)
    gap = bench.s_minus_b(found)
    figures = bench.update(found)
    after = bench.prepare(rollouts)
    return {**figures, "s_minus_b": gap, "logp_after": _mean_logp(bench, after)}


def read_rollouts(bench: Bench) -> tuple[list[Rollout], dict[str, float]]:
    """The recorded answers, and the figures that the CPU had for them."""
    from benchmarks.gpu.bench import real_questions
    from listopd.rollout import Rollout

    content = json.loads(FILE.read_text(encoding="utf-8"))
    question = real_questions(bench.recipe)[0]
    found = []
    for row in content["rollouts"]:
        asked = question._replace(prompt=tuple(row["prompt"]), key=row["key"])
        found.append(Rollout(asked, tuple(row["answer"]), tuple(row["logp"]), "stop"))
    return found, content["figures"]


def agrees(found: dict[str, Any], recorded: dict[str, float]) -> bool:
    """Loss to 1e-4, the rest to a thousandth of itself or 1e-4."""
    near = [abs(found["loss"] - recorded["loss"]) <= _LOSS]
    for name in ("grad_norm", "reverse_kl", "logp_after"):
        near.append(abs(found[name] - recorded[name]) <= max(_LOSS, _RELATIVE * abs(recorded[name])))
    return all(near)


def make(job: Job) -> dict[str, Any]:
    """Sample, step, and give what the file holds."""
    from benchmarks.gpu.bench import make_recipe, of_checkpoints, real_questions
    from listopd.networks import open_model
    from listopd.rollout import make_sampler, seed_of

    recipe = make_recipe(job, "float32")
    bench = of_checkpoints(job, recipe)
    questions = real_questions(recipe)[:ANSWERS]
    student, budget = open_model(bench.spec.student), bench.spec.max_tokens or 96
    sampler = make_sampler(bench.spec, student, bench.trainee, budget, recipe)
    rollouts = sampler.sample(questions, [seed_of(0, 0, question.key, 0) for question in questions])
    rows = [
        {
            "key": rollout.question.key,
            "prompt": rollout.question.prompt,
            "answer": rollout.answer,
            "logp": [round(x, 6) for x in rollout.logp],
        }
        for rollout in rollouts
    ]
    made = {name: version(name) for name in ("torch", "transformers")}
    return {"made": made, "figures": step(bench, rollouts), "rollouts": rows}


def _mean_logp(bench: Bench, found: list[Any]) -> float:
    """Under the student as it is now, a token."""
    import torch

    total, tokens = 0.0, 0
    with torch.no_grad(), bench.trainee.accelerator.autocast():
        for part in found:
            total += float((bench.trainee.scorer(part.batch).logp * part.batch.mask).sum())
            tokens += int(part.batch.mask.sum())
    return total / tokens


def main() -> None:
    """Write the file."""
    from benchmarks.gpu.job import Job

    with tempfile.TemporaryDirectory() as folder:
        content = make(Job("recorded", Path(folder), rehearse=True))
    FILE.write_text(json.dumps(content, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"written: {FILE.name}: {content['figures']}", file=sys.stderr)


if __name__ == "__main__":
    main()
