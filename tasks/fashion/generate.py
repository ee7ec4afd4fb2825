"""Makes review groups with planted quality, so that ranking them by helpfulness can be learned.

    python tasks/fashion/generate.py --groups 64 --seed 7 > tasks/fashion/sample.jsonl

A review's grade is a function of what it says: each concrete aspect (size, fabric, fit, wear
over time, care, colour, comparison) that it covers raises it, sentences off the topic and
complaints about shipping lower it, and empty praise does nothing but add length.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

REVIEWS = 8
TRAIN_SHARE = 0.125
GRADE_BY_ASPECTS = (1, 4, 7, 10)
"""Grade of a review that covers 0, 1, ... aspects, before noise is subtracted."""

_WEIGHTS = (6, 6, 5, 3)
"""How often a review covers 0, 1, ... aspects: most real reviews say little."""

_SHORTEST, _LONGEST = 5, 70
_ID_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


class _Draft(NamedTuple):
    """A review before it has an id."""

    text: str
    grade: int


def generate(groups: int, seed: int, train_share: float = TRAIN_SHARE) -> Iterator[dict[str, Any]]:
    """Rows `{"product", "title", "split", "reviews": [{"id", "text", "grade"}]}`, one product each.

    A row depends on the seed and its number only (ids also on the ids before it), so a longer
    run begins with the rows of a shorter one. Every 1 / `train_share`-th row is marked train, the others test.
    """
    taken: set[str] = set()
    for number in range(groups):
        rng = Random(f"{seed}/{number}")
        train = int((number + 1) * train_share) > int(number * train_share)
        words = _words(rng)
        yield {
            "product": f"F{number + 1:04d}",
            "title": _title(rng, words),
            "split": "train" if train else "test",
            "reviews": [{"id": _new_id(rng, taken), **draft._asdict()} for draft in _drafts(rng, words)],
        }


def _words(rng: Random) -> dict[str, str]:
    """What all reviews of one product have in common."""
    return {**rng.choice(_phrases()["kinds"]), "colour": rng.choice(_phrases()["colours"])}


def _title(rng: Random, words: dict[str, str]) -> str:
    phrases = _phrases()
    return f"{rng.choice(phrases['makers'])} {rng.choice(phrases['cuts'])} {words['noun'].title()}, {words['colour']}"


def _new_id(rng: Random, taken: set[str]) -> str:
    """Five characters, all ids of one length, so that none is the beginning of another."""
    while True:
        name = "R" + "".join(rng.choices(_ID_LETTERS, k=4))
        if name not in taken:
            taken.add(name)
            return name


def _drafts(rng: Random, words: dict[str, str]) -> list[_Draft]:
    """Reviews of one product, no text twice; a poor and a rich one are always among them."""
    aspects = [rng.choice((0, 1)), rng.choice((2, 3)), *rng.choices((0, 1, 2, 3), _WEIGHTS, k=REVIEWS - 2)]
    drafts: dict[str, _Draft] = {}
    for count in aspects:
        draft = _draft(rng, words, count)
        while draft.text in drafts:
            draft = _draft(rng, words, count)
        drafts[draft.text] = draft
    return rng.sample(list(drafts.values()), REVIEWS)


def _draft(rng: Random, words: dict[str, str], aspects: int) -> _Draft:
    """One review that covers `aspects` aspects, drawn until its length is in bounds."""
    phrases = _phrases()
    while True:
        noise = [rng.choice(phrases[rng.choice(("off_topic", "shipping"))]) for _ in range(rng.choice((0, 0, 0, 1, 2)))]
        praise = rng.sample(phrases["praise"], rng.choice((0, 0, 1, 1, 2, 4) if aspects else (1, 2, 4, 7, 11)))
        covered = rng.sample(sorted(phrases["aspects"]), aspects)
        solid = [rng.choice(phrases["aspects"][aspect]) for aspect in covered]
        text = _join(rng, [_filled(rng, words, sentence) for sentence in (*solid, *noise, *praise)])
        if _SHORTEST <= len(text.split()) <= _LONGEST:
            return _Draft(text, max(0, GRADE_BY_ASPECTS[aspects] - len(set(noise))))


def _filled(rng: Random, words: dict[str, str], sentence: str) -> str:
    phrases = _phrases()
    drawn = {"size": "sizes", "height": "heights", "span": "spans", "count": "counts", "maker": "makers"}
    return sentence.format(**words, **{slot: rng.choice(phrases[source]) for slot, source in drawn.items()})


def _join(rng: Random, sentences: list[str]) -> str:
    """Sentences in random order, at times as two paragraphs."""
    rng.shuffle(sentences)
    cut = rng.randrange(1, len(sentences)) if len(sentences) > 3 and rng.random() < 0.3 else len(sentences)
    return "\n\n".join(" ".join(part) for part in (sentences[:cut], sentences[cut:]) if part)


@cache
def _phrases() -> dict[str, Any]:
    phrases: dict[str, Any] = json.loads(Path(__file__).with_name("phrases.json").read_text(encoding="utf-8"))
    return phrases


def main() -> None:
    """Write rows as JSON lines to the standard output."""
    parser = argparse.ArgumentParser(description="Make review groups with planted quality.")
    parser.add_argument("--groups", type=int, default=64, help="groups of eight reviews (default: 64)")
    parser.add_argument("--seed", type=int, default=7, help="default: 7")
    parser.add_argument("--train-share", type=float, default=TRAIN_SHARE, help=f"default: {TRAIN_SHARE}")
    args = parser.parse_args()
    for row in generate(args.groups, args.seed, args.train_share):
        sys.stdout.buffer.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")


if __name__ == "__main__":
    main()
