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


class Judge(Echo):
    """An answer with an error that grows, in a range that each case names; `gold` has none."""

    metrics = (Metric("same", useful=True, bounds=(0.0, 1.0)), Metric("error", bounds=(0.0, 4.0), less_is_better=True))
    words = ("a", "bb", "cccc")
    sign, worth = 1.0, 1.0

    def score(self, targets, values):
        apart = [abs(len(v.word) - len(t["word"])) for t, v in zip(targets, values, strict=True)]
        return [{"same": float(not x) * self.worth, "error": self.sign * x} for x in apart]


def with_metrics(*metrics):
    return {"metrics": metrics}


def always(same, error):
    return {"score": lambda self, targets, values: [{"same": same, "error": error} for _ in targets]}


def better_for_others(self, targets, values):
    return [{"same": 1.0 + (v.word != t["word"]), "error": 0.0} for t, v in zip(targets, values, strict=True)]


SAME, ERROR = Judge.metrics
REVERSED = SAME._replace(useful=False, less_is_better=True)
DIRECTIONS = {
    "gold errs": (always(1.0, 2.0), "scores error 2, where 0 is best"),
    "a reversed metric": (with_metrics(REVERSED), "scores same 1, where 0 is best"),
    "a direction that is not said": (with_metrics(SAME, Metric("error", bounds=(0.0, 4.0))), "less_is_better=True"),
    "an open range, not said": (with_metrics(SAME, Metric("error", bounds=(0.0, None))), "less_is_better=True"),
    "an error that goes below its least": ({"sign": -1.0}, "scores error -1, better than 0"),
    "useful, and less is better": (with_metrics(SAME._replace(less_is_better=True)), "choose one"),
    "a best that is not 1": (with_metrics(SAME._replace(bounds=(0.0, 5.0))), "scores same 1"),
    "nobody is wrong": (always(1.0, 0.0), "all score as well as it"),
    "another answer is better": ({"score": better_for_others}, "scores same 2, better than 1"),
}


@pytest.mark.parametrize("fault", DIRECTIONS)
def test_gold_is_best_and_others_are_worse_whichever_way_a_metric_goes(fault):
    parts, text = DIRECTIONS[fault]
    found = findings(type("Broken", (Judge,), parts)())
    assert found["gold"][0] is CheckState.FAILED and text in found["gold"][1], found["gold"]
    assert [name for name, (state, _) in found.items() if state is CheckState.FAILED] == ["gold"]


OPEN = ERROR._replace(bounds=(0.0, None))
SOUND = {
    "less is better": ({}, "1.0 (same) and 0.0 where less is better (error); 3 of 3 other answers score worse"),
    "a best of five": ({**with_metrics(SAME._replace(bounds=(0.0, 5.0)), ERROR), "worth": 5.0}, "5.0 (same) and"),
    "an open count of faults": (with_metrics(SAME, OPEN), "0.0 where less is better (error)"),
    "a metric that goes no way": (with_metrics(SAME, Metric("error")), "1.0 (same); 3 of 3"),
    "equal gold answers": ({"words": ("a",)}, "1 gold answers parse and score 1.0 (same)"),
    "unlabelled": ({"labelled": lambda self, target: target["word"] == "a"}, "2 parse, and no answer to them is right"),
}


@pytest.mark.parametrize("case", SOUND)
def test_what_is_sound_passes(case):
    parts, text = SOUND[case]
    state, said = findings(type("Sound", (Judge,), parts)())["gold"]
    assert state is CheckState.OK and text in said, said


class Ranked(Echo):
    """Lists, where no other example's gold answer has the right ids."""

    metrics = (Metric("first", bounds=(0.0, 1.0)), Metric("error", bounds=(0.0, None), less_is_better=True))
    blind = False

    def load(self, data, seed):
        rows = [Example(w, (Message("user", w),), {"ids": [w + "1", w + "2"]}) for w in self.words]
        return Dataset(rows, "inline", "1", {})

    def contract(self, target):
        return KeyedList(Rated, key="id", ids=tuple(target["ids"]))

    def gold(self, target):
        return json.dumps([{"id": name, "score": 5 - at} for at, name in enumerate(target["ids"])])

    def bad(self, target):
        return {}

    def score(self, targets, values):
        right = [v[0].score > v[1].score or self.blind for v in values]
        return [{"first": float(x), "error": float(not x)} for x in right]


def test_the_values_of_a_list_in_reverse_are_another_answer():
    assert "2 of 2 other answers score worse" in findings(Ranked())["gold"][1]
    assert findings(type("Blind", (Ranked,), {"blind": True})())["gold"][0] is CheckState.FAILED
