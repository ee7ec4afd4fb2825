"""A step of on-policy distillation against the same in TRL, and what its loss costs at a real vocabulary.

Step: one tiny student, teacher and base; the same prompts in the same batches, the same longest answer, both sample
with transformers and update once. The peer is TRL's GRPO trainer with an advantage a token (`peers/trl_opd.py`), whose
gradient is ours to 1e-6 (`tests/oracle/test_trl.py`). Trainings take turns; a step is the time from the end of one to
the end of the next, the first is left out. Processor time stands beside it, for other load on the machine moves it
less. Loss: forward and backward at 151,936 tokens, each in a process of its own, whose peak memory is over what it held
before.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.harness import RESULTS, Goal, Report, arguments, publish, take_turns
from benchmarks.peers import losses
from benchmarks.tiny import write_checkpoint
from listeval.models.cpu import keep_memory, wait_passively

OURS, PEER = "listeval train opd", "TRL GRPO, a subclass"
SCORED, NAIVE, FUSED = "listopd, chunks of answer rows", "logits of every row", "TRL, fused head"
BATCH, TOKENS, STEPS, LAM = 16, 64, 4, 1.25
RATE = 1e-5


class Models(NamedTuple):
    """Folders of the networks, and the prompts of every step in their order."""

    student: str
    teacher: str
    prompts: list[tuple[int, ...]]
    stops: tuple[int, ...]
    size: int


class Timed(NamedTuple):
    """Seconds of each step but the first, on the clock and of the processor, and how much of the former went into
    sampling; answer tokens over all of these.
    """

    steps: list[float]
    processor: list[float]
    sampling: list[float]
    answer_tokens: int


def main() -> None:
    """Steps where TRL is installed, then losses."""
    options = arguments(__doc__, rounds=5)
    wait_passively()
    keep_memory()
    report = Report("trainer")
    if find_spec("trl") is None:
        report.facts["step"] = "not measured: trl is not installed"
    else:
        with tempfile.TemporaryDirectory() as scratch:
            compare_steps(report, Path(scratch), options.rounds)
    compare_losses(report, options.rounds)
    publish(report, ["torch", "transformers", "accelerate", "trl"], dry=options.dry)


def compare_steps(report: Report, folder: Path, rounds: int) -> None:
    """Whole trainings in turn; a round's figure is the median of its steps."""
    models = make_models(folder)
    trainings: dict[str, Callable[[Path], Timed]] = {
        OURS: lambda out: ours(models, out),
        PEER: lambda out: theirs(models, out),
    }
    processor: dict[str, list[float]] = {name: [] for name in trainings}
    rest: dict[str, list[float]] = {name: [] for name in trainings}
    tokens: dict[str, int] = {}

    def measure(name: str) -> float:
        with tempfile.TemporaryDirectory(dir=folder) as out:
            timed = trainings[name](Path(out))
        pairs = zip(timed.steps, timed.sampling, strict=True)
        rest[name].append(statistics.median(step - sampling for step, sampling in pairs))
        processor[name].append(statistics.median(timed.processor))
        tokens[name] = timed.answer_tokens
        return statistics.median(timed.steps)

    whole = take_turns({name: partial(measure, name) for name in trainings}, rounds=rounds)
    case = f"{models.size / 1e6:.1f} M parameters, {BATCH} prompts, answers of up to {TOKENS} tokens"
    report.compare(f"{case}: a step", whole, OURS, PEER, Goal(least=1.5))
    report.compare(f"{case}: processor time of a step", processor, OURS, PEER, Goal(least=1.5))
    report.compare(f"{case}: a step without sampling", rest, OURS, PEER)
    counts = ", ".join(f"{tokens[name]} ({name})" for name in trainings)
    report.facts[f"answer tokens of the last round's {STEPS - 1} steps"] = counts


def make_models(folder: Path) -> Models:
    """A random student and another random network as its teacher, with one tokenizer."""
    from transformers import AutoModelForCausalLM

    from listopd.networks import open_model
    from listopd.questions import batches, load_examples, training_task

    student, teacher = folder / "student", folder / "teacher"
    texts = [path.read_text() for path in sorted(RESULTS.parents[1].glob("tasks/fashion/*.md"))]
    for path in (student, teacher):
        size = write_checkpoint(path, texts)
    network = AutoModelForCausalLM.from_pretrained(teacher)
    for parameter in network.parameters():
        parameter.data = parameter.data.flip(0)
    network.save_pretrained(teacher)
    recipe = make_recipe(str(student), str(teacher))
    opened = open_model(str(student))
    examples, *_ = load_examples(training_task(recipe), recipe)
    rendered = [opened.renderer.render(example.messages).token_ids for example in examples]
    steps = islice(batches(rendered, BATCH, recipe.seed), STEPS)
    prompts = [prompt for batch in steps for prompt in batch]
    return Models(str(student), str(teacher), prompts, opened.stops, size)


def make_recipe(student: str, teacher: str) -> Any:
    """Ours as its defaults have it, in float32 on a CPU."""
    from listopd.recipe import Recipe

    opd = {
        "student": student,
        "teacher": teacher,
        "engine": "hf",
        "steps": STEPS,
        "batch": BATCH,
        "max_tokens": TOKENS,
        "extrapolation": {"kind": "constant", "value": LAM},
        "optimiser": {"lr": RATE},
    }
    shared = {"options": {"split": "all", "k": 4}, "precision": {"device": "cpu"}}
    return Recipe.model_validate({"task": "fashion", "opd": opd, **shared})


def ours(models: Models, out: Path) -> Timed:
    """One training by the package. Raises RuntimeError where its prompts are not the peer's."""
    from listopd.stages import train

    ends: list[tuple[float, float]] = []
    said: list[dict[str, Any]] = []

    def note(step: int, steps: int, figures: dict[str, Any]) -> None:
        ends.append((time.perf_counter(), time.process_time()))
        said.append(figures)

    train(make_recipe(models.student, models.teacher), "opd", out / "run", note)
    for number, figures in enumerate(said):
        prompts = figures["tokens_per_s"] * figures["seconds"] - figures["answer_tokens"] * BATCH
        if round(prompts) != sum(map(len, models.prompts[number * BATCH : (number + 1) * BATCH])):
            raise RuntimeError(f"step {number + 1}: not the prompts that the peer gets")
    tokens = sum(figures["answer_tokens"] * BATCH for figures in said[1:])
    return Timed(*_between(ends), [figures["seconds_sampling"] for figures in said[1:]], round(tokens))


def theirs(models: Models, out: Path) -> Timed:
    """One training by TRL, from the same weights."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback

    from benchmarks.peers.trl_opd import PerTokenGRPO, configuration

    student, teacher, base = (
        AutoModelForCausalLM.from_pretrained(name) for name in (models.student, models.teacher, models.student)
    )
    student.generation_config.eos_token_id = list(models.stops)
    ends: list[tuple[float, float]] = []
    sampling: list[float] = []
    tokens: list[int] = []

    class Note(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *arguments: Any, **rest: Any) -> None:
            ends.append((time.perf_counter(), time.process_time()))

    class Noted(PerTokenGRPO):
        def _generate_single_turn(self, *arguments: Any) -> Any:
            start = time.perf_counter()
            found = super()._generate_single_turn(*arguments)
            sampling.append(time.perf_counter() - start)
            tokens.append(sum(map(len, found[0])))
            return found

    config = configuration(
        str(out), batch=BATCH, max_steps=STEPS, learning_rate=RATE, weight_decay=0.01, max_completion_length=TOKENS,
        temperature=1.0, shuffle_dataset=False, logging_strategy="no",
    )  # fmt: skip
    tokenizer = AutoTokenizer.from_pretrained(models.student)
    trainer = Noted(student, (teacher, base), LAM, models.prompts, tokenizer, config)
    trainer.add_callback(Note())
    trainer.train()
    return Timed(*_between(ends), sampling[1:], sum(tokens[1:]))


def _between(ends: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    pairs = list(pairwise(ends))
    return [later[0] - earlier[0] for earlier, later in pairs], [later[1] - earlier[1] for earlier, later in pairs]


def compare_losses(report: Report, rounds: int) -> None:
    """Processes in turn. Raises RuntimeError where the losses differ."""
    kinds = {SCORED: "scored", NAIVE: "naive"} | ({FUSED: "fused"} if find_spec("trl") else {})
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in kinds}

    def measure(name: str) -> float:
        command = [sys.executable, "-m", "benchmarks.peers.losses", kinds[name]]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found[name].append(json.loads(done.stdout))
        middle: float = statistics.median(found[name][-1]["seconds"][1:])
        return middle / (losses.SEQUENCES * losses.ANSWER)

    seconds = take_turns({name: partial(measure, name) for name in kinds}, rounds=rounds)
    values = [child["loss"] for children in found.values() for child in children]
    if max(values) - min(values) > 1e-4:
        raise RuntimeError(f"losses differ: {values}")
    case = (
        f"loss of {losses.SEQUENCES} x ({losses.PROMPT} + {losses.ANSWER}) tokens, {losses.VOCAB:,} in the vocabulary"
    )
    for peer in list(kinds)[1:]:
        report.compare(f"{case}: an answer token", seconds, SCORED, peer, Goal(least=1.0))
    for name, children in found.items():
        peak = statistics.median(child["peak"] for child in children)
        pace = 1 / statistics.median(seconds[name])
        report.facts[f"{name}"] = (
            f"peak memory {peak / 2**20:,.0f} MiB over the network, {pace:,.0f} answer tokens a second"
        )


if __name__ == "__main__":
    main()
