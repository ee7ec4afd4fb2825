"""Combinations of an objective that make no sense: one rule a line, with why and what to change."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from listopd.objective.spec import ObjectiveSpec

_RATIO_CLIPS = {"epsilon_low", "epsilon_high", "epsilon_at_high_entropy", "dual"}
_EXPECTED = {"teacher_ratio_cap"}


class Rule(NamedTuple):
    """A combination and the sentence that refuses it."""

    holds: Callable[[ObjectiveSpec], bool]
    sentence: str


RULES = (
    Rule(
        lambda s: s.kind == "reinforce" and not s.full_vocabulary and bool(_RATIO_CLIPS & set(s.clips.on)),
        "kind reinforce has no ratio current/old to clip: remove the epsilons and dual, or set kind to ppo, aspo or"
        " cispo",
    ),
    Rule(
        lambda s: s.kind == "cispo" and s.clips.dual is not None,
        "kind cispo already caps the ratio for both signs of the advantage: use clips.epsilon_high instead of"
        " clips.dual",
    ),
    Rule(
        lambda s: s.kind in {"ppo", "cispo"} and s.clips.epsilon_at_high_entropy is not None,
        "clips.epsilon_at_high_entropy is a part of aspo: remove it, or set kind to aspo",
    ),
    Rule(
        lambda s: s.full_vocabulary and s.kind != "reinforce",
        "an exact divergence has no policy gradient for kind to shape: remove kind, or set divergence to sampled",
    ),
    Rule(
        lambda s: s.full_vocabulary and bool(set(s.clips.on) - (_EXPECTED if s.divergence == "rkl" else set())),
        "an exact divergence contains no ratio of sampled tokens for clips to act on, but for clips.teacher_ratio_cap"
        " with rkl (the capped objective in expectation): remove the others, or set divergence to sampled",
    ),
    Rule(
        lambda s: s.full_vocabulary and s.advantage_at != "old",
        "an exact divergence has no advantage and always uses the current student: remove advantage_at, or set"
        " divergence to sampled",
    ),
    Rule(
        lambda s: s.full_vocabulary and s.base_neutral_offset is not None,
        "base_neutral_offset drops out of a normalised target: remove it, or set divergence to sampled",
    ),
    Rule(
        lambda s: s.full_vocabulary and (s.kl_to_base > 0 or s.entropy > 0),
        "kl_to_base and entropy are added to the loss of sampled tokens, which an exact divergence does not have: set"
        " both to 0, or divergence to sampled",
    ),
    Rule(
        lambda s: s.base != "none" and s.base_neutral_offset is not None,
        "base_neutral_offset takes the place of a base, and there is one: remove it, or set base to none",
    ),
    Rule(
        lambda s: (s.divergence == "rkl_topk") != (s.top_k is not None),
        "top_k and divergence rkl_topk go together: set both or neither",
    ),
    Rule(
        lambda s: s.divergence != "rkl_topk" and not s.tail,
        "tail is the rest beyond top_k: set divergence to rkl_topk, or remove tail",
    ),
    Rule(
        lambda s: (s.divergence == "gjsd") != (s.beta is not None),
        "beta and divergence gjsd go together: set both or neither (its ends 0 and 1 are fkl and rkl)",
    ),
    Rule(
        lambda s: s.kl_to_base > 0 and s.base == "none",
        "kl_to_base needs a base: set base to start or path, or kl_to_base to 0",
    ),
    Rule(
        lambda s: s.entropy == 0 and s.entropy_on != "all",
        "entropy_on says where the entropy bonus acts, and its coefficient is 0: set entropy, or remove entropy_on",
    ),
)


def faults(spec: ObjectiveSpec) -> list[str]:
    """The sentence of every rule that `spec` breaks; empty for a legal one."""
    return [rule.sentence for rule in RULES if rule.holds(spec)]


def needs_offset(spec: ObjectiveSpec) -> str:
    """Why `spec` cannot go with lambda != 1; empty if it can."""
    if spec.base != "none" or spec.full_vocabulary or spec.base_neutral_offset is not None:
        return ""
    return (
        "lambda other than 1 without a base adds a constant to every advantage, which changes its variance: set"
        " base_neutral_offset (0, or the log of the vocabulary size), or set base to start or path"
    )
