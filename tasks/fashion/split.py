"""Product-level split: no product is in two parts, and neither seed nor cap nor labels nor a K up to 8 moves one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256

from .copies import Product
from .groups import capacity
from .review import Split
from .votes import grade_of

TEST, VALIDATION = 20, 10
"""Per cent of the groups that these parts get at least; train gets the rest."""

_ORDER: tuple[Split, ...] = ("test", "validation", "train")

_K, _CAP = 8, 16
"""Groups are counted at these, whatever `cap` is, and K up to this one, so that neither moves a product."""


def split(products: Sequence[Product], k: int) -> Mapping[str, Split]:
    """The part of each product by its id: the data's own where given, else drawn by a stable hash.

    Undecided products are ordered by the hash of their id and fill the parts in turn. A product
    weighs its groups; one with too few reviews or with equal grades only weighs nothing. The
    test part is never empty where any product weighs (for K above 8, or where no product has
    8 reviews, groups are counted at a size that products have), and validation takes no
    product that train would be empty without. Where no product's grades differ, which only labels can
    change, all groups are counted.
    """
    parts: dict[str, Split] = {p.id: p.split for p in products if p.split is not None}
    drawn = sorted((p for p in products if p.split is None), key=lambda p: (sha256(p.id.encode()).digest(), p.id))
    size = min(max(k, _K), max((len(p.rivals) for p in drawn), default=_K))
    silent = not any(_has_signal(product) for product in drawn)
    weights = [_weight(product, size) if silent or _has_signal(product) else 0 for product in drawn]
    total, left = sum(weights), sum(weight > 0 for weight in weights)
    part, filled = 0, 0
    for product, weight in zip(drawn, weights, strict=True):
        if part == 0 and filled and 100 * filled >= TEST * total:
            part, filled = 1, 0
        if part == 1 and (100 * filled >= VALIDATION * total or left < 2):
            part = 2
        parts[product.id] = _ORDER[part]
        filled += weight
        left -= weight > 0
    return parts


def split_as(basis: Sequence[Product], products: Sequence[Product], k: int) -> Mapping[str, Split]:
    """The parts of `products` such that each is where `split` puts that product of `basis` which it holds.

    `basis` is made of some of their reviews; what holds none of its products weighs nothing.
    """
    known = {review.product: product.id for product in basis for rivals in product.rivals for review in rivals}
    held = {p.id: next((known[r.product] for c in p.rivals for r in c if r.product in known), None) for p in products}
    strangers = [product._replace(rivals=[]) for product in products if held[product.id] is None]
    parts = split([*basis, *strangers], k)
    return {product.id: product.split or parts[held[product.id] or product.id] for product in products}


def _has_signal(product: Product) -> bool:
    return len({grade_of(review) for rivals in product.rivals for review in rivals}) > 1


def _weight(product: Product, size: int) -> int:
    return min(capacity(product.rivals, size), _CAP) if product.rivals else 0
