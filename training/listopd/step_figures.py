"""What the log says of an on-policy step: did the answers keep their contract, and what did the update do?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from listeval.contract import Failure, Kind
from listeval.models.channels import split_decoded
from listopd.rollout.protocol import Rollout

if TYPE_CHECKING:
    from listeval.models.renderer import Renderer


def judge(rollouts: Sequence[Rollout], renderer: Renderer, stops: Sequence[int]) -> Counter[str]:
    """How the contracts of these answers were kept: counts by failure kind (`ok` among them), and of `fmc`.

    Read as an evaluation reads them, by the marks of the model's own template, too.
    """
    counts: Counter[str] = Counter()
    for rollout in rollouts:
        kept = [token for token in rollout.answer if token not in stops]
        reasoning, text = split_decoded(renderer, kept, renderer.text_of(rollout.question.prompt))
        result = rollout.question.contract.parse(text, rollout.finish, reasoning)
        if isinstance(result, Failure):
            counts[result.kind.value] += 1
            counts["fmc"] += result.fmc
        else:
            counts[Kind.OK.value] += 1
    return counts


def contract_figures(counts: Mapping[str, int], rollouts: int) -> dict[str, Any]:
    """Parse rate and FMC of the step's rollouts, and the kinds of what failed."""
    kinds = {kind.value: counts[kind.value] for kind in Kind if kind is not Kind.OK and counts.get(kind.value)}
    return {
        "parse_rate": counts.get(Kind.OK.value, 0) / rollouts,
        "fmc": counts.get("fmc", 0) / rollouts,
        "kinds": kinds,
    }


def update_figures(sums: Mapping[str, float]) -> dict[str, float]:
    """Means a token from sums over all processes; where there is nothing to take a mean of, nothing is said."""
    tokens = sums["tokens"]
    found = {
        "reverse_kl": sums["reverse_kl"] / tokens,
        "sampling_gap": sums["sampling_gap"] / tokens,
        **{name: total / tokens for name, total in sums.items() if name.startswith("clipped_")},
    }
    for where in ("scaffold", "values"):
        if sums[where]:
            found[f"entropy_{where}"] = sums[f"entropy_{where}"] / sums[where]
    if "advantage" in sums:
        mean = sums["advantage"] / tokens
        found["advantage_mean"] = mean
        found["advantage_std"] = max(0.0, sums["advantage_squared"] / tokens - mean**2) ** 0.5
        found["weight_mean"] = sums["weight"] / tokens
    return found


def total_of(counters: Sequence[Counter[str]]) -> Counter[str]:
    """The sum of every process' counts; negative and zero counts are kept."""
    total: Counter[str] = Counter()
    for counter in counters:
        total.update(counter)
    return total
