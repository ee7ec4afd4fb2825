"""From lists to chat turns: the question, and worked examples before it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from listeval import Message, list_answer, prompt_template, turns, worked_examples

from .lists import PassageList
from .passages import TOP_GRADE, Passage, Query

KEY = "docid"
"""The field that names a passage in an answer."""

_TOP_SCORE = 10


def answer(grades: Mapping[str, int | None]) -> str:
    """The JSON list that scores as the humans graded: 0, 3, 7, 10 for grades 0 to 3, unjudged as 0."""
    return list_answer(KEY, {docid: round((grade or 0) * _TOP_SCORE / TOP_GRADE) for docid, grade in grades.items()})


def grades_of(passages: Iterable[Passage]) -> dict[str, int | None]:
    """Grade by docid, in prompt order."""
    return {passage.docid: passage.grade for passage in passages}


def question(query: Query, passages: Sequence[Passage]) -> str:
    """The prompt of one list; texts stand as they are."""
    return prompt_template(Path(__file__).with_name("prompt.jinja"))(query=query.text, passages=passages)


def messages(query: Query, passages: Sequence[Passage], examples: Sequence[PassageList]) -> tuple[Message, ...]:
    """Each worked example as a user and an assistant turn, then the question."""
    shown = [(question(one.query, one.passages), answer(grades_of(one.passages))) for one in examples]
    return turns(shown, question(query, passages))


def shots_for(query: Query, pool: Sequence[PassageList], shots: int) -> list[PassageList]:
    """`shots` lists of the pool, of as many other queries and of another split than the question's.

    A query that asks the same is no other, whatever its id: its grades would be the question's own.
    Raises UserError where the pool has too few.
    """
    taken, asked = {query.qid}, query.text.split()

    def fits(candidate: PassageList) -> bool:
        other = candidate.query
        if other.qid in taken or other.split == query.split or other.text.split() == asked:
            return False
        taken.add(other.qid)
        return True

    return worked_examples(pool, shots, fits, f"query {query.qid}", "another split")
