"""Figures of a run whose texts are too many to hold: the same as of all its rows, from a part of each."""

from __future__ import annotations

import pytest

from listeval.plugins.registry import load_task
from listeval.runs import Run, RunConfig, load_run, run, store
from listeval.runs.rows import JudgedRow, Row
from listeval.task import Appendix


def config(out, **changes):
    told = {"task": "fashion", "model": "null", "backend": "null", "options": {"split": "all"}, "seeds": (0, 1, 2)}
    return RunConfig(**{**told, "out": str(out), **changes})


@pytest.fixture
def light(monkeypatch):
    """Reads runs without their texts; counts how often a whole row was asked for."""
    monkeypatch.setattr(store, "_MANY_TEXTS", 0)
    whole = []

    def read(*args, original=store.read_stored):
        whole.append(args)
        return original(*args)

    monkeypatch.setattr(store, "read_stored", read)
    return whole


def what_follows(found: Run):
    return found.summary.to_json(), found.notices, found.hidden, found.strays, found.to_json()


def test_every_row_is_a_judged_row():
    kinds = Row.__annotations__
    assert {name: kinds[name] for name in JudgedRow.__annotations__} == JudgedRow.__annotations__
    assert kinds.keys() - JudgedRow.__annotations__.keys() == {
        "span", "value", "target", "text", "latency_s", "prompt", "error",
    }  # fmt: skip


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
    assert [row["key"] for row in part._judged] == [row["key"] for row in part.rows]


def test_a_run_reads_no_texts_back_unless_its_task_asks_for_them(tmp_path, light, monkeypatch):
    made = run(config(tmp_path / "run"))
    what_follows(made)
    assert light == []
    assert made.rows[0]["prompt"] and len(light) == 1

    seen = []
    monkeypatch.setattr(load_task("fashion"), "appendix", lambda task, rows: seen.extend(rows) or Appendix())
    run(config(tmp_path / "run"))
    assert seen[0]["prompt"] and len(light) == 2
