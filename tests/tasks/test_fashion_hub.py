"""The hub route against a stand-in for the hub's client: lines, titles, pinning, and failures in words."""

from __future__ import annotations

import builtins
import io
import json
import sys
from types import SimpleNamespace

import pytest

from listeval.errors import UserError
from tasks.fashion.helpfulness import HelpfulnessOptions
from tasks.fashion.hub import Category
from tasks.fashion.task import Fashion

pytest.importorskip("httpx")


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
ROOT = "datasets/McAuley-Lab/Amazon-Reviews-2023@abc123/raw"


class Hub:
    """Stands for `huggingface_hub`: two files, and an optional failure on reading."""

    def __init__(self, failure=None):
        self.files = {
            f"{ROOT}/review_categories/Amazon_Fashion.jsonl": REVIEWS,
            f"{ROOT}/meta_categories/meta_Amazon_Fashion.jsonl": PRODUCTS,
        }
        self.failure = failure
        self.HfApi = self.HfFileSystem = lambda: self

    def dataset_info(self, repository):
        return SimpleNamespace(sha="abc123")

    def open(self, path, mode):
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in self.files[path]).encode()
        return Torn(self.failure) if self.failure else io.BytesIO(lines)


class Torn(io.BytesIO):
    def __init__(self, failure):
        super().__init__()
        self.failure = failure

    def read(self, size=-1):
        raise self.failure


def load(monkeypatch, hub, **options):
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    return Fashion(HelpfulnessOptions(**options)).load("hub", 0)


def test_reviews_and_titles_are_streamed(monkeypatch):
    found = load(monkeypatch, Hub())
    [example] = found.examples
    assert example.messages[0].content.startswith("Product: Blue hat. Below are reviews. Score each.")
    assert set(example.target["grades"]) == {f"U{n}" for n in range(8)}
    assert found.source == f"hf://{ROOT}/review_categories/Amazon_Fashion.jsonl"


def test_a_broken_stream_is_a_user_error(monkeypatch):
    import httpx

    with pytest.raises(UserError, match=r"reading stopped: .*the line went dead"):
        load(monkeypatch, Hub(httpx.ReadError("the line went dead")))


def test_an_unreachable_hub_is_a_user_error(monkeypatch):
    hub = Hub()
    hub.dataset_info = lambda repository: (_ for _ in ()).throw(ConnectionError("no route\nto host"))
    with pytest.raises(UserError, match=r"the hub cannot be read: .*no route \(McAuley-Lab/.*Fix: check the network"):
        load(monkeypatch, hub)


def test_a_missing_package_names_the_install_line(monkeypatch):
    real = builtins.__import__

    def absent(name, *args, **kwargs):
        if name == "huggingface_hub":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(UserError, match=r"pip install 'listeval\[hub\]'"):
        Fashion().load("hub", 0)


def test_category_paths():
    baby = Category("Baby_Products")
    assert baby.reviews == "raw/review_categories/Baby_Products.jsonl"
    assert baby.products == "raw/meta_categories/meta_Baby_Products.jsonl"
