"""Each check finds what it is for, names the example at fault, and survives a plug-in that raises."""

import json

import pytest
from pydantic import BaseModel

from listeval import (
    Dataset,
    Example,
    Id,
    Item,
    KeyedList,
    Kind,
    Message,
    Metric,
    Record,
    Score,
    Task,
    Unscored,
    Verdict,
)
from listeval.contract.strictness import laxity
from listeval.errors import UserError
from listeval.plugins.check import CheckState, check_task
from listeval.plugins.version import record_version


class Answer(Item):
    word: str


class Echo(Task):
    """A sound task; tests break one part of it at a time."""

    name, version, summary = "echo", 1, "repeat"
    metrics = (Metric("same", bounds=(0.0, 1.0)), Metric("length"))
    verdicts = ("right", "wrong")
    words = ("a", "b")
    asks = "say {}"

    def load(self, data, seed):
        rows = [Example(w, (Message("user", self.asks.format(w)),), {"word": w}) for w in self.words]
        return Dataset(rows, "inline", "1", {})

    def contract(self, target):
        return Record(Answer)

    def gold(self, target):
        return f'{{"word": "{target["word"]}"}}'

    def score(self, targets, values):
        same = [v.word == t["word"] for t, v in zip(targets, values, strict=True)]
        return [Verdict({"same": float(x), "length": 1.0}, "right" if x else "wrong", "why") for x in same]

    def bad(self, target):
        return {Kind.EMPTY: "", Kind.MISSING_KEY: "{}"}


def findings(task, template=None):
    found = list(check_task(task, task.load(None, 0), task.load(None, 0), template))
    return {finding.check: (finding.state, finding.text) for finding in found}


def broken(**parts):
    return type("Broken", (Echo,), parts)()


def test_a_sound_task_passes():
    found = findings(Echo())
    assert [found[name][0] for name in ("data", "gold", "bad")] == [CheckState.OK] * 3
    assert "2 gold answers parse and score 1.0 (same)" in found["gold"][1]


class Part(BaseModel):
    n: int


class Whole(Item):
    word: str
    parts: list[Part] = []


FAULTS = {
    "ids repeat": ("data", {"words": ("a", "a")}, "id 'a'"),
    "no examples": ("data", {"words": ()}, "no example in inline"),
    "gold breaks the contract": ("gold", {"gold": lambda self, target: '{"word": 3}'}, "'a' is bad_value"),
    "gold is wrong": ("gold", {"gold": lambda self, target: '{"word": "z"}'}, "'a' scores same 0 (wrong: why)"),
    "gold is unscored": ("gold", {"score": lambda self, t, v: [Unscored("no sandbox")] * len(t)}, "no sandbox"),
    "no best score": ("gold", {"metrics": (Metric("length"),)}, "no metric has bounds"),
    "score raises": ("gold", {"score": lambda self, t, v: [1 / 0]}, "ZeroDivisionError"),
    "bad is good": ("bad", {"bad": lambda self, target: {Kind.EMPTY: '{"word": "x"}'}}, "is ok, not empty"),
    "bad of another kind": ("bad", {"bad": lambda self, target: {Kind.EMPTY: "{}"}}, "is missing_key, not empty"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_fails_its_own_check(fault):
    check, parts, text = FAULTS[fault]
    found = findings(broken(**parts))
    assert found[check][0] is CheckState.FAILED
    assert text in found[check][1]
    assert [name for name, (state, _) in found.items() if state is CheckState.FAILED] == [check]


def test_a_lax_model_of_the_contract_itself_is_named():
    found = findings(broken(contract=lambda self, target: Record(Part)))
    assert found["gold"] == (CheckState.FAILED, laxity(Part))
    listed = findings(broken(contract=lambda self, target: KeyedList(Part, key="n", ids=("1",))))
    assert "Part does not say strict=True and extra='forbid'" in listed["gold"][1]
    assert laxity(Whole) == ""


def test_a_lax_model_within_the_contract_is_named():
    found = findings(broken(contract=lambda self, target: Record(Whole)))
    for check in ("gold", "bad"):
        assert found[check][0] is CheckState.FAILED
        assert "Part does not say strict=True and extra='forbid'" in found[check][1]


def test_undefined_metrics_of_a_gold_answer_are_no_pass():
    nothing = broken(score=lambda self, t, v: [{"same": float("nan"), "length": 1.0} for _ in t])
    assert findings(nothing)["gold"] == (
        CheckState.FAILED, "the gold answer of 'a' scores nothing: same is undefined",
    )  # fmt: skip


def test_a_task_that_draws_anew_is_found_out():
    task, draws = Echo(), iter(("first", "second"))
    first, second = (Dataset([Example(word, (), {})], "inline", "1", {}) for word in draws)
    found = {f.check: f for f in check_task(task, first, second, None)}
    assert found["data"].state is CheckState.FAILED


def test_what_cannot_be_checked_is_skipped_and_says_so():
    found = findings(broken(bad=lambda self, target: {}))
    assert found["bad"][0] is found["prompts"][0] is CheckState.SKIPPED


class Rated(Item):
    id: Id
    score: Score


@pytest.mark.parametrize(
    ("scores", "more", "state", "said"),
    [
        ([7, 0], {}, CheckState.OK, "can write the 2 gold answers"),
        ([7.5, 10.0], {}, CheckState.OK, "can write"),
        (
            [7, 57],
            {},
            CheckState.FAILED,
            'gold answer of \'a\': \'e": 7}, {"id": "y", "score": 5\' cannot go on with \'7}]\'',
        ),
        ([7, 57], {"scale": (0, 100)}, CheckState.OK, "can write"),
        (
            [7, 2.25],
            {},
            CheckState.FAILED,
            "cannot go on with '5}]'; bounds in the fields or KeyedList(scale=..., decimals=...)",
        ),
        ([7, 2.25], {"decimals": 2}, CheckState.OK, "can write"),
    ],
)
@pytest.mark.parametrize("spaced", [{}, {"separators": (",", ":")}, {"indent": 3}])
def test_a_constrained_decoder_must_reach_the_gold_answers(scores, more, state, said, spaced):
    rows = [{"id": name, "score": score} for name, score in zip("xy", scores, strict=True)]
    task = broken(
        contract=lambda self, target: KeyedList(Rated, key="id", ids=("x", "y"), **more),
        gold=lambda self, target: json.dumps(rows, **spaced),
        score=lambda self, t, v: [{"same": 1.0} for _ in t],
        bad=lambda self, target: {},
    )
    found = findings(task)["reach"]
    assert found[0] is state
    assert spaced or said in found[1]


def test_what_no_permutation_can_write_is_skipped():
    class Worded(Rated):
        why: str

    listed = broken(contract=lambda self, target: KeyedList(Worded, key="id", ids=("x", "y")))
    assert findings(listed)["reach"] == (
        CheckState.SKIPPED,
        "--constraint schema alone: the field 'why' is no plain number, and a permutation decodes numbers alone",
    )
    assert findings(Echo())["reach"][0] is CheckState.SKIPPED


class TestVersion:
    def test_the_first_check_records_and_the_next_compares(self, tmp_path):
        assert record_version(Echo(), tmp_path).text == "version 1 recorded in version.json"
        assert record_version(Echo(), tmp_path).text == "version 1, prompts unchanged"

    def test_a_task_that_failed_a_check_is_not_recorded(self, tmp_path):
        assert record_version(Echo(), tmp_path, sound=False).state is CheckState.SKIPPED
        assert not (tmp_path / "version.json").exists()

    def test_a_changed_prompt_needs_a_new_version(self, tmp_path):
        record_version(Echo(), tmp_path)
        assert record_version(broken(asks="repeat {}"), tmp_path).state is CheckState.FAILED
        assert (
            record_version(broken(asks="repeat {}", version=2), tmp_path).text == "version 2 recorded in version.json"
        )
        assert record_version(Echo(), tmp_path).state is CheckState.FAILED

    def test_tasks_of_one_folder_do_not_disturb_each_other(self, tmp_path):
        record_version(Echo(), tmp_path)
        record_version(broken(name="other", asks="x {}"), tmp_path)
        assert record_version(Echo(), tmp_path).text == "version 1, prompts unchanged"

    @pytest.mark.parametrize("text", ["", "[]", '{"echo": {"version": "x"}}'])
    def test_a_damaged_record_is_named(self, tmp_path, text):
        (tmp_path / "version.json").write_text(text)
        with pytest.raises(UserError, match=r"version\.json"):
            record_version(Echo(), tmp_path)
