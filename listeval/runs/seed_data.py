"""The examples of a run's seeds: all are looked at before the first token; what is too much to hold is read again.

A plan of a million rows is 500 seeds of 2,000 examples, and a prompt takes kilobytes: a run holds those that it asks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from listeval.backends.protocol import Message
from listeval.errors import UserError
from listeval.plugins.open import load
from listeval.runs.config import RunConfig
from listeval.runs.entries import DataEntry
from listeval.runs.scope import chosen
from listeval.task import Dataset, Task

MOST_HELD = 20_000
"""Examples of all seeds together that are held. Beyond, a seed's are read again when its turn comes."""


class SeedHead(NamedTuple):
    """What stays of a seed's data: what the manifest says of it, its examples, and how many of them are asked for."""

    entry: DataEntry
    size: int
    asked: int


class SeedData(Mapping[int, Dataset]):
    """The data of every seed that a configuration names.

    The first seed's are always held, for they show what the others look like. Looking up a seed may read its data
    again, which lets go of what was read so before. Raises UserError where they are no longer what they were.
    """

    def __init__(self, task: Task, config: RunConfig) -> None:
        """Raises UserError for data that cannot be read, an id that repeats and a wanted one that no seed has."""
        self._task, self.config = task, config
        self._held: dict[int, Dataset] = {}
        self.heads: dict[int, SeedHead] = {}
        absent = dict.fromkeys(config.samples)
        for seed in config.seeds:
            own = self._own(seed)
            self.heads[seed] = self._of(seed, self[own]) if own in self.heads else self._looked_at(own, absent)
        if absent:
            first = self[config.seeds[0]]
            like = first.examples[0].id if first.examples else ""
            raise UserError(f"no example '{next(iter(absent))}'", place=first.source, fix=f"ids look like '{like}'")

    @property
    def asked(self) -> int:
        """Samples of all seeds that `--limit` and `--samples` leave."""
        return sum(head.asked for head in self.heads.values())

    def __iter__(self) -> Iterator[int]:
        return iter(self.heads)

    def __len__(self) -> int:
        return len(self.heads)

    def __contains__(self, seed: object) -> bool:
        return seed in self.heads

    def __getitem__(self, seed: int) -> Dataset:
        head, own = self.heads[seed], self._own(seed)
        if own not in self._held:
            # Before the next are read, so that two such are never there at once.
            self._let_go()
            found = self._read(own)
            if (found.fingerprint, len(found.examples)) != (head.entry.fingerprint, head.size):
                cause = f"the data of seed {seed} changed while the run was under way"
                raise UserError(cause, place=found.source, fix="put the data back, and run again")
            self._held[own] = found
        return self._held[own]

    def _own(self, seed: int) -> int:
        """The seed whose data this one's are."""
        return seed if self._task.seeded else self.config.seeds[0]

    def _looked_at(self, seed: int, absent: dict[str, None]) -> SeedHead:
        """What stays of a seed's data, which are held if there is room; takes the ids that they have from `absent`."""
        found = self._read(seed)
        for name in _distinct_ids(found):
            absent.pop(name, None)
        size = len(found.examples)
        if not self.heads or size + sum(head.size for head in self.heads.values()) <= MOST_HELD:
            self._held[seed] = found
        else:
            self._let_go()
        return self._of(seed, found)

    def _of(self, seed: int, found: Dataset) -> SeedHead:
        asked = len(chosen(found.examples, seed, self.config))
        return SeedHead(_entry(found, asked), len(found.examples), asked)

    def _read(self, seed: int) -> Dataset:
        return with_system(load(self._task, self.config.data, seed), self.config.system)

    def _let_go(self) -> None:
        self._held = {seed: held for seed, held in self._held.items() if seed == self.config.seeds[0]}


def with_system(dataset: Dataset, text: str | None) -> Dataset:
    """The examples with `text` as their system turn, before what the task itself puts there; later turns stay."""
    if text is None:
        return dataset
    examples = []
    for example in dataset.examples:
        own = list(takewhile(lambda message: message.role == "system", example.messages))
        turn = Message("system", "\n\n".join([text, *(message.content for message in own)]))
        examples.append(example._replace(messages=(turn, *example.messages[len(own) :])))
    return dataset._replace(examples=examples)


def _distinct_ids(dataset: Dataset) -> set[str]:
    """The ids of the examples. Raises UserError for one that repeats."""
    ids = Counter(example.id for example in dataset.examples)
    twice = [name for name, n in ids.items() if n > 1]
    if twice:
        raise UserError(f"two examples have the id '{twice[0]}'", place=dataset.source, fix="give each its own id")
    return set(ids)


def _entry(dataset: Dataset, asked: int) -> DataEntry:
    return DataEntry(
        name=dataset.name or Path(dataset.source).name,
        source=dataset.source,
        fingerprint=dataset.fingerprint,
        counts=dict(dataset.counts),
        asked=asked,
    )
