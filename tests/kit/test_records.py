"""Known-bad answers of one object land in the kinds that they are named for."""

from __future__ import annotations

import pytest

from listeval.contract import Failure, Item, Kind, Record
from listeval.kit.records import bad_records, record_answer


class One(Item):
    word: str


class Two(Item):
    word: str
    times: int


@pytest.mark.parametrize(
    ("model", "good", "bad"),
    [(One, {"word": "so"}, {"word": 3}), (Two, {"word": "é {x}", "times": 2}, {"word": "é", "times": "twice"})],
)
def test_each_kind(model, good, bad):
    contract = Record(model)
    assert not isinstance(contract.parse(record_answer(good)), Failure)
    found = bad_records(good, bad, "Twice the word.")
    assert set(found) == {
        Kind.MISSING_KEY, Kind.EXTRA_KEY, Kind.BAD_VALUE, Kind.WRONG_TYPE, Kind.MALFORMED_JSON, Kind.NO_JSON,
        Kind.REFUSAL, Kind.EMPTY,
    }  # fmt: skip
    for kind, text in found.items():
        failure = contract.parse(text)
        assert isinstance(failure, Failure)
        assert failure.kind is kind, text
