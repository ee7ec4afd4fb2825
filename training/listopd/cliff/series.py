"""Series: arms that differ only by λ and seed, and the answers that they gave after one budget."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from listeval.errors import UserError, did_you_mean
from listopd.cliff.arms import ArmSpec, StudyPair
from listopd.cliff.claims import Where
from listopd.cliff.records import AnswerOutcome, is_done, read_log, read_outcomes


class Series(NamedTuple):
    """One curve over λ. `arms` by λ and seed; every λ has every seed."""

    part: str
    pair: StudyPair
    method: str
    cap: float
    lr: float
    budget: int
    arms: Mapping[tuple[float, int], ArmSpec]

    @property
    def lams(self) -> tuple[float, ...]:
        """Rising."""
        return tuple(sorted({lam for lam, _ in self.arms}))

    @property
    def seeds(self) -> tuple[int, ...]:
        """Rising."""
        return tuple(sorted({seed for _, seed in self.arms}))

    @property
    def name(self) -> str:
        """In words, for tables."""
        cap = "no cap" if math.isinf(self.cap) else f"c = {self.cap:g}"
        return f"{self.part}: {self.pair.name}, {self.method}, {cap}, lr {self.lr:g}, {self.budget} steps"

    def unfinished(self, out: Path) -> int:
        """How many of its arms have not ended. Raises UserError for a damaged directory."""
        return sum(not is_done(out / arm.id, arm) for arm in self.arms.values())

    def answers(self, out: Path) -> dict[tuple[float, int], list[AnswerOutcome]]:
        """By λ and seed, of finished arms. Raises UserError for a damaged directory."""
        done = ((at, arm) for at, arm in self.arms.items() if is_done(out / arm.id, arm))
        return {at: read_outcomes(out / arm.id, self.budget) for at, arm in done}


def series_of(arms: Sequence[ArmSpec]) -> list[Series]:
    """All series of these arms, each budget one of its own, in the arms' order."""
    found: dict[tuple[object, ...], Series] = {}
    for arm in arms:
        for budget in arm.budgets:
            key = (arm.part, arm.pair, arm.method, arm.cap, arm.lr, budget)
            series = found.setdefault(key, Series(arm.part, arm.pair, arm.method, arm.cap, arm.lr, budget, {}))
            assert isinstance(series.arms, dict)
            series.arms[arm.lam, arm.seed] = arm
    return list(found.values())


def pick(where: Where, among: Sequence[Series], place: str = "") -> Series:
    """The one series that `where` means. Raises UserError for none, and for several, naming what tells them apart."""
    parts = sorted({series.part for series in among})
    if where.part not in parts:
        raise UserError(f"there is no part '{where.part}'", place=place, fix=did_you_mean(where.part, parts))
    mine = [series for series in among if series.part == where.part and len(series.lams) > 1 and _fits(where, series)]
    last = max((series.budget for series in mine), default=0)
    mine = [series for series in mine if series.budget == (where.budget or last)]
    if len(mine) == 1:
        return mine[0]
    if not mine:
        told = {name: value for name, value in where.model_dump().items() if value is not None}
        raise UserError(f"no series of arms over λ fits {told}", place=place, fix="see `listeval cliff plan`")
    names = [name for name in ("pair", "method", "cap", "lr") if len({_value(name, series) for series in mine}) > 1]
    cause = f"part '{where.part}' has several series that are meant"
    raise UserError(cause, place=place, fix=f"name the {' and the '.join(names)} in 'of'")


def _fits(where: Where, series: Series) -> bool:
    wanted = {name: getattr(where, name) for name in ("pair", "method", "cap", "lr")}
    return all(value is None or value == _value(name, series) for name, value in wanted.items())


def _value(name: str, series: Series) -> object:
    return series.pair.name if name == "pair" else getattr(series, name)


class LastSteps(NamedTuple):
    """Means over the last steps up to a budget of what an arm logged, by token class; empty where it was not logged."""

    theta: Mapping[str, float]
    p: Mapping[str, float]


def last_steps(out: Path, arm: ArmSpec, budget: int, most: int = 5) -> LastSteps:
    """Student's and teacher's probability of the modal token by class, over the last `most` steps up to `budget`."""
    lines = [line for line in read_log(out / arm.id) if line["step"] <= budget][-most:]
    return LastSteps(*(dict(_means([line.get(name) for line in lines])) for name in ("theta", "p")))


def _means(values: Sequence[object]) -> Iterator[tuple[str, float]]:
    tables = [value for value in values if isinstance(value, Mapping)]
    for name in tables[-1] if tables else ():
        column = [float(table[name]) for table in tables if isinstance(table.get(name), int | float)]
        if column:
            yield str(name), math.fsum(column) / len(column)
