"""The task protocol: what a plug-in may leave unsaid, what is read once, and whose seeds share their data."""

from __future__ import annotations

import pytest

from listeval.errors import UserError
from listeval.plugins.open import make_task
from listeval.plugins.registry import code_of, load_task
from listeval.runs import RunConfig
from listeval.runs.preparation import load_data
from listeval.task import Dataset, Example, Task, read_once


class Drawn(Task):
    """Counts how often it is asked."""

    name, version, summary, metrics = "drawn", 1, "counts", ()
    contract = gold = score = lambda *_: None

    def __init__(self):
        super().__init__()
        self.loads, self.reads = [], []

    def load(self, data, seed):
        self.loads.append(seed)
        return Dataset([Example(self.read(data), (), {})], "here", "", {})

    @read_once
    def read(self, data, *, again=False):
        """What is there."""
        self.reads.append(data)
        if data == "broken":
            raise UserError("no such file")
        return f"read {data}"


class Same(Drawn):
    seeded = False


def test_seeds_that_share_their_data_load_it_once():
    config = RunConfig(task="drawn", model="m", backend="null", seeds=[3, 5, 7], system="Be brief.")
    drawn, same = Drawn(), Same()
    each, shared = load_data(drawn, config), load_data(same, config)
    assert (drawn.loads, same.loads) == ([3, 5, 7], [3])
    assert each == shared and list(shared) == [3, 5, 7]
    assert drawn.reads == [None]


def test_a_method_that_reads_once_reads_each_data_once():
    one, other = Drawn(), Drawn()
    assert [one.read("a"), one.read("b"), one.read("a")] == ["read a", "read b", "read a"]
    assert one.read("a", again=True) == "read a"
    assert one.reads == ["a", "b", "a"]
    assert other.read("a") == "read a" and other.reads == ["a"]
    assert Drawn.read.__doc__ == "What is there."


def test_an_error_is_not_kept():
    task = Drawn()
    for _ in range(2):
        with pytest.raises(UserError, match="no such file"):
            task.read("broken")
    assert task.reads == ["broken", "broken"]


@pytest.mark.parametrize(("name", "seeded"), [("gsm8k", False), ("mbpp", False), ("bfcl", False), ("fashion", True)])
def test_a_task_says_whether_its_seeds_differ(name, seeded):
    task = make_task(name, {})
    first, second = task.load(None, 0), task.load(None, 1)
    assert task.seeded is seeded
    assert ([e.id for e in first.examples] != [e.id for e in second.examples]) is seeded
    assert first.fingerprint == second.fingerprint


def test_the_registry_says_what_a_task_s_code_is():
    assert Drawn().code == ""
    found = load_task("gsm8k")
    assert found().code == code_of(found) != ""
    assert load_task("fashion")().code not in ("", found().code, load_task("baby")().code)
