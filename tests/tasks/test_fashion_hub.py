"""The hub route against a stand-in for the hub: lines, titles, what seeds share, the cache, and failures in words."""

from __future__ import annotations

import sys

import pytest

from listeval.errors import UserError
from tasks.fashion import helpfulness
from tasks.fashion.helpfulness import HelpfulnessOptions
from tasks.fashion.hub import Category
from tasks.fashion.readers import read
from tasks.fashion.sources import Source
from tasks.fashion.task import Fashion
from tests.hub_server import SHA, lines

titles_of = Source.titles_of


def review(n):
    about = {"asin": f"V{n}", "parent_asin": "B0", "user_id": f"U{n}", "timestamp": n, "images": []}
    said = {"rating": 5.0, "title": f"T{n}", "text": f"Text {n} \u2028 more", "helpful_vote": n}
    return {**said, **about, "verified_purchase": True}


REVIEWS = [review(n) for n in range(8)]
PRODUCTS = [
    {"parent_asin": "XX", "title": "Other", "details": {"Size": 1}},
    {"parent_asin": "B0", "title": "Blue hat", "price": None},
    "never read",
]
NAME = "McAuley-Lab/Amazon-Reviews-2023"
PATHS = ("raw/review_categories/Amazon_Fashion.jsonl", "raw/meta_categories/meta_Amazon_Fashion.jsonl")


@pytest.fixture
def hub(serve_hub):
    return serve_hub({NAME: dict(zip(PATHS, map(lines, (REVIEWS, PRODUCTS)), strict=True))})


def load(seed=0, **options):
    return Fashion(HelpfulnessOptions(**options)).load("hub", seed)


def test_reviews_and_titles_meet(hub):
    found = load()
    [example] = found.examples
    assert example.messages[0].content.startswith("Product: Blue hat. Below are reviews. Score each.")
    assert set(example.target["grades"]) == {f"U{n}" for n in range(8)}
    assert found.source == f"hf://datasets/{NAME}@{SHA}/{PATHS[0]}"


def test_seeds_and_runs_share_what_was_fetched_and_what_was_read(hub, monkeypatch):
    reads = []
    monkeypatch.setattr(helpfulness, "read", lambda source: reads.append("reviews") or read(source))
    monkeypatch.setattr(Source, "titles_of", lambda self, products: reads.append("titles") or titles_of(self, products))
    task = Fashion()
    first, second, again = (task.load("hub", seed) for seed in (0, 1, 0))
    assert first == again and first.fingerprint == second.fingerprint
    assert [example.id for example in first.examples] != [example.id for example in second.examples]
    assert reads == ["reviews", "titles"]
    assert load() == first
    assert sorted(hub.asked) == sorted(PATHS)


def test_without_a_network_the_cache_is_enough(hub, monkeypatch):
    online = load()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert load() == online


def test_an_unreachable_hub_is_a_user_error(hub):
    hub.down = True
    with pytest.raises(UserError, match=r"the hub cannot be read: .*\(McAuley-Lab/.*Fix: check the network"):
        load()


def test_a_missing_package_names_the_install_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r"pip install 'listeval\[hub\]'"):
        load()


def test_category_paths():
    baby = Category("Baby_Products")
    assert baby.reviews == "raw/review_categories/Baby_Products.jsonl"
    assert baby.products == "raw/meta_categories/meta_Baby_Products.jsonl"
