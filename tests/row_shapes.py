"""Rows that tests make up by the fields they are about."""

from __future__ import annotations

from typing import Any

from listeval.runs.stored_row import JudgedRow, StoredRow

_REST: dict[str, Any] = {
    "key": "0", "outcome": "scored", "reason": None, "example": "x", "index": 0, "seed": 0, "cluster": "", "kind": "ok",
    "detail": "", "flags": [], "span": None, "missing": 0, "bare": True, "scores": {}, "verdict": None, "value": None,
    "target": {}, "text": "", "reasoning": None, "finish_reason": "stop", "n_tokens": 1, "n_prompt_tokens": 1,
    "latency_s": 0.0, "masked": None, "prompt": "", "error": None, "attempts": None,
}  # fmt: skip


def judged(*rows: dict[str, Any]) -> list[JudgedRow]:
    """Each with its fields, and a correct answer's where it says nothing."""
    return [JudgedRow.of(_REST | row) for row in rows]  # type: ignore[arg-type]


def stored(*rows: dict[str, Any]) -> list[StoredRow]:
    """As `judged`."""
    return [StoredRow.of(_REST | row) for row in rows]  # type: ignore[arg-type]
