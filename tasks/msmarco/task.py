"""The task `msmarco`: passages of TREC-DL 2019 and 2020, scored list by list against human grades."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from listeval.contract import Contract, Id, Item, KeyedList, Kind, Score
from listeval.kit.listwise import bad_answers, by_example
from listeval.task import Appendix, Dataset, Example, Metric, Target, Task, TaskOptions

from . import sources
from .final import appendix
from .lists import PassageList
from .prompting import KEY, answer, grades_of, turns, worked_examples
from .selection import ALL, Selection, pool, reranked, sampled, wanted
from .windows import Window

if TYPE_CHECKING:
    from listeval.runs.rows import Row

    from .passages import Query
    from .readers import Reading


class Scored(Item):
    """One object of the answer."""

    docid: Id
    score: Score


class MsMarcoOptions(TaskOptions):
    """Options of the task."""

    k: int = Field(8, ge=2, description="passages in a list")
    mode: Literal["sample", "rerank"] = Field("sample", description="lists of judged passages, or a first-stage list")
    split: str = Field(ALL, description="dl19, dl20, another split that the data names, or all")
    cap: int = Field(8, ge=0, description="sample: most lists of one query, 0 for all")
    first_stage: str = Field("BM25", description="rerank: run whose list is cut into windows")
    depth: int = Field(100, ge=2, description="rerank: places of the list to re-rank")
    stride: int = Field(0, ge=0, description="rerank: places from one window to the next, 0 for half of k")
    shots: int = Field(0, ge=0, description="worked examples before the question, from queries of another split")

    @field_validator("stride")
    @classmethod
    def _windows_meet(cls, stride: int, info: ValidationInfo) -> int:
        if stride > info.data.get("k", stride):
            raise PydanticCustomError("stride", "more than k would leave out passages between windows")
        return stride


class MsMarco(Task):
    """Listwise passage ranking."""

    name = "msmarco"
    version = 1
    summary = "score K passages by how well they answer a query (TREC-DL 2019 and 2020)"
    metrics = (
        Metric("kendall_tau", bounds=(-1.0, 1.0)),
        Metric("ndcg@1", useful=True, bounds=(0.0, 1.0)),
        Metric("ndcg@10", bounds=(0.0, 1.0)),
    )
    Options = MsMarcoOptions
    options: MsMarcoOptions

    @property
    def max_tokens(self) -> int:
        """An object with a seven-digit docid takes some 25 tokens."""
        return 64 + 32 * self.options.k

    def load(self, data: str | None, seed: int) -> Dataset:
        reading = self._read(data)
        queries = wanted(reading.queries, self.options.split, reading.source)
        found = self._select(queries, reading.source, seed)
        counts = {
            "queries": len(reading.queries) + reading.unjudged,
            "unjudged": reading.unjudged,
            "other_splits": len(reading.queries) - len(queries),
            **found.counts,
        }
        examples = self._examples(found, reading.queries, seed)
        if data is None:
            return Dataset(examples, f"{self.name} sample", reading.fingerprint, counts, "generated sample")
        return Dataset(examples, reading.source, reading.fingerprint, counts)

    def _read(self, data: str | None) -> Reading:
        if data == "hub":
            return sources.hub(self.options.first_stage)
        return sources.local(Path(data) if data is not None else Path(__file__).with_name("sample.jsonl"))

    def _select(self, queries: Sequence[Query], source: str, seed: int) -> Selection:
        o = self.options
        if o.mode == "sample":
            return sampled(queries, k=o.k, cap=o.cap, seed=seed, source=source)
        stride = o.stride or o.k // 2
        return reranked(queries, o.first_stage, depth=o.depth, k=o.k, stride=stride, seed=seed, source=source)

    def _examples(self, found: Selection, queries: Sequence[Query], seed: int) -> list[Example]:
        k, shots = self.options.k, self.options.shots
        lists = pool(queries, k, seed) if shots else []
        asked = {item.query.qid: item.query for item in found.kept}
        shown = {qid: worked_examples(query, lists, shots) for qid, query in asked.items()}
        return [
            Example(item.id, turns(item.query, item.passages, shown[item.query.qid]), _target(item), item.query.qid)
            for item in found.kept
        ]

    def contract(self, target: Target) -> Contract[list[Scored]]:
        return KeyedList(Scored, key=KEY, ids=tuple(target["grades"]))

    def gold(self, target: Target) -> str:
        return answer(target["grades"])

    def score(self, targets: Sequence[Target], values: Sequence[Any]) -> list[dict[str, float]]:
        """An unjudged passage has grade 0 for NDCG and no part in tau.

        NDCG of a window without a relevant passage is 0, as in trec_eval: were it left out, contract failures
        would be counted on windows where answers are not.
        """
        from numpy import nan_to_num

        from listeval.scoring import ranking

        if not targets:
            return []
        named = [{item.docid: item.score for item in value} for value in values]
        scores = ranking.padded([[score[id] for id in t["grades"]] for t, score in zip(targets, named, strict=True)])
        gains = ranking.padded([[grade or 0 for grade in t["grades"].values()] for t in targets])
        grades = ranking.padded([[nan if grade is None else grade for grade in t["grades"].values()] for t in targets])
        columns = (ranking.kendall_tau(grades, scores), *nan_to_num(ranking.ndcg_at(gains, scores, (1, 10))))
        return by_example(dict(zip([metric.name for metric in self.metrics], columns, strict=True)))

    def bad(self, target: Target) -> Mapping[Kind, str]:
        return bad_answers(KEY, tuple(target["grades"]))

    def appendix(self, rows: Sequence[Row]) -> Appendix:
        return appendix(rows)


def _target(item: PassageList | Window) -> dict[str, Any]:
    """A window also says where it stands and how all passages of the query were judged."""
    target: dict[str, Any] = {"grades": grades_of(item.passages)}
    if isinstance(item, Window):
        judged = {str(grade): n for grade, n in item.query.judged.items()}
        target |= {"first": item.first, "windows": item.of, "judged": judged}
    return target
