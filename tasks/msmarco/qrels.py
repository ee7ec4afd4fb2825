"""Human grades in TREC's form: a line `qid 0 docid grade` a judgement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain

from listeval import DataFile, UserError, text_lines

from .forms import grade_of

Qrels = dict[str, dict[str, int]]
"""Grade by docid by qid."""


def read_qrels(files: Sequence[DataFile]) -> Qrels:
    """All judgements of the files. Raises UserError with the line for anything that is none, and for a second grade."""
    qrels: Qrels = {}
    for place, line in chain.from_iterable(map(text_lines, files)):
        fields = line.split()
        try:
            qid, _, docid, value = fields
            grade = grade_of(value)
            if grade is None:
                raise ValueError(f"{value!r} is no grade")
        except ValueError as error:
            cause = f"not a judgement: {error if len(fields) == 4 else f'{len(fields)} fields'}"
            raise UserError(cause, place=place, fix="a line of qrels is 'qid 0 docid grade', grades 0 to 3") from None
        if qrels.setdefault(qid, {}).setdefault(docid, grade) != grade:
            cause = f"passage {docid} of query {qid} has two grades"
            raise UserError(cause, place=place, fix="keep one of its lines")
    return qrels


def counts(grades: dict[str, int]) -> dict[int, int]:
    """How many passages of a query have each grade."""
    return dict(sorted(Counter(grades.values()).items()))
