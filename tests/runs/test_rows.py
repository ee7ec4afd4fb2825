"""The journal: whole rows or none, a torn line owed again, a later row winning."""

import errno
import os

import pytest

from listeval.errors import UserError
from listeval.runs.row_decoder import read_rows
from listeval.runs.rows import Row, RowWriter, done_keys, encode

KEYS = list(Row.__annotations__)


def row(key, outcome="scored", **changes):
    texts = dict.fromkeys(("example", "cluster", "detail", "finish_reason", "prompt"), "")
    counts = dict.fromkeys(("index", "seed", "missing", "n_tokens", "n_prompt_tokens", "latency_s"), 0)
    filled = texts | counts | {"kind": "ok", "flags": [], "scores": {}, "target": {}, "text": 'é\n"'}
    return {**dict.fromkeys(KEYS), **filled, "key": key, "outcome": outcome, **changes}


def write(path, *rows):
    journal = RowWriter(path)
    journal.append(rows)
    journal.close()


def test_row_fields_are_frozen():
    assert " ".join(KEYS) == (
        "key outcome reason example index seed cluster kind detail flags span missing bare scores verdict value target "
        "text reasoning finish_reason n_tokens n_prompt_tokens latency_s masked prompt error attempts"
    )


def test_a_refused_prompt_is_owed_and_another_unscored_row_is_not(tmp_path):
    path = tmp_path / "samples.jsonl"
    write(path, row("a", "unscored", reason="prompt_too_long"), row("b", "unscored", reason="score: boom"))
    assert done_keys(path) == {"b"}


def test_rows_come_back_as_they_went(tmp_path):
    path = tmp_path / "samples.jsonl"
    write(path, row("a", scores={"tau": float("nan")}, span=(1, 2)), row("b"))
    first, second = read_rows(path)
    assert (first["text"], first["scores"], first["span"], second["key"]) == ('é\n"', {"tau": None}, [1, 2], "b")


def test_a_later_row_replaces_an_earlier_one(tmp_path):
    path = tmp_path / "samples.jsonl"
    write(path, row("a", "error"), row("b"))
    assert done_keys(path) == {"b"}
    write(path, row("a", detail="again"))
    assert done_keys(path) == {"a", "b"}
    assert {r["key"]: r["detail"] for r in read_rows(path)} == {"a": "again", "b": ""}


@pytest.mark.parametrize("kept", [0, 1, 40, -1])
def test_a_torn_last_line_is_owed_and_cut_off(tmp_path, kept):
    path = tmp_path / "samples.jsonl"
    torn = encode(row("b"))[:kept]
    path.write_bytes(encode(row("a")) + torn)
    assert done_keys(path) == {"a"}
    assert [r["key"] for r in read_rows(path)] == ["a"]
    write(path, row("b"), row("c"))
    assert [r["key"] for r in read_rows(path)] == ["a", "b", "c"]


def test_a_torn_line_longer_than_the_search_block(tmp_path):
    path = tmp_path / "samples.jsonl"
    path.write_bytes(encode(row("a")) + encode(row("b", text="x" * 200_000))[:-1])
    write(path, row("c"))
    assert [r["key"] for r in read_rows(path)] == ["a", "c"]


def test_a_broken_line_in_the_middle_is_named(tmp_path):
    path = tmp_path / "samples.jsonl"
    path.write_bytes(encode(row("a")) + b'{"key": 1\n' + encode(row("b")))
    with pytest.raises(UserError, match=r"samples\.jsonl:2"):
        list(read_rows(path))


@pytest.mark.parametrize("at", [1, 2, 700, 1_400])
def test_a_damaged_line_of_many_blocks_is_named_by_its_own_number(tmp_path, at):
    path = tmp_path / "samples.jsonl"
    lines = [encode(row(f"{number:04x}", text="x" * 1_000)) for number in range(1_400)]
    lines[at - 1] = encode(row("a", text=7))
    path.write_bytes(b"".join(lines))
    with pytest.raises(UserError, match="'text' is damaged") as raised:
        list(read_rows(path))
    assert raised.value.place.endswith(f"samples.jsonl:{at}")


@pytest.mark.parametrize("size", [1 << 18, (1 << 18) + 1, 1 << 20])
def test_a_line_longer_than_a_block_is_read_whole(tmp_path, size):
    path = tmp_path / "samples.jsonl"
    write(path, row("a", text="x" * size), row("b"), row("c", text="y" * size), row("d"))
    assert [(r["key"], len(r["text"])) for r in read_rows(path)] == [("a", size), ("b", 3), ("c", size), ("d", 3)]


@pytest.mark.parametrize(
    "damage",
    [lambda line: line[:-1] + line, lambda line: line.replace(b",", b",\n", 1), lambda line: b"\n" + line],
    ids=["two in one line", "one over two lines", "an empty line"],
)
def test_what_is_not_one_row_a_line_is_named(tmp_path, damage):
    path = tmp_path / "samples.jsonl"
    path.write_bytes(encode(row("a")) + damage(encode(row("b"))) + encode(row("c")))
    with pytest.raises(UserError, match=r"samples\.jsonl:2"):
        list(read_rows(path))


def test_a_full_disk_keeps_every_whole_row(tmp_path, monkeypatch):
    path = tmp_path / "samples.jsonl"
    journal = RowWriter(path)
    journal.append([row("a")])
    real = os.write

    def half(handle, data):
        if len(data) > 5:
            return real(handle, bytes(data)[:5])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(UserError, match="No space left on device"):
        journal.append([row("b")])
    monkeypatch.undo()
    journal.close()
    assert path.read_bytes() == encode(row("a"))


def test_rows_from_before_a_field_was_added_are_still_read(tmp_path):
    path = tmp_path / "samples.jsonl"
    later = ("verdict", "masked", "bare", "attempts")
    old = {name: value for name, value in row("a").items() if name not in later}
    path.write_bytes(encode(old))
    found = next(read_rows(path))
    assert (found["verdict"], found["bare"], found["attempts"]) == (None, None, None)


def test_fields_that_no_row_of_ours_has_are_left_out(tmp_path):
    path = tmp_path / "samples.jsonl"
    path.write_bytes(encode({**row("a"), "later": 1}))
    assert list(next(read_rows(path))) == KEYS


DAMAGE = {
    "key": "", "outcome": "won", "reason": 1, "index": -1, "seed": 2**60, "kind": "no_such", "flags": "fenced",
    "span": [3, 1], "missing": 0.5, "bare": 1, "scores": {"tau": 1e300}, "target": None, "text": None,
    "latency_s": "x", "masked": True, "attempts": {},
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_a_field_that_does_not_hold_what_a_run_writes_is_named(tmp_path, name):
    path = tmp_path / "samples.jsonl"
    path.write_bytes(encode(row("a")) + encode({**row("b"), name: DAMAGE[name]}))
    with pytest.raises(UserError, match=rf"^a row's '{name}' is damaged") as raised:
        list(read_rows(path))
    assert raised.value.place.endswith("samples.jsonl:2")


def test_a_damaged_row_from_before_a_field_was_added_is_named_too(tmp_path):
    path = tmp_path / "samples.jsonl"
    old = {name: value for name, value in row("a", text=7).items() if name != "attempts"}
    path.write_bytes(encode(old))
    with pytest.raises(UserError, match="'text' is damaged"):
        list(read_rows(path))
