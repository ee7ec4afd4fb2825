"""The target curve from two loaded models and a task's prompts to its result."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from listeval.errors import UserError
from listopd.curve.advice import advise, limit_of
from listopd.curve.breaks import Break, find_breaks
from listopd.curve.curve_result import CurveThreshold, SelfTest, TargetCurve
from listopd.curve.decode import WrittenAnswer, decode
from listopd.curve.points import JudgedPoint, clusters, judge_point
from listopd.curve.stored_answers import StoredAnswers
from listopd.curve.target import TargetArm, check_arm
from listopd.estimates import Cliff, Outcomes, cliff
from listopd.probe.answers import ProbeQuestions, Rollouts, answered, roll_out
from listopd.probe.probe_config import ProbeConfig
from listopd.probe.summary import OPERATING, SAFETY, ProbePart
from listopd.probe.vocabulary import Vocabulary
from listopd.threshold.preconditions import Cap
from listopd.tokens import TokenTexts

if TYPE_CHECKING:
    from listeval.models.checkpoint import Checkpoint
    from listeval.task import Task

Say = Callable[[str], None]

_ROWS = {"cpu": 256, "cuda": 1024}
"""Most answers that are decoded together, if all λ wrote different ones."""


class ModelPair(NamedTuple):
    """Teacher and base, opened and loaded, and what they say alike; `stop` is written where an answer stopped."""

    opened: dict[str, Checkpoint]
    networks: dict[str, Any]
    vocabulary: Vocabulary
    stop: int

    @property
    def base(self) -> Checkpoint:
        """Whose tokenizer and stop tokens are used."""
        return self.opened["base"]


def measure_curve(
    config: ProbeConfig,
    task: Task,
    pair: ModelPair,
    asked: ProbeQuestions,
    parts: Sequence[ProbePart],
    path: Path | None = None,
    say: Say = lambda line: None,
) -> TargetCurve:
    """Decode, judge and summarise. `parts` are the probe's, for λ* and λ_flip; answers are kept in the file `path`.

    Raises UserError for a task that runs code, for λ that make no curve, and as `StoredAnswers`.
    """
    if task.executes_code:
        cause = f"task '{task.name}' runs the code that a model writes, at every λ"
        raise UserError(cause, place="--curve", fix="use a task that runs none")
    arms = arms_of(config)
    with closing(StoredAnswers(path, _identity(config, task, pair, asked, arms), pair.base.renderer.clock)) as answers:
        _decode_all(config, task, pair, asked, arms, answers, say)
        written = [answers.known[question.name] for question in asked.kept]
    judged = [judge_point(arm.lam, [own[at] for own in written], asked, task, pair.base) for at, arm in enumerate(arms)]
    outcomes = _outcomes(judged, clusters(asked))
    found = cliff(outcomes, draws=config.bootstrap)
    say("comparing λ = 0 and 1 with the models' own answers")
    tested = _self_test(config, task, pair, asked, arms, written, judged)
    broken = _breaks(found, arms, written, judged, asked, pair, config.score_temperature)
    thresholds = tuple(_threshold(part) for part in parts)
    return TargetCurve(
        f"{config.teacher} -> {config.base} on {config.task}",
        config.floor,
        tuple(one.point for one in judged),
        outcomes,
        tuple(question.name for question in asked.kept),
        found,
        tested,
        broken,
        thresholds,
        config.clip,
        limit_of(found),
        advise(found, tested, broken, thresholds, capped=config.cap is Cap.TEACHER_RATIO),
    )


def arms_of(config: ProbeConfig) -> list[TargetArm]:
    """The λ asked for in rising order, with 0 and 1, which are the self-test.

    Raises UserError for fewer than two λ of 1 and above, and as `check_arm`.
    """
    lams = sorted({0.0, 1.0, *config.lambdas})
    if sum(lam >= 1 for lam in lams) < 2:
        raise UserError("no λ above 1 to make a curve of", place="--lambdas", fix="for example 1,1.1,1.2,1.5,2")
    return [check_arm(TargetArm(lam, config.floor)) for lam in lams]


def _identity(
    config: ProbeConfig, task: Task, pair: ModelPair, asked: ProbeQuestions, arms: Sequence[TargetArm]
) -> dict[str, Any]:
    """All that the answers are a function of but the time that the prompts print."""
    return {
        "models": {role: pair.opened[role].info.fingerprint for role in ("teacher", "base")},
        "template": pair.base.info.template_hash,
        "task": [task.name, task.options.model_dump(mode="json"), task.code],
        "data": {str(seed): data.fingerprint for seed, data in asked.data.items()},
        "arms": arms,
        "budget": config.max_tokens or task.max_tokens,
        "thinking": config.enable_thinking,
        "dtype": config.dtype,
        # Said only where it is not 1, so that answers that were kept before it could be said are still known.
        **({} if config.score_temperature == 1 else {"temperature": config.score_temperature}),
    }


def _decode_all(
    config: ProbeConfig,
    task: Task,
    pair: ModelPair,
    asked: ProbeQuestions,
    arms: Sequence[TargetArm],
    answers: StoredAnswers,
    say: Say,
) -> None:
    """What is not known yet, longest prompts first, so that memory runs out early or never."""
    owed = sorted(
        (place for place, question in enumerate(asked.kept) if question.name not in answers.known),
        key=lambda place: -len(asked.kept[place].prompt.token_ids),
    )
    device = pair.networks["base"].device.type
    size = max(1, _ROWS.get(device, _ROWS["cuda"]) // len(arms))
    done = len(asked.kept) - len(owed)
    for start in range(0, len(owed), size):
        say(f"decoding at {len(arms)} λ: prompt {done + start + 1} of {len(asked.kept)}")
        group = [asked.kept[place] for place in owed[start : start + size]]
        prompts = [question.prompt.token_ids for question in group]
        budget = config.max_tokens or task.max_tokens
        found = list(_decode(prompts, budget, pair, arms, config.score_temperature))
        answers.add([question.name for question in group], found)


def _decode(
    prompts: Sequence[tuple[int, ...]], budget: int, pair: ModelPair, arms: Sequence[TargetArm], temperature: float
) -> Iterator[list[WrittenAnswer]]:
    """Where memory runs out the prompts are halved, down to one."""
    import torch

    found = _decode_at_once(prompts, budget, pair, arms, temperature)
    if found is not None:
        yield from found
        return
    if len(prompts) == 1:
        raise UserError("memory runs out on one prompt", place="--curve", fix="fewer --lambdas")
    torch.cuda.empty_cache()
    half = len(prompts) // 2
    for part in (prompts[:half], prompts[half:]):
        yield from _decode(part, budget, pair, arms, temperature)


def _decode_at_once(
    prompts: Sequence[tuple[int, ...]], budget: int, pair: ModelPair, arms: Sequence[TargetArm], temperature: float
) -> list[list[WrittenAnswer]] | None:
    """None where memory runs out; what filled it is gone when this returns."""
    import torch

    from listopd.curve.cached import CachedNetwork

    most = min((own.info.max_length for own in pair.opened.values() if own.info.max_length), default=1 << 62)
    budgets = [min(budget, most - len(prompt)) for prompt in prompts]
    size = pair.vocabulary.size
    teacher, base = (CachedNetwork(pair.networks[role], size, temperature) for role in ("teacher", "base"))
    try:
        return decode(teacher, base, prompts, arms, pair.base.stops, budgets)
    except torch.OutOfMemoryError:
        return None


def _outcomes(judged: Sequence[JudgedPoint], labels: Sequence[str]) -> Outcomes:
    kept = [one for one in judged if one.point.lam >= 1]
    return Outcomes([one.point.lam for one in kept], np.array([[one.good for one in kept]]), labels)


def _self_test(
    config: ProbeConfig,
    task: Task,
    pair: ModelPair,
    asked: ProbeQuestions,
    arms: Sequence[TargetArm],
    written: Sequence[Sequence[WrittenAnswer]],
    judged: Sequence[JudgedPoint],
) -> SelfTest:
    from listeval.backends.protocol import Sampling

    sampling = Sampling(config.max_tokens or task.max_tokens)
    same, parsed = {}, {}
    for role, lam in (("base", 0.0), ("teacher", 1.0)):
        at = next(place for place, arm in enumerate(arms) if arm.lam == lam)
        own: Rollouts = roll_out(asked.kept, pair.opened[role], pair.networks[role], sampling)
        same[role] = sum(mine[at].tokens == theirs.tokens for mine, theirs in zip(written, own.answers, strict=True))
        parsed[role] = (judged[at].point.kinds.get("ok", 0), own.parsed)
    return SelfTest(len(asked.kept), same["base"], same["teacher"], parsed["base"], parsed["teacher"])


def _breaks(
    found: Cliff,
    arms: Sequence[TargetArm],
    written: Sequence[Sequence[WrittenAnswer]],
    judged: Sequence[JudgedPoint],
    asked: ProbeQuestions,
    pair: ModelPair,
    temperature: float,
) -> Break | None:
    """At the first λ from the midpoint on; without a cliff at the last λ."""
    middle = math.inf if found.midpoint is None else found.midpoint.value
    at = next((place for place, arm in enumerate(arms) if arm.lam >= middle), len(arms) - 1)
    texts = TokenTexts(pair.base.renderer.tokenizer, pair.base.renderer.own_marks)
    broken = [
        (answered(question, own[at].tokens, texts, stopped=own[at].stopped), row["kind"])
        for question, own, row, good in zip(asked.kept, written, judged[at].rows, judged[at].good, strict=True)
        if good == 0
    ]
    teacher, base = (pair.networks[role] for role in ("teacher", "base"))
    return find_breaks(arms[at].lam, len(written), broken, pair.vocabulary, pair.stop, teacher, base, temperature)


def _threshold(part: ProbePart) -> CurveThreshold:
    stars = {bound.aggregator: bound.star for bound in part.bounds}
    none = _none()
    first = part.flips[0] if part.flips else None
    return CurveThreshold(
        part.source,
        stars.get(SAFETY, none),
        stars.get(OPERATING, none),
        math.inf if first is None else first.value,
        None if first is None or math.isinf(first.value) else first.kind,
        0 if first is None else first.item,
    )


def _none() -> Any:
    from listeval.stats.intervals import Interval

    return Interval(math.nan, math.nan, math.nan)
