"""Recorded answers: matched to their requests, and every bad file named by line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.backends import replay
from listeval.backends.protocol import BackendOptions, Completion, Message, Prompt, Request, Sampling
from listeval.contract import Item, Record
from listeval.errors import UserError


def ask(example: str, seed: int = 0) -> Request:
    key = f"{example}/{seed}"
    return Request(key, example, Prompt((Message("user", "?"),)), Sampling(), seed, Record(Item))


def write(path: Path, *rows: Any, end: str = "") -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + end, encoding="utf-8")
    return path


def answers(path: Path, *requests: Request) -> list[Completion]:
    return list(replay.open(str(path), BackendOptions()).generate(requests))


def test_rows_are_found_by_example_and_seed(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl",
        {"example": "x", "seed": 1, "text": "x1"},
        {"example": "y", "text": "any seed"},
        {"example": "x", "seed": 0, "text": "x0", "finish_reason": "length", "reasoning": "hm", "n_tokens": 3},
    )
    found = answers(path, ask("y", 7), ask("x", 0), ask("x", 1))
    assert [(c.key, c.text) for c in found] == [("y/7", "any seed"), ("x/0", "x0"), ("x/1", "x1")]
    assert (found[1].finish_reason, found[1].reasoning, found[1].n_tokens) == ("length", "hm", 3)


def named(rows: list[tuple[str, int | None]], style: str) -> list[dict[str, Any]]:
    """Rows of (example, seed), named by one field or by both, which then say different things."""
    found: list[dict[str, Any]] = []
    for name, seed in rows:
        row: dict[str, Any] = {"text": f"{name} {seed}"}
        row |= {"example": {"example": name}, "id": {"id": name}, "both": {"example": name, "id": "other"}}[style]
        found.append(row | ({} if seed is None else {"seed": seed}))
    return found


@given(
    st.sets(st.tuples(st.sampled_from("abcdef"), st.sampled_from([None, 0, 1])), min_size=1),
    st.sampled_from(["example", "id", "both"]),
    st.randoms(use_true_random=False),
)
def test_answers_meet_their_examples_by_name_in_whatever_order(
    tmp_path_factory: pytest.TempPathFactory, rows: set[tuple[str, int | None]], style: str, chance: Any
) -> None:
    shuffled = sorted(rows, key=str)
    chance.shuffle(shuffled)
    path = write(tmp_path_factory.getbasetemp() / "named.jsonl", *named(shuffled, style))
    wanted = [(name, seed) for name in "abcdef" for seed in (0, 1)]
    asked = [ask(name, seed)._replace(place="abcdef".index(name)) for name, seed in wanted]
    for (name, seed), found in zip(wanted, answers(path, *asked), strict=True):
        own = (name, seed) if (name, seed) in rows else (name, None)
        assert found.text == (f"{own[0]} {own[1]}" if own in rows else "")
        assert (found.error is None) is (own in rows)


@pytest.mark.parametrize("unnamed", [{}, {"id": None}, {"id": float("nan")}, {"id": "", "example": None}])
def test_an_id_that_says_nothing_names_nothing(tmp_path: Path, unnamed: dict[str, Any]) -> None:
    path = write(tmp_path / "a.jsonl", {"text": "first", **unnamed}, {"text": "second", **unnamed})
    found = answers(path, ask("x"), ask("y")._replace(place=1))
    assert [c.text for c in found] == ["first", "second"]


def test_a_number_is_an_id_as_in_the_data(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"text": "two", "id": 2}, {"text": "none", "id": 0})
    assert [c.text for c in answers(path, ask("0"), ask("2"))] == ["none", "two"]


XY = {0: ["x", "y"], 1: ["x", "z"]}
"""Examples by seed."""


@pytest.mark.parametrize(
    ("rows", "unmet"),
    [
        ([{"id": "x"}, {"id": "z"}], None),
        ([{"id": "x"}, {"id": "w"}, {"id": "v"}], {"rows": 2, "first": "w"}),
        ([{"example": "x", "seed": 0}, {"example": "z", "seed": 0}], {"rows": 1, "first": "z"}),
        ([{"example": "x", "seed": 0}, {"example": "w", "seed": 7}], None),
        ([{}, {}], None),
        ([{}], {"rows": 1, "examples": 2}),
        ([{}, {}, {}], {"rows": 3, "examples": 2}),
    ],
)
def test_rows_that_meet_no_example_are_told(tmp_path: Path, rows: list[dict[str, Any]], unmet: object) -> None:
    backend = replay.open(str(write(tmp_path / "a.jsonl", *({"text": "t", **row} for row in rows))), BackendOptions())
    backend.meet(XY, None)
    assert backend.settings().get("unmet") == unmet


def test_what_is_told_is_of_the_data_that_was_met_last(tmp_path: Path) -> None:
    backend = replay.open(
        str(write(tmp_path / "a.jsonl", {"text": "t", "id": "x"}, {"text": "t", "id": "w"})), BackendOptions()
    )
    for examples, told in ((XY, True), ({0: ["x", "w"]}, False), (XY, True)):
        backend.meet(examples, None)
        assert ("unmet" in backend.settings()) is told


@pytest.mark.parametrize(("limit", "told"), [(None, True), (1, False), (2, True), (3, True)])
def test_as_many_rows_in_order_as_are_asked_for_are_right(tmp_path: Path, limit: int | None, told: bool) -> None:
    backend = replay.open(str(write(tmp_path / "a.jsonl", "one")), BackendOptions())
    backend.meet(XY, limit)
    assert ("unmet" in backend.settings()) is told


@pytest.mark.parametrize("rows", [[{"id": "chatcmpl-1"}], [{"example": "X"}, {"example": "Y", "seed": 0}]])
def test_rows_of_which_none_names_an_example_are_refused(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    path = write(tmp_path / "a.jsonl", *({"text": "t", **row} for row in rows))
    backend = replay.open(str(path), BackendOptions())
    with pytest.raises(UserError, match="no recorded answer names an example of the data") as caught:
        backend.meet(XY, None)
    assert caught.value.place == str(path) and "'x'" in str(caught.value) and "\n" not in str(caught.value)


def test_rows_without_an_example_are_handed_out_in_order(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", "first", {"text": "second"}, "")
    found = answers(path, *(ask(name)._replace(place=place) for place, name in enumerate("xyzw")))
    assert [c.text for c in found[:3]] == ["first", "second", ""]
    assert [c.error is None for c in found] == [True, True, True, False]


def test_what_was_not_recorded_is_an_error_of_its_own(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"example": "x", "seed": 1, "text": "x1"})
    (done,) = answers(path, ask("x", 2))
    assert done.finish_reason == "error"
    assert done.error == f"no recorded answer for example x (seed 2) in {path}"


def test_a_run_directory_replays_with_its_errors_and_its_last_word(tmp_path: Path) -> None:
    row = {"key": "k", "seed": 0, "finish_reason": "stop", "reasoning": None, "n_tokens": 5, "n_prompt_tokens": 9}
    failed = row | {"finish_reason": "error", "text": ""}
    write(
        tmp_path / "samples.jsonl",
        row | {"example": "a", "text": "[1]"},
        failed | {"example": "b", "error": "timed out"},
        failed | {"example": "c", "error": "timed out"},
        failed | {"example": "d", "error": None, "detail": "prompt too long"},
        row | {"example": "c", "text": "at last"},
        end='{"key": "k", "example": "e", "te',
    )
    found = answers(tmp_path, ask("a"), ask("b"), ask("c"), ask("d"), ask("e"))
    assert [c.text for c in found] == ["[1]", "", "at last", "", ""]
    assert [c.error for c in found[:4]] == [None, "timed out", None, "prompt too long"]
    assert "no recorded answer for example e" in str(found[4].error)
    assert (found[0].n_tokens, found[0].n_prompt_tokens) == (5, 9)


SAID = [
    ("STOP", "stop"), ("end_turn", "stop"), (None, "stop"), ("", "stop"), ("MAX_TOKENS", "length"),
    ("SAFETY", "content_filter"), ("insufficient_system_resource", "error"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "meant"), SAID)
def test_recorded_finish_reasons_are_read_in_any_vendors_words(tmp_path: Path, said: str | None, meant: str) -> None:
    path = write(tmp_path / "a.jsonl", {"text": "[1]", "finish_reason": said})
    (done,) = answers(path, ask("x"))
    assert done.finish_reason == meant


def test_a_recorded_prompt_says_whether_it_opened_a_block(tmp_path: Path) -> None:
    rows = [{"text": "draft [1]", "prompt": "<|assistant|><think>\n"}, {"text": "draft [1]"}]
    found = answers(write(tmp_path / "a.jsonl", *rows), ask("x"), ask("y")._replace(place=1))
    assert [(done.reasoning, done.text) for done in found] == [("draft [1]", ""), (None, "draft [1]")]


def test_a_torn_row_in_the_middle_of_a_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "samples.jsonl").write_text('{"text": "a"\n{"text": "b"}\n', encoding="utf-8")
    with pytest.raises(UserError, match=r"samples\.jsonl:1"):
        replay.open(str(tmp_path), BackendOptions())


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b'"a"\nnot json\n', 2, "not JSON"),
        (b'"a"\n\n{"text": "torn', 3, "not JSON"),
        (b'"a"\n"\xff"\n', 2, "not JSON"),
        (b'"a"\n' + b"[" * 100_000 + b"\n", 2, "not JSON"),
        (b'{"answer": "a"}\n', 1, "no text"),
        (b'{"text": null}\n', 1, "no text"),
        (b"[1]\n", 1, "no text"),
        (b"7\n", 1, "no text"),
        (b'{"text": "a", "example": 3}\n', 1, "example must be"),
        (b'{"text": "a", "id": ["x"]}\n', 1, "example must be"),
        (b'{"text": "a", "id": true}\n', 1, "example must be"),
        (b'{"text": "a", "id": "x", "seed": "0"}\n', 1, "seed an integer"),
        (b'{"text": "a", "id": "x"}\n"b"\n', 2, "some rows name their example"),
        (b'{"text": "a", "id": "x"}\n{"text": "b", "example": "x"}\n', 2, "second answer for example x"),
        (b'{"text": "a", "example": "x", "seed": "0"}\n', 1, "seed an integer"),
        (b'{"text": "a", "finish_reason": "tired"}\n', 1, "unknown finish_reason 'tired'"),
        (b'{"text": "a", "finish_reason": ["stop"]}\n', 1, "unknown finish_reason"),
        (b'{"text": "a", "n_tokens": "many"}\n', 1, "n_tokens is not a count"),
        (b'{"text": "a", "example": "x"}\n"b"\n', 2, "some rows name their example"),
        (b'{"text": "a", "example": "x"}\n{"text": "b", "example": "x"}\n', 2, "second answer for example x"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(tmp_path: Path, content: bytes, line: int, words: str) -> None:
    path = tmp_path / "raw.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserError, match=words) as caught:
        replay.open(str(path), BackendOptions())
    assert caught.value.place == f"{path}:{line}"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_an_empty_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "raw.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match="no rows"):
        replay.open(str(path), BackendOptions())


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.jsonl", tmp_path):
        with pytest.raises(UserError, match="no recorded answers") as caught:
            replay.open(str(path), BackendOptions())
        assert str(path) in caught.value.place


def test_the_fingerprint_is_that_of_the_file(tmp_path: Path) -> None:
    one = replay.open(str(write(tmp_path / "a.jsonl", "x")), BackendOptions())
    same = replay.open(str(write(tmp_path / "b.jsonl", "x")), BackendOptions())
    other = replay.open(str(write(tmp_path / "c.jsonl", "y")), BackendOptions())
    assert one.model.fingerprint == same.model.fingerprint != other.model.fingerprint


def test_an_option_that_would_change_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no use for --batch-size"):
        replay.open(str(write(tmp_path / "a.jsonl", "x")), BackendOptions(batch_size=4))


def test_score_is_refused(tmp_path: Path) -> None:
    backend = replay.open(str(write(tmp_path / "a.jsonl", "x")), BackendOptions())
    with pytest.raises(UserError, match="log-probabilities"):
        backend.score([[1]])
    backend.close()
