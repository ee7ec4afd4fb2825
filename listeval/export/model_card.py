"""A run for a model's page on the hub: `.eval_results/*.yaml`, or the `model-index` of a model card.

Both are made by huggingface_hub's own classes, which know what the hub takes. The first holds one value a data set:
the first useful metric over all answers, else the parse rate; its note says which, with the interval.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from listeval.disk import write_atomic
from listeval.errors import UserError
from listeval.export.figures import data_name, decisive, hub_source, in_words, measured
from listeval.export.hub_upload import check_name, hub
from listeval.runs.figures.columns import RAW
from listeval.runs.figures.words import title

if TYPE_CHECKING:
    from listeval.runs.store import Run
    from listeval.stats.intervals import Interval


def write_eval_results(run: Run, out: Path, dataset: str) -> Sequence[Path]:
    """One entry for the benchmark's data set. Raises UserError where nobody says which one that is on the hub."""
    client = hub()
    repository, revision = _dataset(run, dataset)
    if not repository:
        cause = f"the run's data ({data_name(run)}) is no data set of the hub"
        raise UserError(cause, place=str(run.path), fix="name the one that it is of: --dataset OWNER/NAME")
    entry = client.EvalResultEntry(
        dataset_id=repository,
        task_id=run.manifest.task.name,
        value=decisive(run)[1].value,
        dataset_revision=revision,
        date=run.manifest.created,
        notes=in_words(run),
    )
    write_atomic(out, _yaml(client.eval_result_entries_to_yaml([entry])))
    return [out]


def write_model_index(run: Run, out: Path, dataset: str) -> Sequence[Path]:
    """All figures as the metadata of a model card: what stands between the `---` at the top of its README."""
    model = Path(run.manifest.model.title).name
    card = hub().ModelCardData(model_name=model, eval_results=results(run, dataset))
    write_atomic(out, f"---\n{card.to_yaml()}\n---\n".encode())
    return [out]


def results(run: Run, dataset: str = "") -> list[Any]:
    """All figures as huggingface_hub's `EvalResult`. Raises UserError as `export` does."""
    client = hub()
    repository, revision = _dataset(run, dataset)
    name = data_name(run)
    return [
        client.EvalResult(
            task_type="text-generation",
            task_name=run.manifest.task.name,
            dataset_type=repository or re.sub(r"[^\w.-]+", "-", name),
            dataset_name=name,
            dataset_revision=revision,
            metric_type=figure,
            metric_name=_called(run, figure),
            metric_value=value.value,
            metric_args=_about(run, figure, value),
        )
        for figure, value in measured(run).items()
    ]


def _called(run: Run, figure: str) -> str:
    """The figure in words, with what a table of results has no other place for. A `raw_` one is of first answers."""
    made = run.manifest
    constraint = [] if made.constraint == "none" else [f"constraint {made.constraint}"]
    again = [f"up to {made.config.attempts} answers"] if made.config.attempts > 1 and not figure.startswith(RAW) else []
    return ", ".join([title(figure), *constraint, *again])


def _about(run: Run, figure: str, value: Interval) -> dict[str, Any]:
    made = run.manifest
    told: dict[str, Any] = {"samples": run.summary.over[figure], "constraint": made.constraint}
    if math.isfinite(value.low):
        told |= {"interval": [value.low, value.high], "level": 0.95}
    if made.config.attempts > 1:
        told["attempts"] = made.config.attempts
    if run.without_row:
        told["samples_without_row"] = run.without_row
    return told


def _dataset(run: Run, said: str) -> tuple[str, str | None]:
    """Repository and revision: as the user says, else as the run read it. Raises UserError for what is no name."""
    if said:
        check_name(said, "--dataset", "data set of the hub")
    found = hub_source(run)
    if found is not None and said in ("", found.repository):
        return found
    return said, None


def _yaml(value: Any) -> bytes:
    import yaml

    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True).encode()
