"""Before a constrained run: can its contract be had this way, what does the engine keep of it, does it constrain?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from listeval.backends import canary
from listeval.backends.canary import ask_unique
from listeval.backends.protocol import Backend
from listeval.contract import Contract
from listeval.decoding.constraint import Constraint
from listeval.decoding.proof.audit import audit
from listeval.runs.manifest import Manifest
from listeval.runs.observer import Observer


def prove(
    backend: Backend,
    constraint: Constraint,
    contract: Contract[Any],
    manifest: Manifest,
    directory: Path,
    watch: Observer,
) -> None:
    """Audit the engine on `contract` and send the canary; both results go into the manifest on disk.

    Raises UserError for a contract that the engine cannot take, CanaryFailed where it does not constrain.
    """
    watch.note(f"auditing {constraint.engine} and sending the canary")
    manifest.audit = audit(backend, constraint, contract)
    ignored = frozenset(name for name, fate in manifest.audit.get("keywords", {}).items() if fate == "ignored")
    manifest.canary = canary.ask(backend, constraint, contract, ignored)
    spacing = manifest.audit["spacing"]
    if spacing["measured"] == "untested" and manifest.canary["spacing"] != "unseen":
        # What an engine elsewhere leaves is known from its one answer alone.
        spacing["measured"] = f"{manifest.canary['spacing']} (seen once)"
    if constraint.kind == "schema":
        manifest.audit["unique_items_asked"] = ask_unique(backend)
    manifest.write(directory)
    canary.check(manifest.canary, constraint, backend.name)
