"""Before a constrained run: can its contract be had this way, what does the engine keep of it, does it constrain?"""

from __future__ import annotations

from typing import Any

from listeval.backends import canary
from listeval.backends.canary import ask_unique
from listeval.backends.protocol import Backend
from listeval.contract import Contract
from listeval.decoding.constraint import Constraint
from listeval.decoding.proof.audit import audit
from listeval.runs.entries import AuditEntry, CanaryEntry
from listeval.runs.live_manifest import LiveManifest
from listeval.runs.observer import Observer


def prove(
    backend: Backend,
    constraint: Constraint,
    contract: Contract[Any],
    live: LiveManifest,
    watch: Observer,
) -> None:
    """Audit the engine on `contract` and send the canary; both results go into the manifest.

    Those behind answers that are there stay on the disk until there is a new one.

    Raises UserError for a contract that the engine cannot take, CanaryFailed where it does not constrain.
    """
    watch.note(f"auditing {constraint.engine} and sending the canary")
    measured = audit(backend, constraint, contract)
    answered = canary.ask(backend, constraint, contract, AuditEntry.model_validate(measured).ignored)
    spacing = measured["spacing"]
    if spacing["measured"] == "untested" and answered["spacing"] != "unseen":
        # What an engine elsewhere leaves is known from its one answer alone.
        spacing["measured"] = f"{answered['spacing']} (seen once)"
    if constraint.kind == "schema":
        measured["unique_items_asked"] = ask_unique(backend)
    manifest = live.manifest
    manifest.audit, manifest.canary = AuditEntry.model_validate(measured), CanaryEntry.model_validate(answered)
    live.write()
    canary.check(answered, constraint, backend.name)
