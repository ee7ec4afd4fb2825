"""Which groups become examples: dealt, with signal, capped, of the wanted part; all else is counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import NamedTuple

from listeval import UserError

from .copies import Product
from .groups import Group, deal
from .review import Split
from .split import split

ALL = "all"


class Selection(NamedTuple):
    """Groups in evaluation order. `counts` adds up: groups = no_signal + capped + other_splits + kept."""

    kept: list[Group]
    training: list[Group]
    counts: dict[str, int]


def select(
    products: Sequence[Product],
    *,
    k: int,
    part: str,
    cap: int,
    seed: int,
    place: str,
    parts: Mapping[str, Split] | None = None,
) -> Selection:
    """Groups of `k` in `part` of the products, at most `cap` of one product (0: all), shuffled across products.

    `parts` says which part each product is of; without it they are split by the grades that they have here.
    Raises UserError where no product has `k` reviews, or the part has no group with signal.
    """
    dealt = {product.id: deal(product, k, seed) for product in products}
    signal = {name: [group for group in groups if group.has_signal] for name, groups in dealt.items()}
    capped = {name: groups[: cap or None] for name, groups in signal.items()}
    parts = split(products, k) if parts is None else parts
    usable = [group for groups in capped.values() for group in groups]
    Random(f"{seed}").shuffle(usable)
    kept = [group for group in usable if part in (ALL, parts[group.product])]
    counts = {
        "groups": _total(dealt),
        "no_signal": _total(dealt) - _total(signal),
        "capped": _total(signal) - len(usable),
        "other_splits": len(usable) - len(kept),
        "kept": len(kept),
    }
    if not kept:
        raise _nothing(products, k, part, counts, place)
    return Selection(kept, [group for group in usable if parts[group.product] == "train"], counts)


def _total(groups: Mapping[str, Sequence[Group]]) -> int:
    return sum(map(len, groups.values()))


def _nothing(products: Sequence[Product], k: int, part: str, counts: Mapping[str, int], place: str) -> UserError:
    if not counts["groups"]:
        # Rivals never meet in a group, so only one of each class counts.
        largest = max((len(product.rivals) for product in products), default=0)
        cause = f"no product has {k} reviews to put together; the largest has {largest}"
        fix = f"--set k={largest}, or more data" if largest > 1 else "give more data"
        return UserError(cause, place=place, fix=fix)
    if counts["other_splits"]:
        cause = f"the {part} part has no group of {k} with signal, the other parts have {counts['other_splits']}"
        return UserError(cause, place=place, fix=f"--set split={ALL}, or mark products with 'split' in the data")
    cause = f"none of the {counts['groups']} groups of {k} carries signal: all grades of a group are equal"
    return UserError(cause, place=place, fix="give reviews with votes, or grade them by a rubric")
