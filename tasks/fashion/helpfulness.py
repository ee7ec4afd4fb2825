"""The list task on product reviews: score K reviews of one product by how helpful each is.

Tasks differ only in their hub category and their sample; everything else is here.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple, TypedDict

from pydantic import Field

from listeval import (
    Contract,
    Dataset,
    Example,
    FileOption,
    Id,
    Item,
    KeyedList,
    Kind,
    ListOptions,
    Metric,
    Pieces,
    Score,
    Task,
    bad_lists,
    list_metrics,
    read_once,
)

from .copies import Product, merge
from .groups import Group, capacity
from .hub import Category, fetch
from .labelled import pieces, relabel
from .prompting import KEY, Titles, answer, messages, shots_for
from .readers import read
from .review import Review, Split
from .selection import select
from .sources import Source, local
from .split import split, split_as

SCALE = (0.0, 10.0)
"""Lowest and highest grade."""


class Scored(Item):
    """One object of the answer."""

    review_id: Id
    score: Score


class Graded(TypedDict):
    """What scoring needs: the grade of each review by its id, in prompt order."""

    grades: dict[str, float]


class Gathered(NamedTuple):
    """What a data set holds, whatever the seed: distinct reviews by product, titles of what can be asked, and parts."""

    source: Source
    products: Sequence[Product]
    titles: Titles
    parts: Mapping[str, Split]
    fingerprint: str
    counts: dict[str, int]


class HelpfulnessOptions(ListOptions):
    """Options of the review tasks."""

    k: int = Field(8, ge=2, description="reviews in a group")
    shots: int = Field(0, ge=0, description="worked examples before the question, from the training part")
    split: Literal["train", "validation", "test", "all"] = Field("test", description="part of the products")
    cap: int = Field(16, ge=0, description="most groups of one product, 0 for all")
    labels: FileOption | None = Field(
        None, description="labels of `listeval label` in place of votes: a file or its folder"
    )


class Helpfulness(Task[Graded, list[Scored]], ABC):
    """A review task; a subclass names its hub category and its bundled sample."""

    category: ClassVar[Category]
    sample: ClassVar[Path]
    Options = HelpfulnessOptions
    metrics = (
        Metric("kendall_tau", bounds=(-1.0, 1.0)),
        Metric("ndcg@1", useful=True, bounds=(0.0, 1.0)),
        Metric("ndcg@8", bounds=(0.0, 1.0)),
        Metric("mae", bounds=(0.0, SCALE[1] - SCALE[0]), less_is_better=True),
    )
    options: HelpfulnessOptions

    @property
    def max_tokens(self) -> int:
        """An object with a reviewer's 28-letter id takes some 40 tokens."""
        return 64 + 48 * self.options.k

    def load(self, data: str | None, seed: int) -> Dataset:
        found, o = self._gather(data), self.options
        dealt = o.list_seed(seed)
        place = found.source.file.name
        chosen = select(found.products, k=o.k, part=o.split, cap=o.cap, seed=dealt, place=place, parts=found.parts)
        kept = [group._replace(reviews=o.in_order(group.reviews, seed, group.id)) for group in chosen.kept]
        place = place if data is not None else f"{self.name} sample"
        examples, counts = self._examples(kept, chosen.training, found.titles), found.counts | chosen.counts
        return Dataset(examples, place, found.fingerprint, counts, self._called(data, found.source))

    @read_once
    def _gather(self, data: str | None) -> Gathered:
        source = self._source(data)
        reading = read(source)
        labels = self.options.labels
        own = _graded(reading.reviews)
        graded = reading.reviews if labels else own
        products, fingerprint = merge(graded), source.file.fingerprint
        # By what the data says itself: by a judge's labels, products would move as more of them are labelled.
        as_without_labels = len(graded) == len(own)
        k = self.options.k
        parts = split(products, k) if as_without_labels else split_as(merge(own), products, k)
        merged = sum(product.size for product in products)
        asked = [product for product in products if labels or capacity(product.rivals, k)]
        titles = source.titles_of(asked)
        if labels:
            products, used = relabel(products, titles, labels, SCALE)
            fingerprint = sha256(f"{fingerprint} {used}".encode()).hexdigest()
        distinct = sum(product.size for product in products)
        counts = {
            "reviews": len(reading.reviews) + reading.without_text,
            "without_text": reading.without_text,
            "without_grade": len(reading.reviews) - len(graded) + merged - distinct,
            "copies": len(graded) - merged,
            "distinct": distinct,
            "products": len(products),
        }
        return Gathered(source, products, titles, parts, fingerprint, counts)

    def pieces(self, data: str | None) -> Pieces:
        source = self._source(data)
        products = merge(read(source).reviews)
        return Pieces(source.file.name, pieces(products, source.titles_of(products)))

    def _source(self, data: str | None) -> Source:
        return fetch(self.category) if data == "hub" else local(Path(data) if data is not None else self.sample)

    def _called(self, data: str | None, source: Source) -> str:
        """The data's own name in reports: a file of another category never goes by the task's."""
        if data is None:
            return "generated sample"
        return self.category.label if data == "hub" else self.category.title(source.stem)

    def _examples(self, kept: Sequence[Group], training: Sequence[Group], titles: Titles) -> list[Example]:
        shots = [shots_for(group, training, self.options.shots) for group in kept]
        return [
            Example(group.id, messages(group, shown, titles), {"grades": group.grades}, group.product)
            for group, shown in zip(kept, shots, strict=True)
        ]

    def contract(self, target: Graded) -> Contract[list[Scored]]:
        return KeyedList(Scored, key=KEY, ids=tuple(target["grades"]))

    def gold(self, target: Graded) -> str:
        return answer(target["grades"])

    def score(self, targets: Sequence[Graded], values: Sequence[list[Scored]]) -> list[dict[str, float]]:
        scores = [{item.review_id: item.score for item in value} for value in values]
        return list_metrics([target["grades"] for target in targets], scores, (1, 8), SCALE)

    def bad(self, target: Graded) -> Mapping[Kind, str]:
        return bad_lists(KEY, tuple(target["grades"]))


def _graded(reviews: list[Review]) -> list[Review]:
    """Where a rubric graded any review, only those that it graded: votes are another scale."""
    graded = [review for review in reviews if review.grade is not None]
    return graded or reviews
