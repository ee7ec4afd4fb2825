"""The engine that runs have in turn: a model is loaded once for all runs after each other that want it loaded alike.

Runs differ in their constraint and their adapter on one loaded model where the engine can be told another
(`Constrainable`, `Adaptable`); whatever else an engine is opened with makes another engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import NamedTuple, Self

from listeval.backends import open_backend
from listeval.backends.protocol import Adaptable, Backend, BackendOptions, Constrainable
from listeval.runs.config import RunConfig
from listeval.runs.observer import Observer
from listeval.runs.recorded_run import uncounted_lines

LOCAL = ("hf", "vllm")
"""Engines that load weights from a folder here."""


class EngineLoad(NamedTuple):
    """What an engine is opened with but for constraint and adapter: runs that have it in common can share one."""

    backend: str
    model: str
    options: BackendOptions

    @classmethod
    def of(cls, config: RunConfig) -> EngineLoad:
        """Of a resolved configuration."""
        return cls(config.backend, config.model, replace(config.backend_options, constraint=None, adapter=None))

    @property
    def is_local(self) -> bool:
        """Whether opening it loads weights on this machine."""
        return self.backend in LOCAL


class Engines:
    """Holds at most one engine. `planned` are the resolved configurations of the runs to come: an engine that has to
    know its constraints and adapters when it starts is told of all of theirs.
    """

    def __init__(self, planned: Iterable[RunConfig] = ()) -> None:
        self._planned = [(EngineLoad.of(config), config.backend_options) for config in planned]
        self._load: EngineLoad | None = None
        self._backend: Backend | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self, config: RunConfig, watch: Observer) -> Backend:
        """The engine of a resolved configuration: the open one, if it will do. Raises UserError where opening does."""
        load, options = EngineLoad.of(config), config.backend_options
        if load == self._load and self._backend is not None:
            watch.stage(f"telling {config.model} what is asked of it now")
            if _told(self._backend, options):
                return self._backend
        self.close()
        watch.note(f"opening {config.model} with {config.backend}")
        others = [other for planned, other in self._planned if planned == load]
        options = replace(
            options,
            constraints=tuple(dict.fromkeys(o.constraint for o in others if o.constraint is not None)),
            adapters=tuple(dict.fromkeys(o.adapter for o in others if o.adapter is not None)),
        )
        if config.backend == "replay":
            options = replace(options, uncounted=uncounted_lines(config.model))
        self._backend = open_backend(config.backend, config.model, options)
        self._load = load
        return self._backend

    @contextmanager
    def generating(self) -> Iterator[None]:
        """While the engine answers: what ends the block early may leave it unfit for another run, so it is closed."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the engine that is open; safe to repeat."""
        backend, self._backend, self._load = self._backend, None, None
        if backend is not None:
            backend.close()


def _told(backend: Backend, options: BackendOptions) -> bool:
    """Whether an open engine now has the adapter and the constraint of `options`."""
    if not isinstance(backend, Constrainable) or not isinstance(backend, Adaptable):
        return False
    return backend.adapt(options.adapter) and backend.constrain(options.constraint)
