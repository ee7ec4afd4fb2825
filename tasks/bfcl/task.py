"""The task `bfcl`: which functions to call, and with what (Berkeley Function-Calling Leaderboard, AST categories)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, zip_longest
from typing import TypedDict, cast

from pydantic import Field
from pydantic_core import to_json

from listeval import (
    Appendix,
    Call,
    Calls,
    CallVerdict,
    Contract,
    Dataset,
    Document,
    Example,
    Expected,
    JsonRow,
    Kind,
    Metric,
    Row,
    Task,
    TaskOptions,
    Verdict,
    check_calls,
    fingerprint,
)

from .accuracy import figures
from .answers import answer, best_calls, contradicted
from .bad import bad_answers
from .categories import category_named
from .prompting import turns
from .readers import Question, read
from .sources import check_wanted, find


class Request(TypedDict):
    """What scoring needs; `untyped` names, by function, the parameters whose documents contradict the answers."""

    category: str
    functions: list[JsonRow]
    ground_truth: list[Expected]
    untyped: Mapping[str, Sequence[str]]


class BfclOptions(TaskOptions):
    """Options of the task."""

    category: str = Field("all", min_length=1, description="one category, several with commas, or all")


class Bfcl(Task[Request, list[Call]]):
    """One request, documents of functions, and the calls that meet it."""

    name = "bfcl"
    version = 1
    summary = "call the right functions with the right arguments"
    Options = BfclOptions
    metrics = (Metric("accuracy", useful=True, bounds=(0.0, 1.0), at=(1, 5, 10)),)
    verdicts = tuple(verdict.value for verdict in CallVerdict)
    seeded = False
    options: BfclOptions

    @property
    def max_tokens(self) -> int:
        """The longest good answers, of six calls or so, take some 500 tokens."""
        return 768

    def load(self, data: str | None, seed: int) -> Dataset:
        """The chosen categories, a question of each in turn, so that `--limit` takes all alike."""
        names = self.options.category.split(",")
        wanted = {category_named(name.strip()) for name in names} - {"all"}
        source = find(data, wanted)
        questions = list(chain.from_iterable(map(read, source.parts)))
        check_wanted(wanted, {question.category for question in questions}, source.name)
        kept = [question for question in questions if not wanted or question.category in wanted]
        examples = _examples(_dealt(kept))
        files = [file for part in source.parts for file in (part.questions, part.answers) if file is not None]
        return Dataset(examples, source.name, fingerprint(files), _counts(examples))

    def contract(self, target: Request) -> Contract[list[Call]]:
        return Calls(_documents(target))

    def gold(self, target: Request) -> str:
        return answer(best_calls(target["ground_truth"], _documents(target)))

    def score(self, targets: Sequence[Request], values: Sequence[list[Call]]) -> list[Verdict]:
        return [_verdict(target, calls) for target, calls in zip(targets, values, strict=True)]

    def bad(self, target: Request) -> Mapping[Kind, str]:
        return bad_answers(best_calls(target["ground_truth"], _documents(target))) if _satisfiable(target) else {}

    def appendix(self, rows: Sequence[Row]) -> Appendix:
        return Appendix(figures=figures(rows))


def _verdict(target: Request, calls: Sequence[Call]) -> Verdict:
    verdict, detail = check_calls(calls, target["ground_truth"], _documents(target))
    return Verdict({"accuracy": float(verdict is CallVerdict.OK)}, verdict.value, detail)


def _documents(target: Request) -> dict[str, Document]:
    """The functions by name; of two with one name the first counts, as for the leaderboard's checker."""
    untyped = target["untyped"]
    documents: dict[str, Document] = {}
    for function in target["functions"]:
        documents.setdefault(function["name"], Document.read(function, untyped.get(function["name"], ())))
    return documents


def _dealt(questions: Iterable[Question]) -> Iterator[Question]:
    """The first question of every category, the second of every category, and so on."""
    decks: dict[str, list[Question]] = {}
    for question in questions:
        decks.setdefault(question.category, []).append(question)
    for hand in zip_longest(*decks.values()):
        yield from (question for question in hand if question is not None)


def _examples(questions: Iterable[Question]) -> list[Example]:
    """Most questions over the same functions are paraphrases of each other: one cluster, named by its first."""
    clusters: dict[bytes, str] = {}
    examples = []
    for question in questions:
        cluster = clusters.setdefault(to_json(question.functions), question.id)
        documents = {document["name"]: Document.read(document) for document in reversed(question.functions)}
        target: Request = {
            "category": question.category,
            "functions": question.functions,
            "ground_truth": question.expected,
            "untyped": contradicted(question.expected, documents),
        }
        examples.append(Example(question.id, turns(question.turns, question.functions), target, cluster))
    return examples


def _counts(examples: Sequence[Example]) -> dict[str, int]:
    """Rows by category; those whose documents contradict their answers; those that no answer satisfies."""
    counts: Counter[str] = Counter(example.target["category"] for example in examples)
    counts["contradicted"] = sum(bool(example.target["untyped"]) for example in examples)
    counts["unsatisfiable"] = sum(not _satisfiable(cast(Request, example.target)) for example in examples)
    return dict(counts)


def _satisfiable(target: Request) -> bool:
    calls = best_calls(target["ground_truth"], _documents(target))
    return _verdict(target, calls).scores["accuracy"] == 1.0
