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
Asked = tuple[RunConfig, Mapping[str, DataEntry]]
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


def counted(old: Asked, new: Asked, examples: Examples) -> dict[str, DataEntry]:
    """The entries of the data of both, with as many samples as commands asked for of each seed.

    `widest` may cover more: seed 0 whole and five samples of seed 1 make a scope of two seeds, of whose second no more
    than five are asked for until a command names both. Of a seed that both have the new entry is taken.
    """
    entries = {**old[1], **new[1]}
    both = old[1].keys() & new[1].keys()
    return {name: _counted(int(name), old, new, examples) if name in both else entries[name] for name in entries}


def _counted(seed: int, old: Asked, new: Asked, examples: Examples) -> DataEntry:
    """A seed that both ask for."""
    (one, known), (other, asked) = old, new
    entry, before = asked[str(seed)], known[str(seed)].asked
    if entry.asked is None or scope_of(one)[1:] == scope_of(other)[1:]:
        return entry
    if before is not None and not (one.samples or other.samples):
        # Limits ask for the first ones.
        return _asking(entry, max(before, entry.asked))
    there, wanted = ({place for place, _ in chosen(examples(seed), config)} for config in (one, other))
    # Of a scope that covers more than was asked for, nobody knows what was: what lies beyond it is further for certain.
    certain = len(there) if before is None else before
    return _asking(entry, max(len(wanted), certain + len(wanted - there)))


def _asking(entry: DataEntry, asked: int) -> DataEntry:
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
