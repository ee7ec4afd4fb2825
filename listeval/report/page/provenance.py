"""Where figures come from: of each run when, by which command, on what data, by which model, engine and software.

Rows by name over the runs; what all runs have in common is one cell, so that what differs is seen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from listeval.report.constrained import audit_words, constraint_words
from listeval.report.page.repeat import not_in_command, run_command, without_password

if TYPE_CHECKING:
    from listeval.runs import Run
    from listeval.runs.manifest import Manifest

_HASH = 12
"""Characters of a hash or a fingerprint that are shown."""


class Fact(NamedTuple):
    """One row: a cell for all runs, or a cell a run; a `code` row is for a shell or is a hash."""

    name: str
    cells: list[str]
    code: bool = False


class ProvenanceGroup(NamedTuple):
    """Rows under a heading."""

    title: str
    facts: list[Fact]


_Field = tuple[str, Callable[["Run"], str]]
_CODE = {"command", "code", "data fingerprint", "fingerprint", "tokenizer", "template"}

_FIELDS: dict[str, tuple[_Field, ...]] = {
    "Run": (
        ("directory", lambda run: str(run.path)),
        ("begun", lambda run: _when(run.manifest.created)),
        ("worked", lambda run: _work(run)),
        ("command", lambda run: run_command(run.manifest.config)),
        ("besides", lambda run: not_in_command(run.manifest.config)),
        ("listeval", lambda run: run.manifest.listeval),
    ),
    "Task and data": (
        ("task", lambda run: f"{run.manifest.task.name}, version {run.manifest.task.version}"),
        ("options", lambda run: _pairs(run.manifest.task.options)),
        ("code", lambda run: _short(run.manifest.task.code)),
        ("data", lambda run: _each(run.manifest, "source")),
        ("data fingerprint", lambda run: _each(run.manifest, "fingerprint", _short)),
    ),
    "Model and engine": (
        ("model", lambda run: run.manifest.model.title),
        ("fingerprint", lambda run: _short(run.manifest.model.fingerprint)),
        ("tokenizer", lambda run: _short(run.manifest.model.tokenizer_hash)),
        ("template", lambda run: _short(run.manifest.model.template_hash)),
        ("engine", lambda run: run.manifest.backend.name),
        ("settings", lambda run: _settings(run.manifest)),
        ("constraint", lambda run: constraint_words(run.manifest) or "none"),
        ("canary", lambda run: _canary(run.manifest)),
        ("audit", lambda run: "" if run.manifest.audit is None else audit_words(run.manifest.audit)),
    ),
    "Sampling": (
        ("temperature", lambda run: f"{run.manifest.config.temperature:g}"),
        ("top p", lambda run: f"{run.manifest.config.top_p:g}"),
        ("most tokens", lambda run: str(run.manifest.config.max_tokens)),
        ("seeds", lambda run: ", ".join(map(str, run.manifest.config.seeds))),
        ("thinking", lambda run: _thinking(run.manifest)),
        ("attempts", lambda run: _attempts(run.manifest)),
        ("clock", lambda run: str(run.manifest.config.clock or "")),
    ),
    "Software and machine": (
        ("engine versions", lambda run: _pairs(run.manifest.backend.versions)),
        ("python", lambda run: _text(run.manifest.environment.python)),
        ("platform", lambda run: _text(run.manifest.environment.platform)),
        ("processor", lambda run: _machine(run.manifest)),
        ("packages", lambda run: _pairs(run.manifest.environment.packages)),
        ("git", lambda run: _text(run.manifest.environment.git)),
    ),
}


def provenance(runs: Sequence[Run]) -> list[ProvenanceGroup]:
    """All that the manifests say; a row that no run fills is left out."""
    groups = []
    for title, fields in _FIELDS.items():
        facts = []
        for name, read in fields:
            cells = [read(run) for run in runs]
            if any(cells):
                same = len(set(cells)) == 1
                facts.append(Fact(name, cells[:1] if same else [cell or "-" for cell in cells], name in _CODE))
        groups.append(ProvenanceGroup(title, facts))
    return groups


def _work(run: Run) -> str:
    attempts = run.manifest.attempts
    if not attempts:
        return ""
    seconds, rows = sum(one.seconds for one in attempts), sum(one.rows for one in attempts)
    times = "" if len(attempts) == 1 else f" in {len(attempts)} processes, the last begun {_when(attempts[-1].started)}"
    return f"{rows:,} answers in {seconds:,.1f} s{times}"


def _when(moment: str) -> str:
    """`2026-11-26 22:15:41 UTC`; a moment that is written otherwise stays as it is."""
    try:
        found = datetime.fromisoformat(moment)
    except ValueError:
        return moment
    return moment if found.tzinfo is None else f"{found.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _each(manifest: Manifest, name: str, shown: Callable[[str], str] = str) -> str:
    """A field of the data of every seed; once where all seeds have the same."""
    found = {seed: shown(entry[name]) for seed, entry in manifest.data.items()}
    if len(set(found.values())) == 1:
        return next(iter(found.values()))
    return "; ".join(f"seed {seed}: {value}" for seed, value in found.items())


def _settings(manifest: Manifest) -> str:
    kept = {name: value for name, value in manifest.backend.settings.items() if name != "constraint"}
    return _pairs({name: without_password(value) if isinstance(value, str) else value for name, value in kept.items()})


def _canary(manifest: Manifest) -> str:
    found = manifest.canary
    if found is None:
        return "" if manifest.constraint == "none" else "none: nothing shows that the engine constrains"
    return ("passed" if found.passed else "failed") + (f": {found.why}" if found.why else "")


def _thinking(manifest: Manifest) -> str:
    asked = manifest.config.enable_thinking
    return "not passed to the template" if asked is None else "on" if asked else "off"


def _attempts(manifest: Manifest) -> str:
    config = manifest.config
    return "1" if config.attempts == 1 else f"up to {config.attempts}, asked again by: {config.reask}"


def _machine(manifest: Manifest) -> str:
    found = manifest.environment
    parts = [
        found.cpu,
        found.cores and f"{found.cores} cores",
        found.gpu,
        found.memory_gib and f"{found.memory_gib} GiB",
    ]
    return ", ".join(_text(part) for part in parts if part)


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={_text(value)}" for name, value in values.items() if value is not None)


def _short(value: Any) -> str:
    """The beginning of a hash, behind the name of its function where it says that."""
    function, colon, digits = _text(value).rpartition(":")
    return f"{function}{colon}{digits[:_HASH]}"


def _text(value: Any) -> str:
    """A value of any shape: text as it is, the rest as JSON; None is empty."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
