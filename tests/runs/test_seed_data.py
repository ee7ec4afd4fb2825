"""The data of a run's seeds: what fits is read once, what does not is read again in turn, and neither changes a row."""

from __future__ import annotations

import sys
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from listeval.backends.protocol import Message
from listeval.contract import Item, Record
from listeval.errors import UserError
from listeval.runs import RunConfig, run, seed_data
from listeval.runs.preparation import load_data, row_key
from listeval.runs.row_decoder import read_rows
from listeval.task import Dataset, Example, Task

SEEDS = (4, 2, 9, 7)


class Counted(Task):
    """Three examples a seed; notes each reading."""

    name, version, summary, metrics = "counted", 1, "counts", ()
    contract = gold = score = lambda *_: None

    def __init__(self):
        super().__init__()
        self.loads, self.fingerprint = [], "f"

    def load(self, data, seed):
        self.loads.append(seed)
        examples = [Example(f"{seed}-{n}", (Message("user", f"{seed}/{n}"),), {}) for n in range(3)]
        return Dataset(examples, "here", self.fingerprint, {"examples": 3})


def config(**changes):
    return RunConfig(task="counted", model="m", backend="null", **{"seeds": SEEDS, **changes})


def test_what_fits_is_read_once(monkeypatch):
    monkeypatch.setattr(seed_data, "MOST_HELD", 12)
    task = Counted()
    data = load_data(task, config())
    assert [data[seed].examples[0].id for seed in SEEDS] == ["4-0", "2-0", "9-0", "7-0"]
    assert task.loads == list(SEEDS)


def test_what_does_not_fit_is_read_again_in_turn_and_let_go(monkeypatch):
    monkeypatch.setattr(seed_data, "MOST_HELD", 11)
    task = Counted()
    data = load_data(task, config())
    assert task.loads == list(SEEDS)
    for seed in SEEDS:
        assert [example.id for example in data[seed].examples] == [f"{seed}-{n}" for n in range(3)]
        assert data[seed] is data[seed]
        assert len(data._held) <= 2
    # The first seed's data are never let go.
    assert task.loads == [*SEEDS, *SEEDS[1:]]
    assert list(data) == list(SEEDS) and len(data) == 4 and 9 in data and 1 not in data


@pytest.mark.parametrize("held", [0, 100])
def test_heads_say_what_the_data_say_whether_they_are_held_or_not(monkeypatch, held):
    monkeypatch.setattr(seed_data, "MOST_HELD", held)
    data = load_data(Counted(), config(limit=2))
    assert data.asked == 8
    assert [head.entry.counts for head in data.heads.values()] == [{"examples": 3}] * 4
    assert load_data(Counted(), config(samples=("9-1", "2-0"))).asked == 2
    with pytest.raises(UserError, match=r"no example '9-5' \(here\). Fix: ids look like '4-0'"):
        load_data(Counted(), config(samples=("9-1", "9-5")))


def test_data_that_changed_in_between_are_refused(monkeypatch):
    monkeypatch.setattr(seed_data, "MOST_HELD", 0)
    task = Counted()
    data = load_data(task, config())
    task.fingerprint = "g"
    assert data[4].fingerprint == "f"
    with pytest.raises(UserError, match="the data of seed 9 changed while the run was under way"):
        data[9]


def test_a_run_that_reads_again_makes_the_same_rows(monkeypatch, tmp_path):
    asked = RunConfig(task="fashion", model="null", backend="null", options={"split": "all"}, seeds=(0, 1, 2))
    runs = []
    for held in (0, 10**6):
        monkeypatch.setattr(seed_data, "MOST_HELD", held)
        runs.append(run(asked.model_copy(update={"out": str(tmp_path / str(held))})))
    rows = [
        sorted(({**row, "latency_s": 0} for row in read_rows(made.path / "samples.jsonl")), key=lambda row: row["key"])
        for made in runs
    ]
    assert rows[0] == rows[1] and {row["seed"] for row in rows[0]} == {0, 1, 2}
    assert runs[0].manifest.data == runs[1].manifest.data
    assert runs[0].manifest.identity == runs[1].manifest.identity


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_a_row_s_key_is_the_hash_of_its_content_as_json_and_costs_the_prompt_no_memory(contents):
    # A copy: the strategy's own may have been encoded before.
    messages = tuple(Message("user", "".join(list(content))) for content in contents)
    sizes = [sys.getsizeof(message.content) for message in messages]
    contract = Record(Item)
    key = row_key(b"run", Example("e", messages, {}), 3, contract)
    assert [sys.getsizeof(message.content) for message in messages] == sizes
    told = to_json(["e", 3, [("user", message.content) for message in messages], contract.spec()])
    assert key == sha256(b"run" + told).hexdigest()[:32]
