"""Mutated answers through parse and score: no exception, exactly one kind each, memory bounded."""

import math
import random
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from listeval.contract import Kind
from listeval.plugins.open import make_task
from listeval.runs.make_rows import parse_and_score
from listeval.runs.rows import Row, encode
from tests.contract.test_hostile import mutate

TASK = make_task("fashion", {})
EXAMPLES = TASK.load(None, 0).examples
KINDS = {kind.value for kind in Kind} - {Kind.ENGINE_ERROR.value}


def row(text, target, finish="stop"):
    return {**dict.fromkeys(Row.__annotations__), "text": text, "target": target, "finish_reason": finish, "key": ""}


def flip_bytes(text, rng):
    """Up to eight random bytes of the UTF-8 form overwritten; what no longer decodes becomes a lone surrogate."""
    data = bytearray(text.encode("utf-8", "surrogatepass"))
    for _ in range(rng.choice((1, 1, 2, 8))):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return data.decode("utf-8", "surrogateescape")


def check(rows):
    parse_and_score(TASK, rows)
    for judged in rows:
        assert judged["kind"] in KINDS
        assert (judged["kind"] == "ok") == bool(judged["scores"]) == (judged["value"] is not None)
        for name, value in judged["scores"].items():
            assert value is None or math.isfinite(value), name
            assert value is None or (0 <= value <= 10 if name == "mae" else -1 - 1e-9 <= value <= 1 + 1e-9)


def fuzz(answers, seed):
    rng, seen = random.Random(seed), set()
    for _ in range(answers // 100):
        rows = []
        for _ in range(100):
            example = rng.choice(EXAMPLES)
            gold = TASK.gold(example.target)
            text = flip_bytes(gold, rng) if rng.random() < 0.5 else mutate(gold, rng)
            rows.append(row(text, example.target, rng.choice(("stop", "stop", "stop", "length"))))
        check(rows)
        seen |= {judged["kind"] for judged in rows}
    return seen


def test_mutated_answers_are_judged():
    assert {"ok", "truncated", "malformed_json", "unknown_id", "missing_key"} <= fuzz(3_000, seed=1)


@pytest.mark.slow
def test_100_000_mutated_answers_in_bounded_memory():
    fuzz(1_000, seed=2)
    tracemalloc.start()
    fuzz(10_000, seed=3)
    early = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    fuzz(90_000, seed=4)
    late = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert late < early + 2**20


@given(st.text(st.characters(exclude_categories=())), st.sampled_from(["stop", "length", "content_filter"]))
@settings(max_examples=200, deadline=None)
def test_any_text_is_judged(text, finish):
    check([row(text, EXAMPLES[0].target, finish)])


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=8, max_size=8))
@settings(max_examples=200, deadline=None)
def test_any_finite_scores_are_scored_and_stored(scores):
    ids = EXAMPLES[0].target["grades"]
    text = (
        "["
        + ",".join(f'{{"review_id":"{name}","score":{score!r}}}' for name, score in zip(ids, scores, strict=True))
        + "]"
    )
    judged = row(text, EXAMPLES[0].target)
    check([judged])
    assert judged["kind"] == "ok"
    assert encode(judged)
