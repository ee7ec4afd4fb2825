"""Arms of the laboratory side by side against the same arms one after another.

A unit is one step of one arm: rollouts, scores of teacher and base, loss, gradient, AdamW. Processor time stands beside
the clock's, for other load on the machine moves it less. The bits of an arm are the same in both ways
(`tests/listopd/lab/test_training.py`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from functools import partial

from benchmarks.harness import Goal, Report, arguments, publish, take_turns
from listeval.models.cpu import keep_memory, wait_passively

OURS, PEER = "side by side", "one after another"
ARMS, STEPS = 16, 2
GOALS = {32: Goal(least=1.7), 8: Goal(least=3.5)}
"""By rollouts a step."""


def main() -> None:
    """Both sizes of rollout, by the clock and by the processor."""
    options = arguments(__doc__, rounds=7)
    wait_passively()
    keep_memory()
    report = Report("lab")
    for rollouts, goal in GOALS.items():
        stacks = {OURS: [make_stack(rollouts, range(ARMS))], PEER: [make_stack(rollouts, [arm]) for arm in range(ARMS)]}
        for name in stacks:
            step(stacks[name])
        processor: dict[str, list[float]] = {name: [] for name in stacks}
        measures = {name: partial(measure, stacks[name], processor[name]) for name in stacks}
        seconds = take_turns(measures, rounds=options.rounds)
        case = f"{ARMS} arms, {rollouts} rollouts a step"
        report.compare(case, seconds, OURS, PEER, goal)
        report.compare(f"{case}, processor time", processor, OURS, PEER, goal)
    publish(report, ["torch"], dry=options.dry)


def make_stack(rollouts: int, arms: Sequence[int]) -> Callable[[], object]:
    """A step of these arms, which have random weights of their own."""
    import torch

    from listopd.lab.language import Language
    from listopd.lab.network import Network
    from listopd.lab.training import ArmStack, Shape, TrainingSettings

    network = Network(Language())
    knobs = [TrainingSettings(1 + arm / ARMS, math.inf, 1e-3, arm) for arm in arms]
    student, teacher, base = (torch.stack([network.initial(3 * arm + at) for arm in arms]) for at in range(3))
    return ArmStack(network, Shape("listopd", rollouts), knobs, student, teacher, base).step


def step(stacks: Sequence[Callable[[], object]]) -> None:
    """One step of every arm."""
    for one in stacks:
        one()


def measure(stacks: Sequence[Callable[[], object]], processor: list[float]) -> float:
    """Seconds of a step of an arm; those of the processor are noted."""
    began, busy = time.perf_counter(), time.process_time()
    for _ in range(STEPS):
        step(stacks)
    processor.append((time.process_time() - busy) / (STEPS * ARMS))
    return (time.perf_counter() - began) / (STEPS * ARMS)


if __name__ == "__main__":
    main()
