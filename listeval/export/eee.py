"""A run as a record of Every Eval Ever (schema 0.3.0): one JSON object of figures, for a shared data base of results.

The record wants to know of each figure whether less is better; figures of which listeval does not know it are left out.
What nobody but the user knows (who publishes it, whether the weights are open) is `unknown`, to be filled in by hand.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from listeval.disk import write_atomic
from listeval.export.figures import data_name, hub_source, lower_is_better, measured
from listeval.runs.figures import columns as figures
from listeval.runs.figures.words import title

if TYPE_CHECKING:
    from listeval.runs.store import Run
    from listeval.stats.intervals import Bounds, Interval

SCHEMA = "0.3.0"
_OWN_ENGINES = ("hf", "vllm", "ray")
"""Engines that load the model themselves; a server may be anybody's."""


def write_eee(run: Run, out: Path) -> Sequence[Path]:
    """The record to the file `out`."""
    write_atomic(out, json.dumps(record(run, int(time.time())), indent=2, ensure_ascii=False).encode() + b"\n")
    return [out]


def record(run: Run, now: int) -> dict[str, Any]:
    """The record, made at `now` (seconds since 1970). Raises UserError where nothing was measured."""
    made = run.manifest
    directions = lower_is_better(run)
    # A figure without a least or a highest value has no place in a record.
    results = [
        _result(run, name, value, directions[name])
        for name, value in measured(run).items()
        if name in directions and all(map(math.isfinite, _ends(run, name)))
    ]
    return {
        "schema_version": SCHEMA,
        "evaluation_id": f"{made.task.name}/{made.model.title}/{now}",
        "evaluation_timestamp": made.created,
        "retrieved_timestamp": str(now),
        "source_metadata": {
            "source_name": "listeval",
            "source_type": "evaluation_run",
            "source_organization_name": "unknown",
            "evaluator_relationship": "other",
        },
        "eval_library": {"name": "listeval", "version": made.listeval},
        "model_info": _model(run),
        "evaluation_results": results,
    }


def _model(run: Run) -> dict[str, Any]:
    made = run.manifest
    own = made.backend.name in _OWN_ENGINES
    details = {"deployment_type": "self_deployed" if own else "unknown", "model_availability": "unknown"}
    engine = {"name": made.backend.name, "version": made.backend.versions.get(made.backend.name, "unknown")}
    fingerprint = {} if made.model.fingerprint is None else {"fingerprint": str(made.model.fingerprint)}
    return {
        "name": made.model.title,
        "id": made.model.title,
        "inference_engine": engine,
        "additional_details": details | fingerprint,
    }


def _result(run: Run, name: str, value: Interval, lower: bool) -> dict[str, Any]:
    made = run.manifest
    low, high = _ends(run, name)
    return {
        "evaluation_result_id": f"{made.identity_hash}/{name}",
        "evaluation_name": made.task.name,
        "source_data": _source(run),
        "evaluation_timestamp": made.created,
        "metric_config": {
            "metric_id": f"listeval.{name}",
            "metric_name": title(name),
            "lower_is_better": lower,
            "score_type": "continuous",
            "min_score": low,
            "max_score": high,
        },
        "score_details": {"score": value.value, **_uncertainty(value, run.summary.over[name])},
        "generation_config": _generation(run),
    }


def _ends(run: Run, name: str) -> Bounds:
    return figures.bounds_of(name, figures.bounds(run.metrics))


def _uncertainty(value: Interval, n: int) -> dict[str, Any]:
    if not (math.isfinite(value.low) and math.isfinite(value.high)):
        return {"uncertainty": {"num_samples": n}}
    method = "clustered (Wilson for rates, bootstrap for means)"
    limits = {"lower": value.low, "upper": value.high, "confidence_level": 0.95, "method": method}
    return {"uncertainty": {"confidence_interval": limits, "num_samples": n}}


def _source(run: Run) -> Mapping[str, Any]:
    name, hub = data_name(run), hub_source(run)
    if hub is None:
        return {"dataset_name": name, "source_type": "other"}
    examples = len({row["example"] for row in run.rows})
    details = {"additional_details": {"revision": hub.revision}}
    hosted = {"source_type": "hf_dataset", "hf_repo": hub.repository, "samples_number": examples}
    return {"dataset_name": name, **hosted, **details}


def _generation(run: Run) -> dict[str, Any]:
    config = run.manifest.config
    args = {"temperature": config.temperature, "top_p": config.top_p, "max_tokens": config.max_tokens}
    details = {
        "constraint": run.manifest.constraint,
        "seeds": ",".join(map(str, config.seeds)),
        "attempts": str(config.attempts),
        **({"samples_without_row": str(run.without_row)} if run.without_row else {}),
        "options": json.dumps(run.manifest.task.options, ensure_ascii=False),
    }
    return {
        "generation_args": {name: value for name, value in args.items() if value is not None},
        "additional_details": details,
    }
