"""A run as a log of Inspect, written by inspect_ai's own classes and writer, so that its reader and viewer take it.

Seeds are Inspect's epochs. A sample has a score for each figure that it counts for: an engine's failure and a
prompt that was refused for its length are errors and have none, an unscored answer has the rates alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

from listeval.disk import write_atomic
from listeval.errors import UserError
from listeval.export.figures import data_name, measured, per_sample
from listeval.runs.rows import is_owed
from listeval.runs.token_counts import read_tokens, written_tokens

if TYPE_CHECKING:
    from listeval.runs.manifest import Manifest
    from listeval.runs.rows import Row
    from listeval.runs.store import Run

_STOPS = {"stop": "stop", "length": "max_tokens", "content_filter": "content_filter"}
_KEPT = ("outcome", "reason", "kind", "detail", "flags", "cluster", "verdict", "masked")


def write_inspect(run: Run, out: Path) -> Sequence[Path]:
    """A log at `out`, whose name ends in `.eval` (Inspect's default) or `.json`. Raises UserError for another name."""
    if out.suffix not in (".eval", ".json"):
        raise UserError("a log of Inspect ends in .eval or .json", place=str(out), fix=f"name it {out.stem}.eval")
    try:
        from inspect_ai.log import write_eval_log
    except ImportError:
        raise UserError.missing_package("inspect_ai", "pip install inspect-ai", "a log of Inspect") from None
    log = _log(run)
    with TemporaryDirectory() as folder:
        made = Path(folder) / out.name
        write_eval_log(log, str(made))
        write_atomic(out, made.read_bytes())
    return [out]


def _log(run: Run) -> Any:
    from inspect_ai.log import EvalLog, EvalResults, EvalStats

    made = run.manifest
    seeds = {seed: at for at, seed in enumerate(made.config.seeds, start=1)}
    samples = [_sample(run, row, seeds[row["seed"]], own) for row, own in zip(run.rows, per_sample(run), strict=True)]
    results = EvalResults(
        total_samples=run.summary.n + run.without_row,
        completed_samples=run.summary.n - run.summary.unanswered,
        scores=[_score(run, name, samples) for name in measured(run)],
    )
    stats = EvalStats(started_at=made.created, completed_at=_ended(made))
    status: Literal["success", "cancelled"] = "cancelled" if run.without_row else "success"
    return EvalLog(status=status, eval=_spec(run), results=results, stats=stats, samples=samples)


def _ended(made: Manifest) -> str:
    """When the last process that worked on the run was through, as ISO 8601."""
    if not made.attempts:
        return made.created
    last = made.attempts[-1]
    return (datetime.fromisoformat(last.started) + timedelta(seconds=last.seconds)).isoformat()


def _spec(run: Run) -> Any:
    from inspect_ai.log import EvalConfig, EvalDataset, EvalSpec
    from inspect_ai.model import GenerateConfig

    made, config = run.manifest, run.manifest.config
    examples = list(dict.fromkeys(row["example"] for row in run.rows))
    source = next(iter(made.data.values())).source
    return EvalSpec(
        created=made.created,
        task=made.task.name,
        task_id=made.identity_hash,
        run_id=made.identity_hash,
        eval_id=made.identity_hash,
        task_version=made.task.version,
        task_args=dict(made.task.options),
        dataset=EvalDataset(name=data_name(run), location=source, samples=len(examples), sample_ids=examples),
        model=f"{made.backend.name}/{made.model.title}",
        model_generate_config=GenerateConfig(
            temperature=config.temperature, top_p=config.top_p, max_tokens=config.max_tokens
        ),
        config=EvalConfig(limit=config.limit, epochs=len(config.seeds)),
        packages={"listeval": made.listeval},
        metadata={"constraint": made.constraint, "seeds": list(config.seeds), "attempts": config.attempts},
    )


def _sample(run: Run, row: Row, epoch: int, values: dict[str, float]) -> Any:
    from inspect_ai.log import EvalError, EvalSample
    from inspect_ai.model import ChatMessageUser
    from inspect_ai.scorer import Score

    why = f"{row['kind']}: {row['detail']}" if row["detail"] else row["kind"]
    output = _output(run, row)
    failed = is_owed(row["outcome"], row["reason"])
    said = EvalError(message=row["error"] or row["detail"], traceback="", traceback_ansi="") if failed else None
    return EvalSample(
        id=row["example"],
        epoch=epoch,
        input=row["prompt"],
        target=json.dumps(row["target"], ensure_ascii=False),
        messages=[ChatMessageUser(content=row["prompt"]), *(choice.message for choice in output.choices)],
        output=output,
        scores={name: Score(value=value, answer=row["text"], explanation=why) for name, value in values.items()},
        metadata={name: row[name] for name in _KEPT},  # type: ignore[literal-required]
        total_time=row["latency_s"],
        error=said,
    )


def _output(run: Run, row: Row) -> Any:
    from inspect_ai.model import (
        ChatCompletionChoice,
        ChatMessageAssistant,
        ContentReasoning,
        ContentText,
        ModelOutput,
        ModelUsage,
    )

    model = run.manifest.model.title
    if is_owed(row["outcome"], row["reason"]):
        return ModelOutput(model=model, error=row["error"] or row["detail"])
    thought = [ContentReasoning(reasoning=row["reasoning"])] if row["reasoning"] else []
    content = [*thought, ContentText(text=row["text"])] if thought else row["text"]
    message = ChatMessageAssistant(content=content, model=model)
    stop = _STOPS.get(row["finish_reason"], "unknown")
    read = read_tokens(row["kind"], row["n_prompt_tokens"])
    written = written_tokens(row["kind"], row["n_tokens"], row["n_prompt_tokens"])
    return ModelOutput(
        model=model,
        choices=[ChatCompletionChoice(message=message, stop_reason=stop)],
        usage=None
        if read is None or written is None
        else ModelUsage(input_tokens=read, output_tokens=written, total_tokens=read + written),
        time=row["latency_s"],
    )


def _score(run: Run, name: str, samples: Sequence[Any]) -> Any:
    from inspect_ai.log import EvalMetric, EvalScore

    value = run.summary.metrics[name]
    parts = {"mean": value.value, "low": value.low, "high": value.high}
    # Figures of examples or of first answers are no sample's own.
    counted = sum(name in (sample.scores or {}) for sample in samples)
    return EvalScore(
        name=name,
        scorer="listeval",
        scored_samples=counted or None,
        unscored_samples=len(samples) - counted if counted else None,
        metrics={part: EvalMetric(name=part, value=number) for part, number in parts.items() if number == number},
    )
