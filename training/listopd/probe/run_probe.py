"""The probe from models and data to its result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from listeval.errors import UserError
from listopd.probe.probe_config import ProbeConfig
from listopd.probe.probe_result import ProbeResult, RolloutCounts

if TYPE_CHECKING:
    from listeval.models.checkpoint import Checkpoint
    from listeval.task import Task
    from listopd.curve.curve_result import TargetCurve
    from listopd.probe.answers import ProbeAnswer, ProbeQuestions, Rollouts
    from listopd.probe.observations import Observations
    from listopd.probe.summary import ProbePart
    from listopd.probe.vocabulary import Vocabulary

Say = Callable[[str], None]


class GoldIsThought(UserError):
    """The chat template makes thoughts of right answers, so nothing can be read off them."""


def probe(config: ProbeConfig, say: Say = lambda line: None, answers: Path | None = None) -> ProbeResult:
    """Measure p and b of every structural step, and the λ* that follows; `say` is told what is being done.

    Where the target curve is asked for, too, its answers are kept in the file `answers`. Raises UserError for models
    that do not exist or do not share one tokenizer, for data without a fitting prompt, and for the target curve of an
    objective without a base.
    """
    if config.curve and not config.base_relative:
        cause = "the curve decodes a target that leads away from the base, and this objective has no base"
        raise UserError(cause, place=config.recipe or "--curve", fix="leave out --curve, or --recipe")
    for package in ("torch", "transformers"):
        if find_spec(package) is None:
            raise UserError.missing_package(package, "pip install 'listeval[cpu]'", "the probe")
    from listeval.plugins.open import make_task
    from listopd.probe.answers import questions

    task = make_task(config.task, config.options)
    models = _open(config)
    _keep_clock(config, models, answers)
    limits = [model.info.max_length for model in models.values() if model.info.max_length is not None]
    most = min(limits, default=None)
    found = questions(task, config, models["base"], most)
    _check_gold(config, models["base"], found)
    config = _with_steps(config, models["base"], most)
    if found.too_long:
        say(f"{found.too_long} prompts are too long for the models and left out")
    networks = _load(config, models, say)
    rollouts = _roll_out(config, task, models, networks, found, say) if config.reads_rollouts else None
    parts = tuple(_parts(config, models["base"], networks, found, rollouts, say))
    curve = _curve(config, task, models, networks, found, parts, answers, say) if config.curve else None
    return ProbeResult(_manifest(config, task, models, networks, found), _counts(config, rollouts), parts, curve)


def _check_gold(config: ProbeConfig, base: Checkpoint, found: ProbeQuestions) -> None:
    """Raises GoldIsThought where right answers are to be read and the template makes them thoughts."""
    from listeval.models.marks import opened_by

    if config.reads_gold and opened_by(found.kept[0].prompt.text, base.renderer.own_marks) is not None:
        cause = "its chat template opens a reasoning block in the prompt, so a right answer behind it is a thought"
        fix = "--on rollouts, or --no-thinking where the template knows that"
        raise GoldIsThought(cause, place=base.info.name, fix=fix)


def _open(config: ProbeConfig) -> dict[str, Checkpoint]:
    """All of the models but their weights, by role; refused where they cannot be compared token by token."""
    from listeval.backends.protocol import BackendOptions
    from listeval.models.checkpoint import open_checkpoint
    from listopd.networks import agree

    options = BackendOptions(dtype=config.dtype, enable_thinking=config.enable_thinking)
    names = {"base": config.base, "teacher": config.teacher}
    if config.reads_rollouts:
        names["student"] = config.student or config.base
    found = {role: open_checkpoint(name, options) for role, name in names.items()}
    for role in ("teacher", "student"):
        if role in found:
            agree(found["base"], found[role], role, than="base")
    return found


def _keep_clock(config: ProbeConfig, models: dict[str, Checkpoint], answers: Path | None) -> None:
    """One time in all prompts: that of the training whose directory is the recipe, else of the curve that goes on."""
    from listeval.disk import user_path
    from listopd.curve.stored_answers import stored_clock
    from listopd.journal import recorded_clock

    told = models["base"].renderer.clock
    if told is None:
        return
    if answers is not None:
        told = stored_clock(answers) or told
    if config.recipe is not None and user_path(config.recipe).is_dir():
        told = recorded_clock(user_path(config.recipe)) or told
    for model in models.values():
        model.renderer.set_clock(told)


def _with_steps(config: ProbeConfig, base: Checkpoint, most: int | None) -> ProbeConfig:
    """With the budget of a recipe that counts epochs in steps."""
    if config.recipe is None or config.steps is not None:
        return config
    from listopd.probe.recipe_settings import count_steps

    return config.model_copy(update={"steps": float(count_steps(config, base, most))})


def _load(config: ProbeConfig, models: dict[str, Checkpoint], say: Say) -> dict[str, Any]:
    """The networks by role; one checkpoint is loaded once, whatever its roles."""
    from listeval.backends.hf.hf_engine import load_network, pick_device

    device = pick_device(config.device)
    loaded: dict[Path, Any] = {}
    for role, model in models.items():
        path = model.path.resolve()
        if path not in loaded:
            say(f"loading {role} {model.info.name}")
            loaded[path] = load_network(path, device, config.dtype)
    return {role: loaded[model.path.resolve()] for role, model in models.items()}


def _roll_out(
    config: ProbeConfig,
    task: Task,
    models: dict[str, Checkpoint],
    networks: dict[str, Any],
    found: ProbeQuestions,
    say: Say,
) -> Rollouts:
    from listeval.backends.protocol import Sampling
    from listopd.probe.answers import roll_out

    how = f"at temperature {config.temperature:g}" if config.temperature else "greedily"
    say(f"{models['student'].info.name} answers {len(found.kept)} prompts {how}")
    sampling = Sampling(config.max_tokens or task.max_tokens, config.temperature)
    return roll_out(found.kept, models["student"], networks["student"], sampling)


def _parts(
    config: ProbeConfig,
    base: Checkpoint,
    networks: dict[str, Any],
    found: ProbeQuestions,
    rollouts: Rollouts | None,
    say: Say,
) -> Iterator[ProbePart]:
    from listopd.probe.summary import summarise

    # Only of the base itself are the rollouts evidence for its headroom.
    own = rollouts is not None and networks["student"] is networks["base"]
    shown = rollouts if own else None
    for source, answers in _sources(config, found, rollouts):
        say(f"scoring {len(answers)} {'right answers' if source == 'gold' else source}")
        yield summarise(source, _observe(base, networks, answers, config.score_temperature), config, shown)


def _sources(
    config: ProbeConfig, found: ProbeQuestions, rollouts: Rollouts | None
) -> Iterator[tuple[str, list[ProbeAnswer]]]:
    from listopd.probe.answers import ProbeAnswer

    if config.reads_gold:
        yield "gold", [ProbeAnswer(question, question.gold, True) for question in found.kept]
    if rollouts is not None:
        yield "rollouts", rollouts.answers


def _curve(
    config: ProbeConfig,
    task: Task,
    models: dict[str, Checkpoint],
    networks: dict[str, Any],
    found: ProbeQuestions,
    parts: tuple[ProbePart, ...],
    answers: Path | None,
    say: Say,
) -> TargetCurve:
    from listeval.plugins.open import ready
    from listopd.curve.run_curve import ModelPair, measure_curve
    from listopd.questions import stop_token

    pair = ModelPair(models, networks, _vocabulary(models["base"], networks), stop_token(models["base"]))
    with ready(task):
        return measure_curve(config, task, pair, found, parts, answers, say)


def _vocabulary(base: Checkpoint, networks: dict[str, Any]) -> Vocabulary:
    from listeval.decoding.tokens.token_bytes import token_bytes
    from listopd.probe.vocabulary import Vocabulary

    # A student may write ids that only its own padding of the head has: they have no text.
    tokenizer = base.renderer.tokenizer
    widest = max(network.config.get_text_config().vocab_size for network in networks.values())
    return Vocabulary(token_bytes(tokenizer, widest), base.stops, len(tokenizer))


def _observe(
    base: Checkpoint, networks: dict[str, Any], answers: list[ProbeAnswer], temperature: float
) -> Observations:
    from listopd.probe.observations import observe
    from listopd.questions import stop_token

    vocabulary = _vocabulary(base, networks)
    found = observe(answers, vocabulary, stop_token(base), networks["teacher"], networks["base"], temperature)
    if not len(found):
        cause = "no answer has a step of a JSON list or object to measure"
        raise UserError(cause, place="--on", fix="use a task whose answers are JSON, or --on gold")
    return found


def _counts(config: ProbeConfig, rollouts: Rollouts | None) -> RolloutCounts | None:
    if rollouts is None:
        return None
    writer = config.student or config.base
    return RolloutCounts(writer, len(rollouts.answers), rollouts.parsed, rollouts.fmc, rollouts.kinds)


def _manifest(
    config: ProbeConfig, task: Task, models: dict[str, Checkpoint], networks: dict[str, Any], found: ProbeQuestions
) -> dict[str, Any]:
    from listeval import __version__
    from listeval.runs.environment import environment
    from listeval.runs.preparation import task_entry

    clock = models["base"].renderer.clock
    return {
        "listeval": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "config": config.model_dump(mode="json"),
        "task": task_entry(task).behind_rows(),
        "data": {
            str(seed): {"name": d.name, "source": d.source, "fingerprint": d.fingerprint, "counts": dict(d.counts)}
            for seed, d in found.data.items()
        },
        "clock": clock and clock.isoformat(),
        "prompts": {"measured": len(found.kept), "too_long": found.too_long},
        "models": {
            role: {name: getattr(model.info, name) for name in model.info.__slots__ if name != "path"}
            for role, model in models.items()
        },
        "device": str(networks["base"].device),
        "dtype": config.dtype,
        "environment": environment(),
    }
