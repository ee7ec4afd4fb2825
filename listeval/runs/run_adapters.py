"""One run for each of several adapters, on a base model that is loaded once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from listeval.backends import choose
from listeval.disk import user_path
from listeval.errors import UserError
from listeval.runs.config import RunConfig
from listeval.runs.engines import Engines
from listeval.runs.execute import run
from listeval.runs.observer import Observer
from listeval.runs.store import Run

BASE = "none"
"""Stands for the base model alone among the adapters of a command line."""


def with_adapters(config: RunConfig, adapters: Sequence[str]) -> list[RunConfig]:
    """`config` once for each adapter; several under one `out` get a folder each, called after the adapter.

    Raises UserError for two of them that would be called alike.
    """
    configs = [config.model_copy(update={"adapter": None if name == BASE else name}) for name in adapters]
    if len(configs) < 2:
        return configs or [config]
    names = ["base" if name == BASE else user_path(name).resolve().name for name in adapters]
    twice = next((name for name, n in Counter(names).items() if n > 1), None)
    if twice is not None:
        raise UserError(
            f"two adapters are called '{twice}'", place="--adapter", fix="rename a folder, or run one alone"
        )
    if config.out is None:
        return configs
    return [
        one.model_copy(update={"out": str(Path(config.out) / name)}) for one, name in zip(configs, names, strict=True)
    ]


def run_each(configs: Sequence[RunConfig], observer: Observer) -> Iterator[Run]:
    """The finished run of each configuration. Raises UserError as `run` does; runs before it are complete."""
    # The budget of an answer is no part of how an engine is loaded.
    planned = [config.resolved(1, choose(config.backend)) for config in configs] if len(configs) > 1 else []
    with Engines(planned) as engines:
        for config in configs:
            yield run(config, observer, engines)
