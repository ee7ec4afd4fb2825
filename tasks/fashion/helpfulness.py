"""The list task on product reviews: score K reviews of one product by how helpful each is.

Tasks differ only in their hub category and their sample; everything else is here.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from listeval.contract import Contract, Id, Item, KeyedList, Kind, Score
from listeval.kit.listwise import bad_answers, by_example
from listeval.task import Dataset, Example, Metric, Pieces, Target, Task, TaskOptions

from .copies import Product, merge
from .hub import Category, stream
from .labelled import pieces, relabel
from .prompting import KEY, answer, turns, worked_examples
from .readers import read
from .review import Review
from .selection import Selection, select
from .sources import Source, local

SCALE = (0.0, 10.0)
"""Lowest and highest grade."""


class Scored(Item):
    """One object of the answer."""

    review_id: Id
    score: Score


def _absolute(path: str) -> str:
    """So that a run finds its labels again from any folder."""
    return str(Path(path).expanduser().resolve())


class HelpfulnessOptions(TaskOptions):
    """Options of the review tasks."""

    k: int = Field(8, ge=2, description="reviews in a group")
    shots: int = Field(0, ge=0, description="worked examples before the question, from the training part")
    split: Literal["train", "validation", "test", "all"] = Field("test", description="part of the products")
    cap: int = Field(16, ge=0, description="most groups of one product, 0 for all")
    labels: Annotated[str, AfterValidator(_absolute)] | None = Field(
        None, description="labels of `listeval label` in place of votes: a file or its folder"
    )


class Helpfulness(Task, ABC):
    """A review task; a subclass names its hub category and its bundled sample."""

    category: ClassVar[Category]
    sample: ClassVar[Path]
    Options = HelpfulnessOptions
    metrics = (
        Metric("kendall_tau", bounds=(-1.0, 1.0)),
        Metric("ndcg@1", useful=True, bounds=(0.0, 1.0)),
        Metric("ndcg@8", bounds=(0.0, 1.0)),
        Metric("mae", bounds=(0.0, SCALE[1] - SCALE[0])),
    )
    options: HelpfulnessOptions

    @property
    def max_tokens(self) -> int:
        """An object with a reviewer's 28-letter id takes some 40 tokens."""
        return 64 + 48 * self.options.k

    def load(self, data: str | None, seed: int) -> Dataset:
        source = self._source(data)
        reading = read(source)
        options = self.options
        graded = reading.reviews if options.labels else _graded(reading.reviews)
        products, fingerprint = merge(graded), source.file.fingerprint
        merged = sum(product.size for product in products)
        if options.labels:
            products, used = relabel(products, _titles(products, None, source), options.labels, SCALE)
            fingerprint = sha256(f"{fingerprint} {used}".encode()).hexdigest()
        chosen = select(products, k=options.k, part=options.split, cap=options.cap, seed=seed, place=source.file.name)
        distinct = sum(product.size for product in products)
        counts = {
            "reviews": len(reading.reviews) + reading.without_text,
            "without_text": reading.without_text,
            "without_grade": len(reading.reviews) - len(graded) + merged - distinct,
            "copies": len(graded) - merged,
            "distinct": distinct,
            "products": len(products),
        }
        name = source.file.name if data is not None else f"{self.name} sample"
        found, counts = self._examples(chosen, products, source), counts | chosen.counts
        return Dataset(found, name, fingerprint, counts, self._called(data, source))

    def pieces(self, data: str | None) -> Pieces:
        source = self._source(data)
        products = merge(read(source).reviews)
        return Pieces(source.file.name, pieces(products, _titles(products, None, source)))

    def _source(self, data: str | None) -> Source:
        return stream(self.category) if data == "hub" else local(Path(data) if data is not None else self.sample)

    def _called(self, data: str | None, source: Source) -> str:
        """The data's own name in reports: a file of another category never goes by the task's."""
        if data is None:
            return "generated sample"
        return self.category.label if data == "hub" else self.category.title(source.stem)

    def _examples(self, chosen: Selection, products: Sequence[Product], source: Source) -> list[Example]:
        shots = [worked_examples(group, chosen.training, self.options.shots) for group in chosen.kept]
        titles = _titles(products, {group.product for group in chain(chosen.kept, *shots)}, source)
        return [
            Example(group.id, turns(group, shown, titles), {"grades": group.grades}, group.product)
            for group, shown in zip(chosen.kept, shots, strict=True)
        ]

    def contract(self, target: Target) -> Contract[list[Scored]]:
        return KeyedList(Scored, key=KEY, ids=tuple(target["grades"]))

    def gold(self, target: Target) -> str:
        return answer(target["grades"])

    def score(self, targets: Sequence[Target], values: Sequence[Any]) -> list[dict[str, float]]:
        from listeval.scoring import ranking

        if not targets:
            return []
        named = [{item.review_id: item.score for item in value} for value in values]
        grades = ranking.padded([tuple(target["grades"].values()) for target in targets])
        scores = ranking.padded([[score[id] for id in t["grades"]] for t, score in zip(targets, named, strict=True)])
        found = ranking.listwise(grades, scores, (1, 8), SCALE)
        columns = (found.kendall_tau, *found.ndcg, found.mae)
        return by_example(dict(zip([metric.name for metric in self.metrics], columns, strict=True)))

    def bad(self, target: Target) -> Mapping[Kind, str]:
        return bad_answers(KEY, tuple(target["grades"]))


def _graded(reviews: list[Review]) -> list[Review]:
    """Where a rubric graded any review, only those that it graded: votes are another scale."""
    graded = [review for review in reviews if review.grade is not None]
    return graded or reviews


def _titles(products: Sequence[Product], wanted: set[str] | None, source: Source) -> Mapping[str, str | None]:
    """Titles of the `wanted` products, None for all; the source's own where the reviews name none."""
    own = {product.id: product.title for product in products if wanted is None or product.id in wanted}
    return {**own, **source.titles([name for name, title in own.items() if title is None])}
