"""The full-list figures of a re-ranking run, from its rows alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from listeval import Appendix, Row, trec_ndcg, trec_run

from .windows import merged

_K = 10
_TAG = "listeval"


class _Reranked(NamedTuple):
    """One query once all its windows have answered."""

    qid: str
    first_stage: list[str]
    final: list[str]
    scored: set[str]
    grades: Mapping[str, int | None]
    judged: Mapping[int, int]

    def ndcg(self, ranking: Sequence[str], only: set[str] | None = None) -> float:
        """NDCG@10 of a ranking; with `only`, all other passages gain nothing where they stand."""
        gains = [(self.grades[docid] or 0) if only is None or docid in only else 0 for docid in ranking]
        return trec_ndcg(gains, self.judged, _K)


def appendix(rows: Sequence[Row]) -> Appendix:
    """Run file and figures over the queries of which every window was asked; nothing for sampled lists.

    Several seeds are several runs: a file each, figures as their mean.
    """
    by_seed: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        if "windows" in row["target"]:
            by_seed[row["seed"]].append(row)
    runs = {seed: found for seed, of_seed in sorted(by_seed.items()) if (found := _queries(of_seed))}
    if not runs:
        return Appendix()
    names = {seed: "run.trec" if len(by_seed) == 1 else f"run.seed-{seed}.trec" for seed in runs}
    files = {names[seed]: _run_file(queries) for seed, queries in runs.items()}
    each = [_figures(queries) for queries in runs.values()]
    return Appendix(files, {name: fmean(figures[name] for figures in each) for name in each[0]})


def _queries(rows: Sequence[Row]) -> list[_Reranked]:
    by_query: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        # What the engine or the harness failed is owed again: the model has not had its say.
        if row["outcome"] == "scored":
            by_query[row["cluster"]].append(row)
    complete = {qid: found for qid, found in by_query.items() if len(found) == found[0]["target"]["windows"]}
    return [_reranked(qid, found) for qid, found in sorted(complete.items())]


def _reranked(qid: str, rows: Sequence[Row]) -> _Reranked:
    grades: dict[str, int | None] = {}
    scores: dict[str, list[float]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row["target"]["first"]):
        target = row["target"]
        grades |= {docid: target["grades"][docid] for docid in target.get("first_stage") or target["grades"]}
        for item in row["value"] or ():
            scores[item["docid"]].append(item["score"])
    first_stage = list(grades)
    judged = {int(grade): n for grade, n in rows[0]["target"]["judged"].items()}
    return _Reranked(qid, first_stage, merged(first_stage, scores), set(scores), grades, judged)


def _run_file(queries: Sequence[_Reranked]) -> str:
    return "".join(f"{line}\n" for query in queries for line in trec_run(query.final, query.qid, _TAG))


def _figures(queries: Sequence[_Reranked]) -> dict[str, float]:
    return {
        "full_queries": float(len(queries)),
        f"first_stage_ndcg@{_K}": fmean(query.ndcg(query.first_stage) for query in queries),
        f"full_ndcg@{_K}": fmean(query.ndcg(query.final) for query in queries),
        f"useful_full_ndcg@{_K}": fmean(query.ndcg(query.final, query.scored) for query in queries),
    }
