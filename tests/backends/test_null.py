"""The null engine: deterministic in the key, every failure kind in its share, a window of requests in flight."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.backends import null
from listeval.backends.protocol import BackendOptions, Message, Prompt, Request, Sampling
from listeval.contract import Failure, Id, Item, KeyedList, Kind, Parsed, Record, Score
from listeval.errors import UserError


class Scored(Item):
    review_id: Id
    score: Score


IDS = ("A1", 'quo"te', "ünï\ncode", "7000", "B5", "B6", "B7", "B8")


def keyed(ids: Sequence[str] = IDS) -> KeyedList[Scored]:
    return KeyedList(Scored, key="review_id", ids=ids)


def ask(key: str, contract: Any = None) -> Request:
    return Request(key, key, Prompt((Message("user", "?" * 40),)), Sampling(), 0, contract or keyed())


def backend(**options: Any) -> null.NullBackend:
    return null.open("label", BackendOptions(**options))


def test_every_slot_gives_the_kind_that_it_is_named_for() -> None:
    contract = keyed()
    shape = null._Shape(tuple(map(null.json.dumps, IDS)), bytes(range(64)), "review_id", ("score",))
    for _, name, build in null._SHARES:
        draft = build(shape)
        result = contract.parse(draft.text, draft.finish_reason, draft.reasoning)
        kind = result.kind if isinstance(result, Failure) else Kind.OK
        assert kind == name.split(",")[0], (name, result)


def test_shares_are_percentages_and_leave_no_list_failure_out() -> None:
    assert sum(percent for percent, _, _ in null._SHARES) == 100
    other = {Kind.ENGINE_ERROR, Kind.CONSTRAINT_IGNORED, Kind.CONTRACT_OTHER}
    assert {name.split(",")[0] for _, name, _ in null._SHARES} == {*Kind} - other


def test_shares_hold_over_many_keys() -> None:
    contract, counts = keyed(), Counter[str]()
    for done in backend().generate(ask(f"key {i}", contract) for i in range(4000)):
        result = contract.parse(done.text, done.finish_reason, done.reasoning)
        counts[result.kind if isinstance(result, Failure) else "ok"] += 1
    wanted = Counter[str]()
    for percent, name, _ in null._SHARES:
        wanted[name.split(",")[0]] += percent * 40
    # 4.5 standard deviations of a binomial share, on fixed keys.
    for kind, n in wanted.items():
        assert abs(counts[kind] - n) < 4.5 * n**0.5, kind


@given(st.text(), st.lists(st.text(), min_size=1, max_size=12, unique=True))
def test_an_answer_depends_on_the_key_and_the_contract_alone(key: str, ids: list[str]) -> None:
    draft = null.answer(key, keyed(ids))
    assert draft == null.answer(key, keyed(ids))
    assert isinstance(keyed(ids).parse(draft.text, draft.finish_reason, draft.reasoning), Parsed | Failure)


def test_the_answer_to_a_key_is_frozen() -> None:
    """A changed rule must raise RULE_VERSION: rows of the old rule would pass for the new one's."""
    texts = "".join(null.answer(f"k{i}", keyed(("a", "b"))).text for i in range(500))
    assert (null.RULE_VERSION, null.sha256(texts.encode()).hexdigest()[:16]) == (1, "9eaf8445247a089d")


def test_long_lists_are_answered_in_full() -> None:
    contract = keyed([f"R{i}" for i in range(300)])
    drafts = [null.answer(f"k{i}", contract) for i in range(20)]
    assert any(isinstance(contract.parse(draft.text, draft.finish_reason), Parsed) for draft in drafts)


def test_other_contracts_get_an_empty_object() -> None:
    (done,) = backend().generate([ask("k", Record(Scored))])
    assert done.text == "{}"


@pytest.mark.parametrize(("window", "total"), [(1, 5), (4, 10), (64, 10)])
def test_window_is_pulled_before_the_first_completion_and_no_more(window: int, total: int) -> None:
    pulled = []

    def source() -> Iterator[Request]:
        for i in range(total):
            pulled.append(i)
            yield ask(f"k{i}")

    stream = backend(concurrency=window).generate(source())
    assert pulled == []
    for n in range(total):
        assert next(stream).key == f"k{n}"
        assert len(pulled) == min(total, window + n)
    assert next(stream, None) is None


def test_delay_is_time_in_flight_not_time_in_line() -> None:
    found = list(backend(extra={"delay_s": 0.05}).generate(ask(f"k{i}") for i in range(20)))
    assert all(c.latency_s >= 0.05 for c in found)
    # In line, the last of 20 would have waited a second.
    assert found[-1].latency_s < 0.05 * 20


def test_counts_stand_for_tokens() -> None:
    (done,) = backend().generate([ask("k")])
    assert done.n_prompt_tokens == 10
    assert done.n_tokens == len(done.text) // 4


def test_fingerprint_is_that_of_label_and_rule() -> None:
    names = [null.open(name, BackendOptions()).model.fingerprint for name in ("a", "a", "b")]
    assert names[0] == names[1] != names[2]


@pytest.mark.parametrize(
    "options",
    [
        {"concurrency": 0},
        {"tokenizer": "x"},
        *({"extra": {"delay_s": bad}} for bad in (-1, "1", True, float("nan"), float("inf"))),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="null"):
        backend(**options)


def test_score_is_refused() -> None:
    with pytest.raises(UserError, match="log-probabilities"):
        backend().score([[1]])
    backend().close()
