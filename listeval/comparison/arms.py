"""The arms of a comparison: runs, or `RUN+policy` for a run whose broken answers are repaired without a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from listeval.comparison.repaired import Repairs, repaired_rows
from listeval.contract.repair import POLICIES
from listeval.errors import UserError, did_you_mean
from listeval.runs.completing import completing
from listeval.runs.lock import refuse_unfinished
from listeval.runs.store import Run, load_run
from listeval.runs.stored_row import StoredRow


@dataclass(frozen=True)
class Arm:
    """One side: a run's rows, raw or repaired. `name` is unique within its comparison."""

    name: str
    run: Run
    rows: Sequence[StoredRow]
    repairs: Repairs | None = None

    @property
    def constraint(self) -> str:
        """What the decoder was held to, as the manifest says."""
        return self.run.manifest.constraint

    def provenance(self) -> dict[str, Any]:
        """What made the rows, for reports."""
        manifest = self.run.manifest
        return {
            "run": str(self.run.path),
            "model": manifest.model.title,
            "backend": manifest.backend.name,
            "constraint": manifest.constraint,
            "engine": manifest.config.engine,
            "spacing": getattr(manifest.config, "spacing", None),
            "attempts": getattr(manifest.config, "attempts", None),
            "repair": None if self.repairs is None else self.repairs.to_json(),
            "temperature": manifest.config.temperature,
            "max_tokens": manifest.config.max_tokens,
            "thinking": manifest.config.enable_thinking,
        }


def open_arms(specs: Sequence[str | Path]) -> list[Arm]:
    """The arms that `specs` name, the first being the baseline.

    Raises UserError for fewer than two arms or the same one twice, a path that is no run, a run that is being written
    or has no rows, and a repair that does not exist or does not apply to the run's task.
    """
    wanted = [split(str(spec)) for spec in specs]
    if len(wanted) < 2:
        fix = "name a second run, or RUN+permutation for the first one repaired"
        raise UserError("one arm cannot be compared", place="compare", fix=fix)
    keys = [(path.resolve(), policies) for path, policies in wanted]
    twice = next((at for at, key in enumerate(keys) if key in keys[:at]), None)
    if twice is not None:
        raise UserError("the same arm is named twice", place=str(specs[twice]), fix="name each run once")
    names = _names(wanted)
    opened: dict[Path, Run] = {}
    return [_open(name, path, policies, opened) for name, (path, policies) in zip(names, wanted, strict=True)]


def _open(name: str, path: Path, policies: tuple[str, ...], opened: dict[Path, Run]) -> Arm:
    run = opened.get(path.resolve())
    if run is None:
        run = opened[path.resolve()] = load_run(path)
        refuse_unfinished(path)
        if not run.stored:
            fix = f"complete it: {completing(path, run.manifest.config)}"
            raise UserError("the run has no rows", place=str(path), fix=fix)
    if not policies:
        return Arm(name, run, run.stored)
    rows, repairs = repaired_rows(run, policies)
    return Arm(name, run, rows, repairs)


def split(spec: str) -> tuple[Path, tuple[str, ...]]:
    """`RUN+truncation+permutation` as a path and policies; a directory may have a plus in its own name."""
    whole = Path(spec)
    head, *policies = spec.split("+")
    if whole.exists() or not policies:
        return whole, ()
    while policies and not Path(head).exists() and Path(f"{head}+{policies[0]}").exists():
        head = f"{head}+{policies.pop(0)}"
    unknown = next((name for name in policies if name not in POLICIES), None)
    if unknown is not None and Path(head).exists():
        raise UserError(f"unknown repair '{unknown}'", place=spec, fix=did_you_mean(unknown, list(POLICIES)))
    return (whole, ()) if unknown is not None else (Path(head), tuple(policies))


def _names(wanted: Sequence[tuple[Path, tuple[str, ...]]]) -> list[str]:
    """Each arm by its directory's name, with as many parents as tell runs of one name apart."""
    paths = list(dict.fromkeys(path.resolve() for path, _ in wanted))
    depth = 1
    while depth < max(len(path.parts) for path in paths) and len({path.parts[-depth:] for path in paths}) < len(paths):
        depth += 1
    return ["+".join(["/".join(path.resolve().parts[-depth:]), *policies]) for path, policies in wanted]
