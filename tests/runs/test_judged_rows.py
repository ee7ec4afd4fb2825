"""Figures of a run whose texts are too many to hold: the same as of all its rows, from a part of each."""

from __future__ import annotations

import json
import re
from typing import get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.comparison import compare
from listeval.errors import UserError
from listeval.plugins.registry import load_task
from listeval.report.page.run_page import runs_page
from listeval.runs import Run, RunConfig, load_run, rescore, run, store
from listeval.runs.row_decoder import read_rows
from listeval.runs.rows import Row
from listeval.runs.stored_row import JudgedRow, StoredRow
from listeval.task import Appendix
from tests.row_shapes import stored


def config(out, **changes):
    told = {"task": "fashion", "model": "null", "backend": "null", "options": {"split": "all"}, "seeds": (0, 1, 2)}
    return RunConfig(**{**told, "out": str(out), **changes})


@pytest.fixture
def light(monkeypatch):
    """Reads runs without their texts; counts how often a whole row was asked for."""
    monkeypatch.setattr(store, "_MANY_TEXTS", 0)
    whole = []

    def read(*args, original=store.read_stored):
        if args[-1] is StoredRow:
            whole.append(args)
        return original(*args)

    monkeypatch.setattr(store, "read_stored", read)
    return whole


def what_follows(found: Run):
    return found.summary.to_json(), found.notices, found.hidden, found.strays, found.to_json()


def test_every_row_is_a_judged_row():
    row, judged, stored = (get_type_hints(kind, include_extras=True) for kind in (Row, JudgedRow, StoredRow))
    assert {name: row[name] for name in judged} == judged
    undecoded = {"value", "target", "prompt"}
    assert row.keys() - judged.keys() - undecoded == {"span", "text", "latency_s", "error"}
    assert {name: stored[name] for name in row.keys() - undecoded} == {
        name: row[name] for name in row.keys() - undecoded
    }
    assert set(StoredRow.__struct_encode_fields__) == row.keys()


@given(
    st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text(), lambda x: st.lists(x, max_size=3)),
    st.dictionaries(st.text(), st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)),
    st.text(), st.text(),
)  # fmt: skip
def test_a_row_is_the_same_whatever_of_it_is_decoded_when(value, target, prompt, text):
    (row,) = stored({"value": value, "target": target, "prompt": prompt, "text": text, "span": [1, 2]})
    whole = row.row()
    assert list(whole) == list(Row.__annotations__)
    assert (whole["value"], whole["target"], whole["prompt"], whole["text"]) == (value, target, prompt, text)
    assert (row.target, row.prompt) == (target, prompt) and StoredRow.of(whole) == row
    assert msgspec.to_builtins(JudgedRow.of(whole)) == {name: whole[name] for name in JudgedRow.__struct_fields__}


DAMAGE = {"prompt": b'"\xff"', "target": b'{"\xff": 1}', "value": b'["\xff"]'}
READ = {
    "rows": lambda run: run.rows,
    "every": lambda run: run.every,
    "a frame": lambda run: run.frame(),
    "the file": lambda run: list(read_rows(run.path / "samples.jsonl")),
    "scores": lambda run: rescore(run.path),
}


def damaged(made, name, line, kind="ok"):
    """The run with damage to a text of its row in `line`, which is of `kind`; read anew."""
    path = made.path / "samples.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    held = json.dumps(json.loads(lines[line - 1])[name], ensure_ascii=False, separators=(",", ":"))
    held_there = rb'(?<="%b":)%b' % (name.encode(), re.escape(held.encode()))
    replaced, n = re.subn(held_there, lambda _: DAMAGE[name], lines[line - 1])
    assert n == 1
    lines[line - 1] = replaced.replace(b'"kind":"ok"', b'"kind":"%b"' % kind.encode())
    path.write_bytes(b"".join(lines))
    return load_run(made.path)


@pytest.mark.parametrize("read", READ)
@pytest.mark.parametrize("name", DAMAGE)
def test_a_text_that_is_damaged_is_told_with_its_line_and_sample(tmp_path, name, read):
    made = damaged(run(config(tmp_path / "run", seeds=(0,), limit=3, model="gold")), name, 2)
    with pytest.raises(UserError, match=f"'{name}' is damaged") as raised:
        READ[read](made)
    assert raised.value.place.startswith(f"{made.path / 'samples.jsonl'}:2, example '")
    assert raised.value.place.endswith("seed 0")


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("name", ["prompt", "target"])
def test_a_damaged_text_of_a_compared_run_is_told_with_its_run(tmp_path, name, at):
    runs = [run(config(tmp_path / arm, seeds=(0,), limit=3, model="gold")) for arm in "ab"]
    path = damaged(runs[at], name, 2).path
    with pytest.raises(UserError, match=f"'{name}' is damaged") as raised:
        compare([one.path for one in runs])
    assert raised.value.place.startswith(f"{path / 'samples.jsonl'}:2, example '")


def test_a_target_that_is_damaged_in_both_runs_is_told_too(tmp_path):
    runs = [run(config(tmp_path / arm, seeds=(0,), limit=3, model="gold")) for arm in "ab"]
    for one in runs:
        damaged(one, "target", 2)
    with pytest.raises(UserError, match="'target' is damaged") as raised:
        compare([one.path for one in runs])
    assert raised.value.place.startswith(f"{runs[0].path / 'samples.jsonl'}:2, ")


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_text_is_told_by_a_repair_with_its_run(tmp_path, name):
    path = damaged(run(config(tmp_path / "run", seeds=(0,), limit=3, model="gold")), name, 2, kind="missing_id").path
    with pytest.raises(UserError, match=f"'{name}' is damaged") as raised:
        compare([path, f"{path}+permutation"])
    assert raised.value.place.startswith(f"{path / 'samples.jsonl'}:2, ")


def test_a_damaged_text_is_told_by_a_page_with_its_run(tmp_path):
    made = damaged(run(config(tmp_path / "run", seeds=(0,), limit=3, model="gold")), "prompt", 2)
    with pytest.raises(UserError, match="'prompt' is damaged") as raised:
        runs_page([made])
    assert raised.value.place.startswith(f"{made.path / 'samples.jsonl'}:2, ")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"attempts": 3, "reask": "explain"},
        {"model": "faults", "max_tokens": 8},
        {"task": "json", "options": {}, "seeds": (0,)},
        {"options": {"split": "all", "order": "shuffled"}},
    ],
)
def test_figures_are_the_same_with_and_without_texts(tmp_path, changes, monkeypatch):
    made = run(config(tmp_path / "run", **changes))
    written = (made.path / "metrics.json").read_bytes()
    whole = what_follows(load_run(made.path))
    monkeypatch.setattr(store, "_MANY_TEXTS", 0)
    assert what_follows(load_run(made.path)) == whole
    (made.path / "metrics.json").unlink()
    again = run(made.manifest.config)
    assert (again.path / "metrics.json").read_bytes() == written


def test_a_smaller_scope_and_strays_are_the_same_too(tmp_path, light):
    made = run(config(tmp_path / "run"))
    with (made.path / "samples.jsonl").open("ab") as file:
        file.write((made.path / "samples.jsonl").read_bytes().splitlines(keepends=True)[0])
    part = load_run(made.path)
    part.manifest.config = part.manifest.config.model_copy(update={"limit": 3, "seeds": (0, 2)})
    assert (part.hidden, len(part.strays), part.summary.n) == (len(made.rows) - 6, 1, 6)
    assert [row.key for row in part.judged] == [row["key"] for row in part.rows]


def test_a_run_reads_no_texts_back_unless_its_task_asks_for_them(tmp_path, light, monkeypatch):
    made = run(config(tmp_path / "run"))
    what_follows(made)
    assert light == []
    assert made.rows[0]["prompt"] and len(light) == 1

    seen = []
    monkeypatch.setattr(load_task("fashion"), "appendix", lambda task, rows: seen.extend(rows) or Appendix())
    run(config(tmp_path / "run"))
    assert seen[0]["prompt"] and len(light) == 2
