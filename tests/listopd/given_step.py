"""One optimiser step on given rollouts, in as many processes as launched: figures and memory as JSON, then weights.

python given_step.py RECIPE FOLDER; the answers are the right ones, so that no sampling can part two launches.
"""

import gc
import json
import os
import sys
import time
from pathlib import Path

import torch

from benchmarks.gpu.sharding import end_processes, shard_on_cpu
from listopd.batch import AnsweredPrompt, pad
from listopd.floor import machine
from listopd.networks import load_network
from listopd.on_policy import StepContext, _step
from listopd.parallel import gathered, make_accelerator, weights_of
from listopd.questions import load_questions, training_task
from listopd.recipe import read_recipe
from listopd.rollout.protocol import Rollout
from listopd.sharding import release, shard
from listopd.three_models import as_teacher, load_models, open_models
from listopd.tokens import Labeller


class Given:
    """A sampler that gives right answers."""

    def sample(self, questions, seeds):
        return [Rollout(q, q.gold, (-0.5,) * len(q.gold), "stop") for q in questions]

    def sync(self, step):
        pass


def live_bytes():
    """Of all tensors that this process goes on holding, every storage once.

    gloo's threads give back what they gathered once they get Python's lock, which on a busy machine takes a while: the
    least of three looks.
    """
    gc.collect()
    looks = []
    for _ in range(3):
        time.sleep(0.1)
        tensors = [x for x in gc.get_objects() if isinstance(x, torch.Tensor)]
        plain = [x.to_local() if hasattr(x, "to_local") else x for x in tensors]
        looks.append(sum({x.untyped_storage()._cdata: x.untyped_storage().nbytes() for x in plain}.values()))
    return min(looks)


def frozen_bytes(models, spec, recipe, accelerator, vocab):
    """What teacher and base add to this process: held between passes, and after one, released."""
    before, frozen = live_bytes(), []
    for checkpoint in (models.teacher, models.base):
        network = load_network(checkpoint, accelerator.device, None, frozen=True)
        scorer = as_teacher(network, spec, recipe, accelerator, vocab)
        frozen.append(shard(scorer, accelerator, keep_head=spec.objective.full_vocabulary))
        del network, scorer
    held = live_bytes() - before
    with torch.no_grad(), accelerator.autocast():
        for scorer in frozen:
            scorer(pad([AnsweredPrompt((1, 2, 3), (4, 5, 6))], accelerator.device))
    release(frozen)
    return {"held": held, "after a pass": live_bytes() - before}


if __name__ == "__main__":
    if os.environ.get("ACCELERATE_USE_FSDP"):
        shard_on_cpu()
    recipe, folder = read_recipe(sys.argv[1]), Path(sys.argv[2])
    spec, accelerator, task = recipe.opd, make_accelerator(recipe, folder), training_task(recipe)
    models = open_models(spec, recipe)
    questions = load_questions(task, recipe, models.student, models.max_length, 80)
    vocab = len(models.student.renderer.tokenizer)
    memory = frozen_bytes(models, spec, recipe, accelerator, vocab)
    trainee, frozen = load_models(models, spec, recipe, accelerator)
    label = Labeller(models.student.renderer.tokenizer, getattr(questions.kept[0].contract, "key", None))
    context = StepContext(
        recipe, spec, models.student, accelerator, trainee, frozen, Given(), label, spec.extrapolation.build(),
        machine(accelerator.device),
    )  # fmt: skip
    with torch.no_grad(), accelerator.autocast():
        batch = pad([AnsweredPrompt(q.prompt, q.gold) for q in questions.kept[:2]], accelerator.device)
        gap = float((trainee.scorer(batch).logp - frozen.base(batch).logp).abs().max())
    release([trainee.scorer, *frozen])
    figures = _step(questions.kept[: spec.batch], 0, context=context, steps=1)
    weights = {name: weight.clone() for name, weight in weights_of(accelerator, trainee.scorer)}
    found = gathered({"memory": memory, "student_minus_base": gap, "figures": figures}, accelerator)
    if accelerator.is_main_process:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "found.json").write_text(json.dumps(found))
        torch.save(weights, folder / "weights.pt")
    end_processes()
