"""What sampling costs where there is no vLLM: transformers' `generate` as the trainer calls it, a 1.7B student."""

from __future__ import annotations

from benchmarks.gpu.bench import make_recipe, real_questions
from benchmarks.gpu.job import Job, wait
from benchmarks.gpu.networks import QWEN3_1_7B, TINY_STUDENT, random_network, synthetic
from listopd.networks import open_model
from listopd.parallel import make_accelerator
from listopd.rollout import HFSampler
from listopd.trainee import Trainee

PROMPTS = (16, 128)


def run(job: Job) -> None:
    """A short one first, so that no case pays for what happens once."""
    recipe = make_recipe(job, "bfloat16")
    assert recipe.opd is not None
    shape = job.pick(QWEN3_1_7B, TINY_STUDENT)
    network = random_network(shape, job.device, seed=0, frozen=False)
    trainee = Trainee(network, recipe.opd.optimiser, make_accelerator(recipe, job.folder), vocab=shape.vocab)
    # Ids that end nothing: the last of the head, which random weights write once in 150,000 tokens.
    student = open_model(recipe.opd.student)._replace(stops=(shape.vocab - 1,))
    tokens, prompt = job.pick((200, 1200), (6, 24))
    sampler = HFSampler(trainee, student, tokens, 1.0, recipe)
    question = real_questions(recipe)[0]
    asked = [r.question for r in synthetic(question, job.pick(max(PROMPTS), 8), prompt, 1, shape.vocab)]
    HFSampler(trainee, student, 2, 1.0, recipe).sample(asked[:2], [0, 1])
    for count in PROMPTS:
        with job.case(f"{count} prompts") as found:
            mine = asked[: job.pick(count, count // 16)]
            started = wait(job.device)
            written = sampler.sample(mine, list(range(len(mine))))
            seconds = wait(job.device) - started
            answer = sum(len(rollout.answer) for rollout in written)
            found |= {"seconds": seconds, "tokens_per_s": answer / seconds, "answer_tokens": answer / len(mine)}
