"""The product split: whole products, shares of the groups, and no option that moves a product."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from listeval.errors import UserError
from tasks.fashion.copies import merge
from tasks.fashion.review import Review
from tasks.fashion.selection import select
from tasks.fashion.split import split

SIZES = st.lists(st.integers(1, 160), min_size=1, max_size=20)


def products(sizes, split=None):
    return merge(
        Review(f"P{p}", None, f"{p}-{n}", "", f"text {n}", n, split=split)
        for p, size in enumerate(sizes)
        for n in range(size)
    )


@given(SIZES)
def test_shares_of_the_groups(sizes):
    made = products(sizes)
    parts = split(made, 8)
    weights = {p.id: min(p.size // 8, 16) for p in made}
    total, filled = sum(weights.values()), Counter()
    for name, part in parts.items():
        filled[part] += weights[name]
    assert set(parts) == {p.id for p in made}
    assert filled["test"] * 5 >= total
    assert filled["test"] > 0 or total == 0
    weighing = sum(w > 0 for w in weights.values())
    if filled["train"]:
        assert filled["validation"] * 10 >= total or sum(w > 0 for n, w in weights.items() if parts[n] == "train") == 1
    # The last product into a part may overshoot it, by less than its own weight.
    assert filled["test"] - 16 < 0.2 * total
    assert weighing < 4 or max(weights.values()) * 10 > total or filled["train"]


@given(SIZES, st.integers(2, 8), st.integers(2, 8))
def test_k_up_to_8_moves_no_product(sizes, one, other):
    made = products([*sizes, 8])
    assert split(made, one) == split(made, other)


@given(SIZES, st.integers(2, 20), st.integers(0, 9), st.integers(0, 5))
def test_seed_and_cap_move_no_product_and_test_is_never_empty(sizes, k, seed, cap):
    made = products([*sizes, k])
    seen = {}
    for part in ("test", "validation", "train"):
        for drawn, capped in ((seed, cap), (seed + 1, 0)):
            try:
                kept = select(made, k=k, part=part, cap=capped, seed=drawn, place="").kept
            except UserError:
                assert part != "test"
                continue
            for group in kept:
                assert seen.setdefault(group.product, part) == part
    assert "test" in seen.values()


def test_products_with_too_few_reviews_or_without_signal_do_not_count():
    silent = merge(Review("S", None, str(n), "", f"text {n}") for n in range(80))
    parts = split([*silent, *products([3, 2, 30])], 8)
    assert parts["P2"] == "test"


def test_two_products_give_test_and_train():
    assert Counter(split(products([80, 80]), 8).values()) == {"test": 1, "train": 1}


def test_the_data_s_own_split_wins():
    assert set(split(products([9] * 10, split="train"), 8).values()) == {"train"}


def test_a_k_above_8_may_move_a_product():
    made = products([8] * 9 + [40])
    assert [split(made, k)["P9"] for k in (2, 4, 8, 20)] == ["train", "train", "train", "test"]
