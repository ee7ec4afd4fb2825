"""What a training's numbers depend on, as JSON: models, data, objective, precision, software and hardware."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from listeval import __version__
from listopd.networks import compute_type

if TYPE_CHECKING:
    from accelerate import Accelerator

    from listeval.models.checkpoint import Checkpoint
    from listeval.models.renderer import Renderer
    from listeval.task import Task
    from listopd.floor import Machine
    from listopd.questions import Questions
    from listopd.recipe import Opd, Recipe, Sft


def make_manifest(
    recipe: Recipe,
    spec: Sft | Opd,
    steps: int,
    task: Task,
    questions: Questions,
    models: Mapping[str, Checkpoint | None],
    accelerator: Accelerator,
    best: Machine,
) -> dict[str, Any]:
    """JSON values only. `models` by role; None for a role that nobody plays."""
    from listeval.runs.environment import environment
    from listeval.runs.preparation import task_entry
    from listopd.recipe import Opd

    return {
        "listeval": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "stage": "opd" if isinstance(spec, Opd) else "sft",
        "steps": steps,
        "clock": _clock(models),
        "thinking": _learner(models).thinking,
        "task": task_entry(task).model_dump(mode="json"),
        "data": {"source": questions.source, "fingerprint": questions.fingerprint, "counts": questions.counts},
        "models": {role: model and _model(model) for role, model in models.items()},
        "objective": _objective(spec),
        "precision": {"weights": "float32", "compute": compute_type(recipe.precision, accelerator.device)},
        "processes": accelerator.num_processes,
        "parallel": str(accelerator.distributed_type.value),
        "device": str(accelerator.device),
        "best_rates": {"flops": best.flops, "source": best.source},
        "environment": environment(),
    }


def _model(checkpoint: Checkpoint) -> dict[str, Any]:
    info = checkpoint.info
    found = {"name": info.name, "fingerprint": info.fingerprint, "tokenizer": info.tokenizer_hash}
    return found if info.revision is None else {**found, "revision": info.revision}


def _clock(models: Mapping[str, Checkpoint | None]) -> str | None:
    """What the template of whoever learns printed; None for a template without a clock."""
    clock = _learner(models).clock
    return clock.isoformat() if clock is not None else None


def _learner(models: Mapping[str, Checkpoint | None]) -> Renderer:
    return next(model.renderer for role, model in models.items() if model and role in ("start", "student"))


def _objective(spec: Sft | Opd) -> dict[str, Any] | None:
    from listopd.recipe import Opd

    if not isinstance(spec, Opd):
        return None
    objective, extrapolation = spec.objective, spec.extrapolation.model_dump(mode="json")
    found = {"digest": objective.digest(), "inert": list(objective.inert), **objective.model_dump(mode="json")}
    return found | {"extrapolation": extrapolation}
