"""A comparison as JSON: its data, and the verdict in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from listeval.report.comparison.sentence import sentence

if TYPE_CHECKING:
    from listeval.comparison import Comparison


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """What `compare --json` prints; NaN and infinity are null."""
    found = comparison.to_json()
    verdict = found["verdict"]
    first = {"choice": verdict["choice"], "arm": verdict["arm"], "sentence": sentence(comparison.verdict)}
    return {**found, "verdict": first | verdict}
