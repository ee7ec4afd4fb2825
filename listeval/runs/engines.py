"""The engine that runs have in turn: a model is loaded once for all runs after each other that want it loaded alike.

Runs differ in their constraint and adapter on one loaded model where the engine can be told another (`Constrainable`,
`Adaptable`); whatever else an engine is opened with makes another engine.
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

LOCAL = ("hf", "vllm")
"""Engines that load weights from a folder here."""


class Load(NamedTuple):
    """What an engine is opened with but for constraint and adapter: runs that have it in common can share one."""

    backend: str
    model: str
    options: BackendOptions

    @classmethod
    def of(cls, config: RunConfig) -> Load:
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
        self._planned = [(Load.of(config), config.backend_options) for config in planned]
        self._load: Load | None = None
        self._backend: Backend | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self, config: RunConfig, watch: Observer) -> Backend:
        """The engine of a resolved configuration: the open one, if it will do. Raises UserError where opening does."""
        load, options = Load.of(config), config.backend_options
        if self._backend is not None and load == self._load and self._told(self._backend, config, watch):
            return self._backend
        self.close()
        watch.note(f"opening {config.model} with {config.backend}")
        others = [other for planned, other in self._planned if planned == load]
        constraints = dict.fromkeys(other.constraint for other in others if other.constraint is not None)
        adapters = dict.fromkeys(other.adapter for other in others if other.adapter is not None)
        options = replace(options, constraints=tuple(constraints), adapters=tuple(adapters))
        self._backend = open_backend(config.backend, config.model, options)
        self._load = load
        return self._backend

    @staticmethod
    def _told(backend: Backend, config: RunConfig, watch: Observer) -> bool:
        """Whether the open engine computes what `config` asks from now on."""
        if not isinstance(backend, Constrainable):
            return False
        watch.stage(f"telling {config.model} its constraint")
        if not backend.constrain(config.decoding):
            return False
        adapter = config.backend_options.adapter
        return adapter == backend.model.adapter or (isinstance(backend, Adaptable) and backend.adapt(adapter))

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
