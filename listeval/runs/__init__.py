"""A run: one directory that holds a manifest, append-only rows, and metrics that are always recomputed from them."""

from listeval.runs.config import RunConfig
from listeval.runs.execute import run
from listeval.runs.rescore import rescore
from listeval.runs.store import Run, load_run

__all__ = ["Run", "RunConfig", "load_run", "rescore", "run"]
