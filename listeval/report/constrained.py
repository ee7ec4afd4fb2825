"""What a run's constraint was, as asked and as measured, and whether it fought the model: lines for reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from listeval.runs import Run
    from listeval.runs.manifest import Manifest


def constraint_words(manifest: Manifest) -> str:
    """Kind, engine and spacing of a constrained run, what was measured in brackets where it differs; else empty."""
    found = manifest.identity.get("constraint")
    if not isinstance(found, dict):
        return ""
    asked, seen = str(found.get("spacing", "unknown")), _measured(manifest)
    differs = seen and seen.removesuffix(" (seen once)") != asked
    return f"{found['kind']} by {found['engine']}, spacing {asked}" + (f" (measured: {seen})" if differs else "")


def _measured(manifest: Manifest) -> str:
    spacing = (manifest.audit or {}).get("spacing")
    seen = spacing.get("measured") if isinstance(spacing, dict) else None
    return str(seen) if seen and seen != "untested" else ""


def notes(run: Run) -> list[str]:
    """Warnings of a run and facts of its constraint, a line each."""
    manifest = run.manifest
    lines = [f"warning: {warning}" for warning in run.summary.warnings]
    audit, canary = manifest.audit or {}, manifest.canary or {}
    if told := audit_words(audit):
        lines.append(f"audit of {audit.get('engine')}: {told}")
    sent = canary.get("sent") or {}
    if sent.get("wrapped"):
        lines.append(f'the server takes only objects at the root: lists were asked for in {{"{sent["wrapped"]}": ...}}')
    if sent.get("left_out"):
        lines.append(f"the server takes no {', '.join(sorted(sent['left_out']))}: the schema went without")
    return lines


def audit_words(audit: Mapping[str, Any]) -> str:
    """Every keyword or rule by its fate, the table of an audit on one line; empty where nothing was asked."""
    fates: dict[str, list[str]] = {}
    for name, fate in {**audit.get("keywords", {}), **audit.get("rules", {})}.items():
        fates.setdefault(fate, []).append(name)
    if (numbers := audit.get("numbers")) not in (None, "none"):
        fates.setdefault(numbers, []).append("numbers")
    order = ("kept", "bounded", "ignored", "endless", "beyond the promise", "narrowed", "refused", "untested")
    return "; ".join(f"{fate}: {', '.join(fates[fate])}" for fate in order if fate in fates)
