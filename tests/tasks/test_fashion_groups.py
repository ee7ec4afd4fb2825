"""Labels, copies, dealing: what a group may hold, and that nothing depends on chance or on the process."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.errors import UserError
from tasks.fashion.copies import merge, wording
from tasks.fashion.groups import capacity, deal
from tasks.fashion.review import Review
from tasks.fashion.selection import select
from tasks.fashion.sets import DisjointSets
from tasks.fashion.votes import grade_of_votes

USERS = st.one_of(st.none(), st.sampled_from(["u1", "u2", "u3", "u4"]))


@st.composite
def many_reviews(draw):
    rows = draw(
        st.lists(
            st.tuples(st.sampled_from("ABCD"), USERS, st.sampled_from("abcdefghijkl"), st.integers(0, 40)),
            max_size=120,
        )
    )
    return [
        Review(product, user, user or f"row{n}", "", text if n % 3 else f" {text.upper()} ", votes)
        for n, (product, user, text, votes) in enumerate(rows)
    ]


def test_vote_rule():
    assert [grade_of_votes(v) for v in (0, 1, 2, 3, 7, 15, 31, 10**9)] == [0, 2, 3.2, 4, 6, 8, 10, 10]


@given(st.lists(st.integers(0, 200), min_size=2))
def test_vote_rule_is_monotone(votes):
    grades = [grade_of_votes(v) for v in sorted(votes)]
    assert grades == sorted(grades)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30))))
def test_disjoint_sets_are_the_connected_components(pairs):
    sets: DisjointSets[int] = DisjointSets()
    component = {n: {n} for n in range(31)}
    for one, other in pairs:
        sets.join(one, other)
        if component[one] is not component[other]:
            component[one] |= component[other]
            for member in component[other]:
                component[member] = component[one]
    for one in range(31):
        assert {n for n in range(31) if sets.find(n) == sets.find(one)} == component[one]


def test_a_copy_joins_its_products_and_keeps_the_most_votes():
    reviews = [
        Review("A", "u1", "u1", "", "Very  warm", 2),
        Review("B", "u2", "u2", "", "Too small"),
        Review("B", "u1", "u1", "", "very warm ", 9),
        Review("C", "u3", "u3", "", "very warm"),
    ]
    first, second = merge(reviews)
    assert (first.id, first.size, second.id, second.size) == ("A", 2, "C", 1)
    assert [r.votes for c in first.rivals for r in c] == [9, 0]


def test_without_reviewers_equal_text_is_a_copy_within_its_product_only():
    reviews = [Review(p, None, str(n), "", "Perfect") for n, p in enumerate("AAB")]
    assert [(p.id, p.size) for p in merge(reviews)] == [("A", 1), ("B", 1)]


def test_variants_in_two_splits_are_refused():
    reviews = [Review(p, "u", "u", "", t, split=s) for p, t, s in (("A", "x", "test"), ("B", "x", None))]
    reviews.append(Review("B", "v", "v", "", "y", split="train"))
    with pytest.raises(UserError, match=r"product 'A' .* in several splits: test, train"):
        merge(reviews)


@given(many_reviews(), st.integers(2, 5), st.integers(0, 3))
def test_groups_are_disjoint_and_never_mix_copies(reviews, k, seed):
    seen = Counter()
    for product in merge(reviews):
        groups = deal(product, k, seed)
        assert len(groups) == capacity(product.rivals, k)
        for group in groups:
            assert len(group.reviews) == len({r.id for r in group.reviews}) == k
            assert len({wording(r.text) for r in group.reviews}) == k
            seen.update((r.user or r.id, wording(r.text)) for r in group.reviews)
        assert len({group.id for group in groups}) == len(groups)
    assert not seen or max(seen.values()) == 1


@given(st.lists(st.integers(1, 6), max_size=9), st.integers(2, 4))
def test_capacity_is_the_most_that_rivals_allow(sizes, k):
    rivals = [[Review("A", None, f"{n}.{m}", "", "") for m in range(size)] for n, size in enumerate(sizes)]
    possible = [g for g in range(sum(sizes) + 1) if sum(min(s, g) for s in sizes) >= k * g]
    assert capacity(rivals, k) == max(possible, default=-inf)


@given(many_reviews(), st.integers(2, 4), st.integers(0, 5))
def test_dealing_repeats(reviews, k, seed):
    def ids():
        return [(g.id, tuple(g.grades)) for p in merge(reviews) for g in deal(p, k, seed)]

    assert ids() == ids()


def test_groups_do_not_depend_on_the_hash_seed():
    code = (
        "from tasks.fashion.task import Fashion\n"
        "print([(e.id, list(e.target['grades'])) for e in Fashion().load(None, 3).examples])"
    )
    outs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True, check=True, timeout=60,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(outs) == 1


def product_reviews(product, count, graded=True):
    return [Review(product, None, f"{product}{n}", "", f"text {n}", n if graded else 0) for n in range(count)]


def choose(reviews, **options):
    defaults = {"k": 4, "part": "all", "cap": 0, "seed": 0, "place": "DATA"}
    return select(merge(reviews), **{**defaults, **options})


def test_counts_add_up():
    reviews = product_reviews("A", 40) + product_reviews("B", 21) + product_reviews("C", 9, graded=False)
    chosen = choose(reviews, cap=6)
    counts = chosen.counts
    assert counts == {"groups": 17, "no_signal": 2, "capped": 4, "other_splits": 0, "kept": 11}
    assert Counter(g.product for g in chosen.kept) == {"A": 6, "B": 5}
    part = choose(reviews, cap=6, part="test")
    assert part.counts["kept"] + part.counts["other_splits"] == 11
    assert {g.id for g in part.kept} <= {g.id for g in chosen.kept}


def test_groups_are_shuffled_across_products():
    order = [g.product for g in choose(product_reviews("A", 80) + product_reviews("B", 80)).kept]
    assert len(set(order[:10])) == 2


def test_nothing_to_evaluate_says_why():
    with pytest.raises(UserError, match=r"no product has 4 reviews .* the largest has 3 \(DATA\)\. Fix: --set k=3"):
        choose(product_reviews("A", 3))
    with pytest.raises(UserError, match="none of the 2 groups of 4 carries signal"):
        choose(product_reviews("A", 8, graded=False))
    with pytest.raises(UserError, match=r"the train part has no group .* Fix: --set split=all"):
        choose(product_reviews("A", 8), part="train")
    with pytest.raises(UserError, match="the largest has 0"):
        choose([])
