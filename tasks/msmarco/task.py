"""The task `msmarco`: passages of TREC-DL 2019 and 2020, scored list by list against human grades."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NotRequired, TypedDict

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from listeval import (
    Appendix,
    Contract,
    Dataset,
    Example,
    Id,
    Item,
    KeyedList,
    Kind,
    ListOptions,
    Metric,
    Row,
    Score,
    Task,
    bad_lists,
    list_metrics,
    read_once,
)

from . import sources
from .final import appendix
from .lists import PassageList
from .prompting import KEY, answer, grades_of, messages, shots_for
from .selection import ALL, Selection, pool, reranked, sampled, wanted
from .windows import Window

if TYPE_CHECKING:
    from .passages import Passage, Query
    from .readers import Reading


class Scored(Item):
    """One object of the answer."""

    docid: Id
    score: Score


class Judged(TypedDict):
    """What scoring needs: human grades by docid, in prompt order, None for an unjudged passage.

    A window also says where it stands (`first` of its `windows`), how all passages of the query were judged, and its
    `first_stage` order where the prompt has another.
    """

    grades: Mapping[str, int | None]
    first: NotRequired[int]
    windows: NotRequired[int]
    judged: NotRequired[Mapping[str, int]]
    first_stage: NotRequired[Sequence[str]]


class MsMarcoOptions(ListOptions):
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


class MsMarco(Task[Judged, list[Scored]]):
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
        found = self._select(queries, reading.source, self.options.list_seed(seed))
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

    @read_once
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
        lists = pool(queries, k, self.options.list_seed(seed)) if shots else []
        asked = {item.query.qid: item.query for item in found.kept}
        shown = {qid: shots_for(query, lists, shots) for qid, query in asked.items()}
        examples = []
        for item in found.kept:
            passages = self.options.in_order(item.passages, seed, item.id)
            turns = messages(item.query, passages, shown[item.query.qid])
            examples.append(Example(item.id, turns, _target(item, passages), item.query.qid))
        return examples

    def contract(self, target: Judged) -> Contract[list[Scored]]:
        return KeyedList(Scored, key=KEY, ids=tuple(target["grades"]))

    def gold(self, target: Judged) -> str:
        return answer(target["grades"])

    def score(self, targets: Sequence[Judged], values: Sequence[list[Scored]]) -> list[dict[str, float]]:
        """An unjudged passage has grade 0 for NDCG and no part in tau.

        NDCG of a window without a relevant passage is 0, as in trec_eval: were it left out, contract failures
        would be counted on windows where answers are not.
        """
        scores = [{item.docid: item.score for item in value} for value in values]
        found = list_metrics([target["grades"] for target in targets], scores, (1, 10))
        return [
            {"kendall_tau": one["kendall_tau"]} | {k: 0.0 if isnan(one[k]) else one[k] for k in ("ndcg@1", "ndcg@10")}
            for one in found
        ]

    def bad(self, target: Judged) -> Mapping[Kind, str]:
        return bad_lists(KEY, tuple(target["grades"]))

    def appendix(self, rows: Sequence[Row]) -> Appendix:
        return appendix(rows)


def _target(item: PassageList | Window, passages: Sequence[Passage]) -> Judged:
    """`passages` are those of the item, as the prompt shows them."""
    if not isinstance(item, Window):
        return {"grades": grades_of(passages)}
    judged = {str(grade): n for grade, n in item.query.judged.items()}
    target: Judged = {"grades": grades_of(passages), "first": item.first, "windows": item.of, "judged": judged}
    if passages != item.passages:
        target["first_stage"] = [passage.docid for passage in item.passages]
    return target
