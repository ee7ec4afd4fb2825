"""What the probe reads: the task's prompts with right answers, and with the answers that a student writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from listeval.backends.protocol import Prompt, Request, Sampling
from listeval.contract import Contract
from listeval.contract.outcome import Failure
from listeval.errors import UserError
from listeval.models.checkpoint import Checkpoint
from listeval.plugins.blame import blame
from listeval.plugins.open import load
from listeval.runs.rows import unit
from listeval.task import Dataset, Task
from listopd.probe.probe_config import ProbeConfig
from listopd.probe.walk import WalkReference, reference
from listopd.tokens import TokenTexts


class ProbeQuestion(NamedTuple):
    """One prompt, the tokens of a right answer without its stop token, and what right answers have in common."""

    name: str
    prompt: Prompt
    gold: tuple[int, ...]
    contract: Contract[Any]
    right: WalkReference
    seed: int
    place: int
    unit: str = ""
    """What prompts of one example or one product have in common; empty where the prompt stands alone."""


class ProbeQuestions(NamedTuple):
    """The prompts that fit the models; `too_long` counts those that do not, which are left out, never cut."""

    kept: list[ProbeQuestion]
    too_long: int
    data: dict[int, Dataset]


class ProbeAnswer(NamedTuple):
    """The tokens of an answer without its stop token; `stopped` says whether one came.

    The first `thought` of them are no part of the answer, as an evaluation reads it.
    """

    question: ProbeQuestion
    tokens: tuple[int, ...]
    stopped: bool
    thought: int = 0


class Rollouts(NamedTuple):
    """A student's answers, and which of them are `kept`, keep the contract.

    `kinds` counts how they keep or break it, `fmc` format-manifold collapses.
    """

    answers: list[ProbeAnswer]
    kinds: dict[str, int]
    fmc: int
    kept: list[bool]

    @property
    def parsed(self) -> int:
        """How many keep the contract."""
        return self.kinds.get("ok", 0)

    @property
    def units(self) -> list[str]:
        """What each answer depends on."""
        return [answer.question.unit or answer.question.name for answer in self.answers]


def questions(task: Task, config: ProbeConfig, checkpoint: Checkpoint, most: int | None) -> ProbeQuestions:
    """The examples of each seed as token ids, of those that `_fits`; prompt and answer may have `most` tokens.

    Raises UserError where none fits, and for data and answers that the task cannot give.
    """
    data = {seed: load(task, config.data, seed) for seed in config.seeds}
    found = [
        _question(task, checkpoint, example, seed, place)
        for seed, dataset in data.items()
        for place, example in enumerate(dataset.examples[: config.limit])
    ]
    kept = [question for question in found if _fits(question, task, config, most)]
    if not kept:
        source, bounds = next(iter(data.values())).source, {"models": most, "max_prompt": config.max_prompt}
        known = ", ".join(f"{name} {bound:,}" for name, bound in bounds.items() if bound is not None)
        cause = f"none of the {len(found)} prompts fits, with an answer behind it ({known} tokens)"
        raise UserError(cause, place=source, fix="a smaller k (--set k=4), or models with a longer context")
    return ProbeQuestions(kept, len(found) - len(kept), data)


def _fits(question: ProbeQuestion, task: Task, config: ProbeConfig, most: int | None) -> bool:
    """Whether the models take the prompt with its right answer, and a training that is foretold would ask it.

    That leaves out what is longer than its `max_prompt`, and what leaves no room for a whole rollout.
    """
    prompt, room = len(question.prompt.token_ids), len(question.gold) + 1
    if config.recipe is not None:
        room = max(room, config.max_tokens or task.max_tokens)
    longest = prompt if config.max_prompt is None else config.max_prompt
    return prompt <= longest and (most is None or prompt + room <= most)


def _question(task: Task, checkpoint: Checkpoint, example: Any, seed: int, place: int) -> ProbeQuestion:
    with blame(task, f"has no right answer for its example '{example.id}'"):
        contract, gold = task.contract(example.target), task.gold(example.target)
    key = getattr(contract, "key", None)
    renderer = checkpoint.renderer
    right = reference(gold.encode(), key)
    name, depends = f"{seed}/{example.id}", unit(example.cluster, example.id)
    prompt = renderer.render(example.messages)
    return ProbeQuestion(name, prompt, renderer.encode(gold), contract, right, seed, place, depends)


def answered(question: ProbeQuestion, tokens: tuple[int, ...], texts: TokenTexts, *, stopped: bool) -> ProbeAnswer:
    """An answer that a model wrote."""
    return ProbeAnswer(question, tokens, stopped, texts.begin(tokens, question.prompt.token_ids))


def roll_out(asked: Sequence[ProbeQuestion], checkpoint: Checkpoint, network: Any, sampling: Sampling) -> Rollouts:
    """One answer to each question, a function of weights, question and seed.

    Raises UserError where the network fails on one.
    """
    from listeval.backends.hf.hf_engine import HFBackend
    from listopd.rollout.protocol import seed_of

    backend = HFBackend(checkpoint, network, batch_size=16)
    texts = TokenTexts(checkpoint.renderer.tokenizer, checkpoint.renderer.own_marks)
    requests = [
        Request(str(i), q.name, q.prompt, sampling, seed_of(q.seed, 0, q.place, 0), q.contract, q.place)
        for i, q in enumerate(asked)
    ]
    answers: dict[int, ProbeAnswer] = {}
    kept: dict[int, bool] = {}
    kinds: Counter[str] = Counter()
    fmc = 0
    for done in backend.generate(requests):
        question = asked[int(done.key)]
        if done.error is not None:
            raise UserError(f"no rollout: {done.error}", place=question.name, fix="free memory, or leave it out")
        parsed = question.contract.parse(done.text, done.finish_reason, done.reasoning)
        kinds[parsed.kind.value if isinstance(parsed, Failure) else "ok"] += 1
        fmc += isinstance(parsed, Failure) and parsed.fmc
        kept[int(done.key)] = not isinstance(parsed, Failure)
        answers[int(done.key)] = answered(question, done.token_ids, texts, stopped=done.finish_reason == "stop")
    order = range(len(asked))
    return Rollouts([answers[i] for i in order], dict(kinds.most_common()), fmc, [kept[i] for i in order])
