"""Makes queries and passages with planted grades, so that ranking passages by relevance can be learned.

    python tasks/msmarco/generate.py --seed 7 > tasks/msmarco/sample.jsonl

A passage's grade is a function of what it says: 3 where a sentence answers the query in full, 2
where one answers a part of it, 1 where all sentences are about its subject only, 0 where they
are about something else, some of them in the query's own words. A few passages are left
unjudged, and a few judged ones have no text, as in TREC-DL. The first-stage list is BM25.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import log
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from listeval import write_rows

PHRASES = Path(__file__).with_name("phrases.json")

_MAIN = {3: "full", 2: "part", 1: "near", 0: "trap"}
"""Which sentences decide a grade."""

_JUDGED = (3, 3, 3, 2, 2, 2, 2, *[1] * 8, *[0] * 9)
"""Grades of a query's judged passages: three lists of eight, and two odd ones of each end."""

_UNJUDGED = (2, 1, 0, 0, 0)
"""What unjudged passages would have got."""

_K1, _B = 0.9, 0.4
"""Anserini's parameters of BM25."""


class _Draft(NamedTuple):
    """A passage before it has a place in a list."""

    docid: str
    text: str
    grade: int | None


def generate(seed: int, topics: int | None = None) -> Iterator[dict[str, Any]]:
    """Rows of the form of joined candidates (README.md), one topic each, at most `topics` of them."""
    phrases = json.loads(PHRASES.read_text(encoding="utf-8"))
    taken: set[str] = set()
    for number, topic in enumerate(phrases["topics"][:topics], 1):
        rng = Random(f"{seed}/{number}")
        others = [other for other in phrases["topics"] if other is not topic]
        drafts = _drafts(rng, topic, others, phrases["filler"], taken)
        judged = Counter({grade: rng.randrange(1, 4) for grade in (0, 1, 2)})
        judged.update(draft.grade for draft in drafts if draft.grade is not None)
        yield {
            "qid": f"q{number:02d}",
            "query": topic["query"],
            **({"split": topic["split"]} if "split" in topic else {}),
            "qrels_by_grade": {str(grade): n for grade, n in sorted(judged.items())},
            "candidates": _ranked(topic["query"], drafts),
        }


def _drafts(
    rng: Random, topic: Mapping[str, Any], others: Sequence[Mapping[str, Any]], filler: Sequence[str], taken: set[str]
) -> list[_Draft]:
    """A query's passages, no text twice."""
    drafts: dict[str, _Draft] = {}
    for place, grade in enumerate((*_JUDGED, *_UNJUDGED)):
        text = _text(rng, grade, topic, others, filler)
        while text in drafts:
            text = _text(rng, grade, topic, others, filler)
        drafts[text] = _Draft(_new_id(rng, taken), text, grade if place < len(_JUDGED) else None)
    return list(drafts.values())


def _text(
    rng: Random, grade: int, topic: Mapping[str, Any], others: Sequence[Mapping[str, Any]], filler: Sequence[str]
) -> str:
    """One deciding sentence, up to two that decide nothing, and at times a filler."""
    other = rng.choice(others)
    main = rng.choice(topic[_MAIN[grade]]) if grade or rng.random() < 0.5 else rng.choice(other["full"])
    beside = rng.sample((topic if grade else other)["near"], rng.choice((1, 1, 2) if grade == 1 else (0, 1, 1, 2)))
    sentences = list(dict.fromkeys([main, *beside]))
    rng.shuffle(sentences)
    return " ".join([*sentences, *rng.sample(filler, rng.choice((0, 0, 1)))])


def _new_id(rng: Random, taken: set[str]) -> str:
    """Seven digits, as most passages of MS MARCO have."""
    while True:
        docid = str(rng.randrange(1_000_000, 10_000_000))
        if docid not in taken:
            taken.add(docid)
            return docid


def _ranked(query: str, drafts: Sequence[_Draft]) -> list[dict[str, Any]]:
    """Candidates in the order of BM25 over the query's own passages, ties by docid."""
    scores = _bm25(query, [draft.text for draft in drafts])
    order = sorted(zip(scores, drafts, strict=True), key=lambda pair: (-pair[0], pair[1].docid))
    return [
        {"docid": d.docid, "text": d.text, "rel": d.grade, "runs": {"BM25": {"rank": rank, "score": score}}}
        for rank, (score, d) in enumerate(order, 1)
    ]


def _bm25(query: str, texts: Sequence[str]) -> list[float]:
    """Robertson & Zaragoza 2009, with words for terms; to four decimals, so that every machine agrees."""
    bags = [Counter(_words(text)) for text in texts]
    mean = sum(bag.total() for bag in bags) / len(bags)
    scores = [0.0] * len(bags)
    for word in dict.fromkeys(_words(query)):
        found = sum(word in bag for bag in bags)
        weight = log(1 + (len(bags) - found + 0.5) / (found + 0.5))
        for at, bag in enumerate(bags):
            scores[at] += weight * bag[word] / (bag[word] + _K1 * (1 - _B + _B * bag.total() / mean))
    return [round(score, 4) for score in scores]


def _words(text: str) -> list[str]:
    return [word.strip(".,:;?!()") for word in text.lower().split()]


def main() -> None:
    """Write rows as JSON lines to the standard output."""
    parser = argparse.ArgumentParser(description="Make queries and passages with planted grades.")
    parser.add_argument("--seed", type=int, default=7, help="default: 7")
    args = parser.parse_args()
    write_rows(generate(args.seed), sys.stdout.buffer)


if __name__ == "__main__":
    main()
