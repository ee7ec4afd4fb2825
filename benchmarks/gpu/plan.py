"""The phases by their worth, so that a run that is cut off has what matters most; their limits are ten minutes in all.

Nothing but names: the process that starts the phases imports neither torch nor the package under test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Shape(NamedTuple):
    """How a step goes through the networks."""

    tokens: int
    """Of a pass, at most."""
    recomputed: bool = False
    packed: bool = False

    @property
    def name(self) -> str:
        """What its case is called."""
        return f"{self.tokens // 1024}k{', recomputed' * self.recomputed}{', packed' * self.packed}"


COMPILED = (Shape(16_384, recomputed=True), Shape(8192), Shape(16_384))
EAGER = (Shape(16_384, recomputed=True), Shape(8192), Shape(8192, recomputed=True), Shape(4096),
         Shape(16_384, recomputed=True, packed=True), Shape(4096, recomputed=True))  # fmt: skip
"""The likeliest recipes first."""
BIG = ("seconds", "seconds_scoring", "seconds_update", "times_floor", "tokens_per_s")


@dataclass(frozen=True)
class Phase:
    """One process: at most `limit_s` seconds, a line for every one of `cases`, with at least these figures.

    `sharded` phases are started by torchrun, as FSDP2 wants it.
    """

    name: str
    limit_s: float
    asks: str
    cases: Mapping[str, Sequence[str]]
    sharded: bool = False


_BIAS = ("entropy_bias", "entropy_half_width", "advantage_bias", "advantage_half_width", "entropy_drift",
         "drift_half_width")  # fmt: skip
_START = ("s_minus_b", "build_s", "built_gb")
_STEP = ("loss", "grad_norm", "reverse_kl", "loss_recorded", "s_minus_b")

PHASES = (
    Phase("versions", 35, "what this machine is", {"machine": ("card", "free_gb", "total_gb", "versions", "date")}),
    Phase(
        "parity",
        40,
        "one step of tiny-sft <- tiny-teacher against the recorded CPU step: loss to 1e-4 in float32, S - B = 0",
        {"float32": _STEP, "bfloat16": _STEP},
    ),
    Phase(
        "large",
        110,
        "a step of 1.7B <- 4B on 128 answers: what fits, and how near the arithmetic floor (goal 2.2)",
        {
            "compiled": _START,
            **{f"{shape.name}, compiled": BIG for shape in COMPILED},
            "not compiled": _START,
            **{shape.name: BIG for shape in EAGER},
        },
    ),
    Phase("fsdp", 30, "FSDP2 in bfloat16, one process: S - B = 0", {"bfloat16": (*_STEP, "sharded")}, sharded=True),
    Phase(
        "tiny",
        95,
        "trainings end to end: learning, a kill and a resume to the bit; permutation; probe as on a CPU to 1e-4",
        {
            "opd": ("reverse_kl_first", "reverse_kl_last", "seconds_step"),
            "kill, resume": ("killed_at", "same_weights", "reproducible", "largest_difference"),
            "run, permutation": ("parsed", "n", "seconds"),
            "probe": ("p_difference", "b_difference", "positions"),
            "sft": ("loss_first", "loss_last"),
        },
    ),
    Phase(
        "mask",
        40,
        "the permutation's mask, K = 8, batch 256, logits on the device, waiting for it included",
        {
            "permutation": ("us_step", "steps", "batch", "vocabulary"),
            "permutation, priced": ("us_step", "steps", "batch", "vocabulary"),
            "xgrammar": ("us_step", "steps", "batch", "vocabulary"),
        },
    ),
    Phase(
        "variants",
        50,
        "the same step with adapters, and with the exact divergence",
        {"lora": BIG, "exact rkl": BIG},
    ),
    Phase(
        "rollouts",
        60,
        "what sampling costs without vLLM: 1.7B, 200 tokens",
        {"16 prompts": ("seconds", "tokens_per_s"), "128 prompts": ("seconds", "tokens_per_s")},
    ),
    Phase(
        "head",
        25,
        "the head in bfloat16 against sums in float32: bias over 50 small updates",
        {"float32 sums": _BIAS, "bfloat16 sums": _BIAS},
    ),
    Phase(
        "compile",
        60,
        "decoder layers compiled: speed-up and equality",
        {"layers": ("seconds_eager", "seconds_compiled", "speed_up", "compile_s", "largest_difference")},
    ),
)


def chosen(names: str | None) -> list[Phase]:
    """The phases of a comma-separated list, in the plan's order; all without one. Raises ValueError for an unknown."""
    wanted = {name.strip() for name in names.split(",")} if names is not None else {phase.name for phase in PHASES}
    known = [phase.name for phase in PHASES]
    if unknown := sorted(wanted - set(known)):
        raise ValueError(f"unknown phase '{unknown[0]}'. There are: {', '.join(known)}")
    return [phase for phase in PHASES if phase.name in wanted]
