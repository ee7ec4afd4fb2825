"""What a run's constraint was, as asked and as measured, and whether it fought the model: lines for reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from listeval.runs import Run
    from listeval.runs.entries import AuditEntry
    from listeval.runs.manifest import Manifest


def constraint_words(manifest: Manifest) -> str:
    """Kind, engine and spacing of a constrained run, what was measured in brackets where it differs; else empty."""
    found = manifest.held_to
    if found is None:
        return ""
    seen = _measured(manifest)
    differs = seen and seen.removesuffix(" (seen once)") != found.spacing
    words = f"{found.kind} by {found.engine}, spacing {found.spacing}" + (f" (measured: {seen})" if differs else "")
    return words + (", unproven" if manifest.unproven else "")


def _measured(manifest: Manifest) -> str:
    spacing = None if manifest.audit is None else manifest.audit.spacing
    seen = "" if spacing is None else spacing.measured
    return "" if seen == "untested" else seen


def notes(run: Run) -> list[str]:
    """Warnings of a run and facts of its constraint, a line each."""
    manifest = run.manifest
    lines = [f"warning: {warning}" for warning in run.summary.warnings]
    audit, sent = manifest.audit, None if manifest.canary is None else manifest.canary.sent
    if audit is not None and (told := audit_words(audit)):
        lines.append(f"audit of {audit.engine}: {told}")
    if sent is not None and sent.wrapped:
        lines.append(f'the server takes only objects at the root: lists were asked for in {{"{sent.wrapped}": ...}}')
    if sent is not None and sent.left_out:
        lines.append(f"the server takes no {', '.join(sorted(sent.left_out))}: the schema went without")
    return lines


def audit_words(audit: AuditEntry) -> str:
    """Every keyword or rule by its fate, the table of an audit on one line; empty where nothing was asked."""
    fates: dict[str, list[str]] = {}
    for name, fate in {**audit.keywords, **audit.rules}.items():
        fates.setdefault(fate, []).append(name)
    if audit.numbers not in (None, "none"):
        fates.setdefault(str(audit.numbers), []).append("numbers")
    order = ("kept", "bounded", "ignored", "endless", "beyond the promise", "narrowed", "refused", "untested")
    return "; ".join(f"{fate}: {', '.join(fates[fate])}" for fate in order if fate in fates)
