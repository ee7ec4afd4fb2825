"""A run in the shape of lm-eval's output folder (0.4): `results_<date>.json` and `samples_<task>_<date>.jsonl`.

lm-eval's standard error is that of independent samples; listeval's intervals know which samples belong together, so
`_stderr` is "N/A" and the intervals stand under the key `listeval`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from listeval.disk import make_directory, write_atomic
from listeval.export.figures import lower_is_better, measured, per_sample
from listeval.runs.row_columns import free_name

if TYPE_CHECKING:
    from listeval.runs.rows import Row
    from listeval.runs.store import Run

_FILTER = "none"
_KEYS = (
    "doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "doc_hash", "prompt_hash",
    "target_hash", "listeval",
)  # fmt: skip
"""Of a sample's line."""
_OUTCOMES = ("scored", "unscored", "errors", "prompt_too_long")


def write_lm_eval(run: Run, out: Path) -> Sequence[Path]:
    """Both files into the folder `out`, which is made where it is not there."""
    results, samples = results_json(run), list(sample_lines(run))
    make_directory(out)
    date = re.sub(r"[:+]", "-", run.manifest.created.partition("+")[0])
    task = re.sub(r"[^\w.-]", "_", run.manifest.task.name)
    files = [out / f"results_{date}.json", out / f"samples_{task}_{date}.jsonl"]
    write_atomic(files[0], json.dumps(results, indent=2, ensure_ascii=False).encode())
    write_atomic(files[1], b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in samples))
    return files


def results_json(run: Run) -> dict[str, Any]:
    """The aggregated part. Raises UserError where nothing was measured."""
    made, found = run.manifest, measured(run)
    task, config = made.task.name, made.config
    values: dict[str, Any] = {"alias": task, "name": task, "sample_len": run.summary.n}
    for name, value in found.items():
        values |= {f"{name},{_FILTER}": value.value, f"{name}_stderr,{_FILTER}": "N/A"}
    options = made.task.options
    examples = len({row["example"] for row in run.rows})
    # Of a run that was killed: as many of every seed as were asked for.
    asked = ceil((run.summary.n + run.without_row) / len(config.seeds)) if run.without_row else 0
    return {
        "results": {task: values},
        "group_subtasks": {},
        "configs": {task: {"task": task, "output_type": "generate_until", "repeats": len(config.seeds), **_said(run)}},
        "versions": {task: made.task.version},
        "n-shot": {task: options.get("shots", 0)},
        "higher_is_better": {task: {name: not lower for name, lower in lower_is_better(run).items()}},
        "n-samples": {task: {"original": max(examples, asked), "effective": examples}},
        "config": {
            "model": made.backend.name,
            "model_args": {"pretrained": made.model.name}
            | ({"peft": made.model.adapter.name} if made.model.adapter else {}),
            "batch_size": config.batch_size,
            "device": config.device,
            "limit": config.limit,
            "gen_kwargs": _sampling(run),
            "random_seed": config.seeds[0],
        },
        "date": datetime.fromisoformat(made.created).timestamp(),
        "task_hashes": {task: made.task.code},
        "model_source": made.backend.name,
        "model_name": made.model.title,
        "model_name_sanitized": re.sub(r"[\"<>:/|\\?*\[\]]+", "__", made.model.title),
        "system_instruction": config.system,
        "listeval": {
            "version": made.listeval,
            "identity": made.identity_hash,
            "constraint": made.constraint,
            "attempts": {"most": config.attempts, "reask": config.reask},
            "intervals": {name: [_finite(value.low), _finite(value.high)] for name, value in found.items()},
            "kinds": run.summary.kinds,
            "outcomes": {name: getattr(run.summary, name) for name in _OUTCOMES},
        },
    }


def sample_lines(run: Run) -> Iterator[dict[str, Any]]:
    """One object a row. A figure that a row does not count for is not in it, so that no missing score reads as zero.

    A figure that is called as a key of lm-eval's is has `score_` before its name.
    """
    sampling, found = _sampling(run), per_sample(run)
    keys: dict[str, str] = {}
    for name in dict.fromkeys(name for values in found for name in values):
        keys[name] = free_name(name, {*_KEYS, *keys.values()})
    for at, (row, values) in enumerate(zip(run.rows, found, strict=True)):
        target = json.dumps(row["target"], ensure_ascii=False)
        line = {
            "doc_id": at,
            "doc": row["target"],
            "target": target,
            "arguments": {"gen_args_0": {"arg_0": row["prompt"], "arg_1": sampling}},
            "resps": [[row["text"]]],
            "filtered_resps": [row["text"]],
            "filter": _FILTER,
            "metrics": [keys[name] for name in values],
            "doc_hash": _hash(json.dumps(row["target"], indent=2, ensure_ascii=False)),
            "prompt_hash": _hash(row["prompt"]),
            "target_hash": _hash(target),
            "listeval": _ours(row),
        }
        yield line | {keys[name]: value for name, value in values.items()}


def _ours(row: Row) -> dict[str, Any]:
    names = ("example", "seed", "outcome", "reason", "kind", "detail", "flags", "error")
    return {name: row[name] for name in names}  # type: ignore[literal-required]


def _said(run: Run) -> Mapping[str, Any]:
    options = dict(run.manifest.task.options)
    return {"generation_kwargs": _sampling(run), "metadata": {"version": run.manifest.task.version, "options": options}}


def _sampling(run: Run) -> dict[str, Any]:
    config = run.manifest.config
    return {"temperature": config.temperature, "top_p": config.top_p, "max_gen_toks": config.max_tokens}


def _finite(value: float) -> float | None:
    return None if value != value else value


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()
