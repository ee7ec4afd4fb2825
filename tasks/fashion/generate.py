"""Makes review groups with planted quality, so that ranking them by helpfulness can be learned.

    python tasks/fashion/generate.py --groups 64 --seed 7 > tasks/fashion/sample.jsonl

A review's grade is a function of what it says: each concrete aspect (size, fabric, fit, wear
over time, ...) that it covers raises it, sentences off the topic and complaints about shipping
lower it, and empty praise does nothing but add length.

The words come from a phrases file, so another category is another file (`--phrases`): `kinds` of
products with their own words, `makers`, `cuts` and a `title` made of them, words drawn once
`of_product` or anew `of_sentence`, sentences by `aspects`, and `praise`, `off_topic`, `shipping`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from listeval import write_rows

REVIEWS = 8
TRAIN_SHARE = 0.125
GRADE_BY_ASPECTS = (1, 4, 7, 10)
"""Grade of a review that covers 0, 1, ... aspects, before noise is subtracted."""

_WEIGHTS = (6, 6, 5, 3)
"""How often a review covers 0, 1, ... aspects: most real reviews say little."""

_SHORTEST, _LONGEST = 5, 70
_ID_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"

PHRASES = Path(__file__).with_name("phrases.json")
Phrases = dict[str, Any]


class _Product(NamedTuple):
    """The category's phrases, and the words that all reviews of one product have in common."""

    phrases: Phrases
    words: dict[str, str]


class _Draft(NamedTuple):
    """A review before it has an id."""

    text: str
    grade: int


def generate(
    groups: int, seed: int, train_share: float = TRAIN_SHARE, phrases: Path = PHRASES
) -> Iterator[dict[str, Any]]:
    """Rows `{"product", "title", "split", "reviews": [{"id", "text", "grade"}]}`, one product each.

    A row depends on the seed and its number only (ids also on the ids before it), so a longer
    run begins with the rows of a shorter one. Every 1 / `train_share`-th row is marked train, the others test.
    """
    known: Phrases = json.loads(phrases.read_text(encoding="utf-8"))
    taken: set[str] = set()
    for number in range(groups):
        rng = Random(f"{seed}/{number}")
        train = int((number + 1) * train_share) > int(number * train_share)
        product = _product(rng, known)
        yield {
            "product": f"{known['letter']}{number + 1:04d}",
            "title": _title(rng, product),
            "split": "train" if train else "test",
            "reviews": [{"id": _new_id(rng, taken), **draft._asdict()} for draft in _drafts(rng, product)],
        }


def _product(rng: Random, phrases: Phrases) -> _Product:
    kind = rng.choice(phrases["kinds"])
    return _Product(phrases, kind | {slot: rng.choice(found) for slot, found in phrases["of_product"].items()})


def _title(rng: Random, product: _Product) -> str:
    phrases, words = product
    maker, cut = rng.choice(phrases["makers"]), rng.choice(phrases["cuts"])
    title: str = phrases["title"].format(maker=maker, cut=cut, name=words["noun"].title(), **words)
    return title


def _new_id(rng: Random, taken: set[str]) -> str:
    """Five characters, all ids of one length, so that none is the beginning of another."""
    while True:
        name = "R" + "".join(rng.choices(_ID_LETTERS, k=4))
        if name not in taken:
            taken.add(name)
            return name


def _drafts(rng: Random, product: _Product) -> list[_Draft]:
    """Reviews of one product, no text twice; a poor and a rich one are always among them."""
    aspects = [rng.choice((0, 1)), rng.choice((2, 3)), *rng.choices((0, 1, 2, 3), _WEIGHTS, k=REVIEWS - 2)]
    drafts: dict[str, _Draft] = {}
    for count in aspects:
        draft = _draft(rng, product, count)
        while draft.text in drafts:
            draft = _draft(rng, product, count)
        drafts[draft.text] = draft
    return rng.sample(list(drafts.values()), REVIEWS)


def _draft(rng: Random, product: _Product, aspects: int) -> _Draft:
    """One review that covers `aspects` aspects, drawn until its length is in bounds."""
    phrases = product.phrases
    while True:
        noise = [rng.choice(phrases[rng.choice(("off_topic", "shipping"))]) for _ in range(rng.choice((0, 0, 0, 1, 2)))]
        praise = rng.sample(phrases["praise"], rng.choice((0, 0, 1, 1, 2, 4) if aspects else (1, 2, 4, 7, 11)))
        covered = rng.sample(sorted(phrases["aspects"]), aspects)
        solid = [rng.choice(phrases["aspects"][aspect]) for aspect in covered]
        text = _join(rng, [_filled(rng, product, sentence) for sentence in (*solid, *noise, *praise)])
        if _SHORTEST <= len(text.split()) <= _LONGEST:
            return _Draft(text, max(0, GRADE_BY_ASPECTS[aspects] - len(set(noise))))


def _filled(rng: Random, product: _Product, sentence: str) -> str:
    phrases, words = product
    drawn = {slot: rng.choice(found) for slot, found in phrases["of_sentence"].items()}
    return sentence.format(**words, **drawn, maker=rng.choice(phrases["makers"]))


def _join(rng: Random, sentences: list[str]) -> str:
    """Sentences in random order, at times as two paragraphs."""
    rng.shuffle(sentences)
    cut = rng.randrange(1, len(sentences)) if len(sentences) > 3 and rng.random() < 0.3 else len(sentences)
    return "\n\n".join(" ".join(part) for part in (sentences[:cut], sentences[cut:]) if part)


def main() -> None:
    """Write rows as JSON lines to the standard output."""
    parser = argparse.ArgumentParser(description="Make review groups with planted quality.")
    parser.add_argument("--groups", type=int, default=64, help="groups of eight reviews (default: 64)")
    parser.add_argument("--seed", type=int, default=7, help="default: 7")
    parser.add_argument("--train-share", type=float, default=TRAIN_SHARE, help=f"default: {TRAIN_SHARE}")
    parser.add_argument("--phrases", type=Path, default=PHRASES, help="words of another category")
    args = parser.parse_args()
    write_rows(generate(args.groups, args.seed, args.train_share, args.phrases), sys.stdout.buffer)


if __name__ == "__main__":
    main()
