"""The readers and the copy rule on real files, against counts that were made independently of this code."""

from __future__ import annotations

import pytest

from tasks.fashion.copies import merge
from tasks.fashion.groups import deal
from tasks.fashion.helpfulness import HelpfulnessOptions
from tasks.fashion.readers import read
from tasks.fashion.sources import local
from tasks.fashion.task import Fashion


@pytest.mark.parametrize(
    ("name", "rows", "without_text", "largest_enough", "groups"),
    [("womens_clothing", 20_311, 724, 229, 2_154), ("musical_instruments", 4_283, 1, 190, 372)],
)
def test_published_counts(shared_data, name, rows, without_text, largest_enough, groups):
    reading = read(local(shared_data / name))
    products = merge(reading.reviews)
    assert (len(reading.reviews) + reading.without_text, reading.without_text) == (rows, without_text)
    # Musical instruments: two of the 191 products share a copied review, and count as one.
    assert sum(product.size >= 8 for product in products) == largest_enough
    assert sum(len(deal(product, 8, seed=0)) for product in products) == groups


def test_published_counts_of_the_set_with_copies(shared_data):
    reading = read(local(shared_data / "fashion"))
    products = merge(reading.reviews)
    assert (len(reading.reviews), reading.without_text) == (2_707, 16)
    assert sum(product.size for product in products) == 379
    assert len(products) == 16
    assert sum(product.size >= 8 for product in products) == 3
    assert sum(product.size // 8 for product in products) == 43
    # One product has 9 reviews, 3 of them by one reviewer, who may be in a group once: 7 are too few for 8.
    assert sum(len(deal(product, 8, seed=0)) for product in products) == 42


@pytest.mark.parametrize("name", ["fashion", "womens_clothing", "musical_instruments"])
def test_gold_answers_on_real_reviews(shared_data, name):
    task = Fashion(HelpfulnessOptions(k=4, shots=1))
    found = task.load(str(shared_data / name), 0)
    assert len({example.id for example in found.examples}) == found.counts["kept"] > 10
    values = []
    for example in found.examples:
        contract = task.contract(example.target)
        values.append(contract.parse(task.gold(example.target)).value)
        for kind, text in task.bad(example.target).items():
            assert contract.parse(text).kind is kind
    scores = task.score([example.target for example in found.examples], values)
    assert min(row["kendall_tau"] for row in scores) == pytest.approx(1)
    assert min(row["ndcg@8"] for row in scores) == pytest.approx(1)
