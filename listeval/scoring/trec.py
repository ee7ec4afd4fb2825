"""TREC run files, and NDCG of a ranked list as trec_eval computes it from such a file and the qrels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import fsum, log2


def trec_run(ranking: Sequence[str], qid: str, tag: str) -> Iterable[str]:
    """`qid Q0 docid rank score tag`, best first.

    Scores are whole numbers that fall by one, so that no tool has ties to break or float32 to round.
    """
    for rank, docid in enumerate(ranking, 1):
        yield f"{qid} Q0 {docid} {rank} {len(ranking) + 1 - rank} {tag}"


def trec_ndcg(ranked: Sequence[float], judged: Mapping[int, int], k: int) -> float:
    """NDCG@k in [0, 1] of grades in ranked order, unjudged as 0, against the best list of all judged passages.

    `judged` counts the passages of each grade in the qrels, retrieved or not. Gain and discount
    are trec_eval's: the grade itself (below zero: none) and 1 / log2(rank + 1). Zero where no
    grade is positive.
    """
    ideal = [grade for grade in sorted(judged, reverse=True) for _ in range(min(judged[grade], k)) if grade > 0]
    best = _dcg(ideal[:k])
    return _dcg(ranked[:k]) / best if best else 0.0


def _dcg(grades: Sequence[float]) -> float:
    return fsum(max(grade, 0.0) / log2(rank + 1) for rank, grade in enumerate(grades, 1))
