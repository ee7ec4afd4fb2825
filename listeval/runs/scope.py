"""How much of its data a run covers, and what becomes of that when a later command asks for less or for other parts.

A run's scope only grows: its manifest keeps the widest that was ever asked for, so that `run @RUN` completes all of
it, and rows that are there stay counted. A command that asks for less works on less, and changes nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from listeval.runs.config import RunConfig
from listeval.runs.entries import DataEntry
from listeval.task import Example

Examples = Callable[[int], Sequence[Example]]
"""The examples of a seed, in their order."""
_Asked = tuple[RunConfig, Mapping[str, DataEntry]]
"""A configuration, and what the manifest says of its data by seed."""


def chosen(examples: Sequence[Example], config: RunConfig) -> list[tuple[int, Example]]:
    """The examples that `samples` and `limit` leave, each with its place in the whole data set."""
    wanted = set(config.samples)
    places = [(place, example) for place, example in enumerate(examples) if not wanted or example.id in wanted]
    return places[: config.limit]


def scope_of(config: RunConfig) -> tuple[tuple[int, ...], tuple[str, ...], int | None]:
    """Seeds, named samples and limit of a configuration."""
    return config.seeds, config.samples, config.limit


def widest(old: RunConfig, new: RunConfig, examples: Examples) -> RunConfig:
    """`new` with the seeds, samples and limit that cover what either asks for: one of the two where it covers both.

    Where neither does, seeds are joined, and so are the named samples; a limit becomes the larger one, or the names
    of the examples that it leaves where the other side names samples.
    """
    if _covers(old, new, examples):
        return _scoped(new, old.seeds, old.samples, old.limit)
    if _covers(new, old, examples):
        return new
    seeds = tuple(dict.fromkeys((*old.seeds, *new.seeds)))
    if not old.samples and not new.samples:
        limit = None if old.limit is None or new.limit is None else max(old.limit, new.limit)
        return _scoped(new, seeds, (), limit)
    left = [found for config in (old, new) for seed in config.seeds for found in chosen(examples(seed), config)]
    return _scoped(new, seeds, tuple(dict.fromkeys(example.id for _, example in left)), None)


def counted(config: RunConfig, known: Sequence[_Asked], examples: Examples) -> dict[str, DataEntry]:
    """The entries of all data in `known`, a configuration each with its own, as `config` asks for them.

    Of a seed that several have the first one's entry is taken. `config` covers them all, as `widest` makes it.
    """
    entries = {name: entry for _, data in reversed(known) for name, entry in data.items()}
    return {name: _counted(config, name, entry, known, examples) for name, entry in entries.items()}


def _counted(config: RunConfig, seed: str, entry: DataEntry, known: Sequence[_Asked], examples: Examples) -> DataEntry:
    like = [data[seed] for own, data in known if seed in data and scope_of(own)[1:] == scope_of(config)[1:]]
    asked = like[0].asked if like else len(chosen(examples(int(seed)), config))
    return entry if asked == entry.asked else entry.model_copy(update={"asked": asked})


def planned(config: RunConfig, data: Mapping[str, DataEntry]) -> int | None:
    """How many samples a run of `config` has when it is complete; None where its entries do not say."""
    found = [data[str(seed)].asked if str(seed) in data else None for seed in dict.fromkeys(config.seeds)]
    return None if None in found else sum(n for n in found if n is not None)


def _covers(one: RunConfig, other: RunConfig, examples: Examples) -> bool:
    """Whether every sample of `other` is one of `one`."""
    if not set(other.seeds) <= set(one.seeds):
        return False
    if (one.samples, one.limit) in (((), None), (other.samples, other.limit)):
        return True
    return all(
        {place for place, _ in chosen(examples(seed), other)} <= {place for place, _ in chosen(examples(seed), one)}
        for seed in other.seeds
    )


def _scoped(config: RunConfig, seeds: tuple[int, ...], samples: tuple[str, ...], limit: int | None) -> RunConfig:
    changes: dict[str, Any] = {"seeds": seeds, "samples": samples, "limit": limit}
    return config.model_copy(update=changes)
