"""Contract parse and classification of list answers against json.loads, pydantic and jsonschema.

The peers say only "valid" or "invalid"; ours also says which of twenty kinds. Peers get the raw text, except where an
answer is fenced: there they get the usual one-line cut from the first `[` to the last `]`, inside the timing. Before
anything is timed, each label is compared with what its fixture was built to be.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, NamedTuple, Self

from annotated_types import Len
from pydantic import BaseModel, ConfigDict, RootModel, ValidationError, model_validator

from benchmarks.harness import Contender, Goal, Report, arguments, interleave, publish
from listeval.contract import Failure, Flag, Id, Item, KeyedList, Kind, Score

ITEMS, ANSWERS = 8, 64
VALID, FAILING = Goal(most=1.3), Goal(most=3)


class Scored(Item):
    """The object of the contract under test."""

    review_id: Id
    score: Score


class Plain(BaseModel):
    """The same object as a user of pydantic writes it: strict, without numeric strings."""

    model_config = ConfigDict(strict=True, extra="forbid")

    review_id: str
    score: float


class PlainList(RootModel[Annotated[list[Plain], Len(ITEMS, ITEMS)]]):
    """Exactly K of them, no id twice. It cannot say that the ids are the example's: less work than the contract's."""

    @model_validator(mode="after")
    def unique(self) -> Self:
        """Refuse an id that stands twice."""
        if len({item.review_id for item in self.root}) != len(self.root):
            raise ValueError("an id stands twice")
        return self


class Answer(NamedTuple):
    """A fixture and its truth."""

    contract: KeyedList[Scored]
    text: str
    finish_reason: str
    kind: Kind
    flags: tuple[Flag, ...]


Break = Callable[[list[dict[str, Any]]], tuple[str, str, Kind, tuple[Flag, ...]]]


def _fenced(items: list[dict[str, Any]]) -> tuple[str, str, Kind, tuple[Flag, ...]]:
    return f"```json\n{json.dumps(items)}\n```", "stop", Kind.OK, (Flag.FENCED,)


def _malformed(items: list[dict[str, Any]]) -> tuple[str, str, Kind, tuple[Flag, ...]]:
    parts = [json.dumps(item) for item in items]
    # The comma that lacks is at another place in every answer: a parser that stops there has read half on average.
    lacks = sum(map(ord, items[0]["review_id"])) % (ITEMS - 1)
    return f"[{', '.join(parts[: lacks + 1])} {', '.join(parts[lacks + 1 :])}]", "stop", Kind.MALFORMED_JSON, ()


def _duplicate(items: list[dict[str, Any]]) -> tuple[str, str, Kind, tuple[Flag, ...]]:
    return json.dumps([*items[:-1], items[0]]), "stop", Kind.DUPLICATE_ID, ()


CASES: dict[str, Break] = {
    "valid": lambda items: (json.dumps(items), "stop", Kind.OK, ()),
    "fenced": _fenced,
    "truncated": lambda items: (json.dumps(items)[:-25], "length", Kind.TRUNCATED, ()),
    "malformed": _malformed,
    "duplicate": _duplicate,
    "missing": lambda items: (json.dumps(items[:-1]), "stop", Kind.MISSING_ID, ()),
}


def main() -> None:
    """Check the labels, time every case and a mix of all, publish."""
    options = arguments(__doc__)
    report = Report("parse")
    answers = {name: sample(name) for name in CASES}
    wrong = sum(labels(answer) != (answer.kind, answer.flags) for group in answers.values() for answer in group)
    report.facts["labels that differ from the fixture's truth"] = f"{wrong} of {len(CASES) * ANSWERS}"
    failing = [name for name in CASES if answers[name][0].kind is not Kind.OK]
    for name, group in answers.items():
        time_case(report, name, group, options.rounds, FAILING if name in failing else VALID)
    time_case(report, "the four failing in equal parts", mix(answers, failing), options.rounds, FAILING)
    time_case(report, "all six in equal parts", mix(answers, list(CASES)), options.rounds)
    publish(report, ["pydantic", "pydantic-core", "jsonschema"], dry=options.dry)
    if wrong:
        raise SystemExit("labels differ from the fixtures' truth: the figures are void")


def sample(case: str) -> list[Answer]:
    """Answers of one case over different ids and scores."""
    rng = random.Random(case)
    answers = []
    for _ in range(ANSWERS):
        ids = ["R" + "".join(rng.choices("ABCDEFGHJKLMNPQRSTUVWXYZ0123456789", k=9)) for _ in range(ITEMS)]
        items = [{"review_id": name, "score": round(rng.uniform(0, 10), 1)} for name in ids]
        rng.shuffle(items)
        answers.append(Answer(KeyedList(Scored, key="review_id", ids=ids), *CASES[case](items)))
    return answers


def mix(answers: Mapping[str, Sequence[Answer]], names: Sequence[str]) -> list[Answer]:
    """Answers of several cases, by turns."""
    return [answer for group in zip(*(answers[name] for name in names), strict=True) for answer in group]


def labels(answer: Answer) -> tuple[Kind, tuple[Flag, ...]]:
    """What the contract says of an answer."""
    found = answer.contract.parse(answer.text, answer.finish_reason)
    return (found.kind if isinstance(found, Failure) else Kind.OK), found.flags


def time_case(report: Report, name: str, answers: Sequence[Answer], rounds: int, goal: Goal | None = None) -> None:
    """Ours against the three peers on the same answers."""
    validate = PlainList.__pydantic_validator__.validate_json
    calls = [(answer.contract.parse, answer.text, answer.finish_reason) for answer in answers]
    fresh = [(answer.contract.ids, answer.text, answer.finish_reason) for answer in answers]

    def ours() -> None:
        for parse, text, reason in calls:
            parse(text, reason)

    def bound() -> None:
        for ids, text, reason in fresh:
            KeyedList(Scored, key="review_id", ids=ids).parse(text, reason)

    contenders = [
        Contender("listeval", ours, len(answers)),
        Contender("listeval, contract built for each answer", bound, len(answers)),
        Contender("pydantic", _peer([validate] * len(answers), answers), len(answers)),
        Contender("json.loads", _peer([json.loads] * len(answers), answers), len(answers)),
        *_jsonschema(answers),
    ]
    seconds = interleave(contenders, rounds=rounds)
    report.compare(name, seconds, "listeval", "pydantic", goal)
    report.compare(name, seconds, contenders[1].name, "pydantic")
    for peer in contenders[3:]:
        report.compare(name, seconds, "listeval", peer.name)


def _peer(reads: Sequence[Callable[[str], object]], answers: Sequence[Answer]) -> Callable[[], None]:
    """A peer over all answers, each with its reader; an invalid one costs it its own exception."""
    calls = [(read, a.text, Flag.FENCED in a.flags) for read, a in zip(reads, answers, strict=True)]

    def call() -> None:
        for read, text, cut in calls:
            try:
                read(text[text.find("[") : text.rfind("]") + 1] if cut else text)
            except (ValidationError, ValueError):
                continue

    return call


def _jsonschema(answers: Sequence[Answer]) -> list[Contender]:
    """json.loads and jsonschema with each contract's own schema (which cannot say that ids are unique)."""
    try:
        from jsonschema import Draft202012Validator
    except ImportError:
        return []

    def reader(answer: Answer) -> Callable[[str], bool]:
        is_valid = Draft202012Validator(answer.contract.json_schema()).is_valid
        return lambda text: is_valid(json.loads(text))

    reads = [reader(answer) for answer in answers]
    return [Contender("json.loads + jsonschema", _peer(reads, answers), len(answers))]


if __name__ == "__main__":
    main()
