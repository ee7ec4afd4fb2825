"""How much of its data a run covers, and what becomes of that when a later command asks for less or for other parts.

A run's scope only grows: its manifest keeps what all commands asked for, and no more, so that `run @RUN` completes all
of it and rows that are there stay counted. A command that asks for less works on less, and changes nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from listeval.runs.config import RunConfig
from listeval.runs.entries import DataEntry
from listeval.runs.places import EVERY, ranges_of, spell
from listeval.task import Example

Examples = Callable[[int], Sequence[Example]]
"""The examples of a seed, in their order."""
Scope = tuple[tuple[int, ...], tuple[str, ...], int | None, dict[int, str] | None]
"""Seeds, named samples and limit, or the places of each seed in their stead."""


def chosen(examples: Sequence[Example], seed: int, config: RunConfig) -> list[tuple[int, Example]]:
    """The examples of a seed that are asked for, each with its place in the whole data set."""
    if config.places is not None:
        whole, ranges = range(len(examples)), ranges_of(config.places[seed])
        return [(place, examples[place]) for one in ranges for place in whole[one.start : one.stop]]
    wanted = set(config.samples)
    places = [(place, example) for place, example in enumerate(examples) if not wanted or example.id in wanted]
    return places[: config.limit]


def scope_of(config: RunConfig) -> Scope:
    """What a configuration says of how much it covers."""
    return config.seeds, config.samples, config.limit, config.places


def joined(old: RunConfig, new: RunConfig, examples: Examples) -> RunConfig:
    """`new` with a scope of all that either asks for and nothing else, in the simplest words that say so.

    These are the words of one of the two, those with the seeds of both, or the places of each seed.
    """
    if scope_of(old) == scope_of(new):
        return new
    seeds = tuple(dict.fromkeys((*old.seeds, *new.seeds)))
    alike = _scoped(new, (seeds, new.samples, new.limit, None))
    if old.places is None and scope_of(old)[1:] == scope_of(new)[1:]:
        return alike
    wanted = {seed: spell([*_places(old, seed, examples), *_places(new, seed, examples)]) for seed in seeds}
    for config in (old, new, alike):
        if set(config.seeds) == set(seeds) and all(
            spell(_places(config, seed, examples)) == places for seed, places in wanted.items()
        ):
            return _scoped(new, scope_of(config))
    return _scoped(new, (seeds, (), None, wanted))


def _places(config: RunConfig, seed: int, examples: Examples) -> list[range]:
    """The places of a seed; its examples are looked at only where samples are named."""
    if seed not in config.seeds:
        return []
    if config.places is not None:
        return ranges_of(config.places[seed])
    if config.samples:
        return [range(place, place + 1) for place, _ in chosen(examples(seed), seed, config)]
    return ranges_of(EVERY) if config.limit is None else [range(config.limit)]


def _scoped(config: RunConfig, scope: Scope) -> RunConfig:
    changes: dict[str, Any] = dict(zip(("seeds", "samples", "limit", "places"), scope, strict=True))
    return config.model_copy(update=changes)


def counted(
    config: RunConfig, old: Mapping[str, DataEntry], new: Mapping[str, DataEntry], examples: Examples
) -> dict[str, DataEntry]:
    """The entries of the data of both, where `config` is the scope of both: seeds that both have are counted again."""
    again = {
        name: entry.model_copy(update={"asked": len(chosen(examples(int(name)), int(name), config))})
        for name, entry in new.items()
        if name in old
    }
    return {**old, **new, **again}


def planned(config: RunConfig, data: Mapping[str, DataEntry]) -> int | None:
    """How many samples a run of `config` has when it is complete; None where its entries do not say."""
    found = [data[str(seed)].asked if str(seed) in data else None for seed in dict.fromkeys(config.seeds)]
    return None if None in found else sum(n for n in found if n is not None)
