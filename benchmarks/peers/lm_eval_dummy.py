"""lm-eval's `dummy` model on given prompts: `evaluate` with its per-sample log and the tracker that writes it.

    PYTHON -m benchmarks.peers.lm_eval_dummy PROMPTS.jsonl LOGS templates|columns

It has no requests in flight (a model gets the whole list), so that number changes nothing here. `templates` writes
prompt and target as Jinja templates, as its tasks do; `columns` names the columns and spares it the templates. Task and
data set are built once, before the clock; standard errors are off; both files are written as its command line does.
"""

from __future__ import annotations

import logging
import sys
import time

START = time.perf_counter()


def main(prompts: str, logs: str, source: str) -> None:
    """Serve measurements."""
    from lm_eval.evaluator import evaluate
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.models.dummy import DummyLM
    from lm_eval.tasks import TaskManager

    logging.disable(logging.WARNING)
    tasks = TaskManager(include_defaults=False).load([_task(prompts, source)])
    model = DummyLM()

    def measure(rows: int, in_flight: int) -> float:
        start = time.perf_counter()
        found = evaluate(model, tasks, limit=rows, bootstrap_iters=0, log_samples=True)
        samples = found.pop("samples")
        tracker = EvaluationTracker(output_path=logs)
        tracker.save_results_aggregated(results=found, samples=samples)
        tracker.save_results_samples("prompts", samples["prompts"])
        return time.perf_counter() - start

    from benchmarks.peers.serve import serve

    serve("lm_eval", measure, time.perf_counter() - START)


def _task(prompts: str, source: str) -> dict[str, object]:
    columns = source == "columns"
    return {
        "task": "prompts",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": prompts}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "prompt" if columns else "{{prompt}}",
        "doc_to_target": "target" if columns else "{{target}}",
        "generation_kwargs": {"until": ["\n\n\n"], "max_gen_toks": 512, "do_sample": False},
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
