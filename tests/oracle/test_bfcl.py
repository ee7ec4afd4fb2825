"""The contract and the checker together against BFCL's own checker, on real answers, on changes to them, and at random.

An answer is right where it keeps the contract and the checker says `ok`; this must be what
`bfcl_eval`'s AST checker says of the same calls. No difference is known: 1,985 gold answers and
some 300,000 changes to them agree, and none makes the official checker crash. (Crashes are met at
random only: there any verdict but right is accepted.)
"""

import json
from random import Random

import pytest
from bfcl_mutations import mutations
from bfcl_official import official_checker
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from listeval.contract import Parsed
from listeval.contract.documents import Document
from tasks.bfcl.answers import contradicted
from tasks.bfcl.task import Bfcl

TASK = Bfcl()

REFUSED = {
    "live_multiple_862-181-3": "expects an argument that its document does not have",
    "live_multiple_964-207-0": "expects an argument that its document does not have",
    "live_simple_112-68-0": "accepts no value at all for arguments that it does not let be left out",
}
"""Rows whose gold answer the official checker refuses, and with it every other answer."""


@pytest.fixture(scope="module")
def official():
    return official_checker()


@pytest.fixture(scope="module")
def examples(shared_data):
    return TASK.load(str(shared_data / "bfcl"), 0).examples


def right(target, calls):
    parsed = TASK.contract(target).parse(json.dumps(calls))
    return isinstance(parsed, Parsed) and TASK.score([target], [parsed.value])[0].name == "ok"


def verdicts(official, target, calls):
    return right(target, calls), official(target["functions"], calls, target["ground_truth"], target["category"])


def differences(official, example):
    """(change, ours, theirs) where the two disagree; at least 20 changes are tried."""
    target = example.target
    tried, found = 0, []
    for change, calls in mutations(
        json.loads(TASK.gold(target)), target["functions"], target["ground_truth"], example.id
    ):
        ours, theirs = verdicts(official, target, calls)
        tried += change != "gold"
        if ours is not theirs:
            found.append((example.id, change, ours, theirs))
    assert tried >= 20, example.id
    return found


def test_every_gold_answer_has_the_same_verdict(official, examples):
    found = {e.id: verdicts(official, e.target, json.loads(TASK.gold(e.target))) for e in examples}
    assert {name for name, (ours, theirs) in found.items() if ours is not theirs} == set()
    assert {name for name, (ours, _) in found.items() if not ours} == set(REFUSED)


def test_changed_answers_have_the_same_verdict(official, examples):
    chosen = Random(7).sample(examples, 60)
    assert [difference for example in chosen for difference in differences(official, example)] == []


@pytest.mark.slow
def test_all_changed_answers_have_the_same_verdict(official, examples):
    assert [difference for example in examples for difference in differences(official, example)] == []


def test_changed_answers_to_the_sample_have_the_same_verdict(official):
    assert [d for example in TASK.load(None, 0).examples for d in differences(official, example)] == []


def test_changes_reach_both_verdicts(official):
    example = TASK.load(None, 0).examples[3]
    gold = json.loads(TASK.gold(example.target))
    tried = mutations(gold, example.target["functions"], example.target["ground_truth"], example.id)
    assert {right(example.target, calls) for change, calls in tried if change != "gold"} == {True, False}


TYPES = ["string", "integer", "float", "boolean", "array", "tuple", "dict", "any"]
NAMES = "pqr"
scalars = st.sampled_from(["", "a", "A ", "b-c", "bc", 0, 1, 1.0, 0.5, 2, True, False, None])
inner = scalars | st.lists(scalars, max_size=2) | st.dictionaries(st.sampled_from("xy"), scalars, max_size=2)
values = scalars | st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xy"), inner, max_size=2)
objects = st.dictionaries(st.sampled_from("xy"), st.lists(inner, max_size=3), max_size=2)
options = st.lists(scalars | objects | st.lists(scalars | objects, max_size=2), min_size=1, max_size=3)
expected_calls = st.dictionaries(st.sampled_from(NAMES), options, max_size=2).map(lambda accepted: {"f.g": accepted})


@st.composite
def nodes(draw):
    node = {"type": draw(st.sampled_from(TYPES))}
    if node["type"] in ("array", "tuple"):
        node["items"] = {"type": draw(st.sampled_from(TYPES))}
    if draw(st.booleans()):
        node["default"] = draw(scalars)
    return node


def meant(option):
    """What an accepted value is meant to accept: of an object the first value of each key."""
    if isinstance(option, list):
        return [meant(item) for item in option]
    return {key: found[0] for key, found in option.items() if found} if isinstance(option, dict) else option


@st.composite
def cases(draw):
    """A document, expected calls, and calls that are more or less those."""
    properties = draw(st.dictionaries(st.sampled_from(NAMES), nodes(), min_size=1, max_size=2))
    required = draw(st.lists(st.sampled_from(sorted(properties)), unique=True))
    document = {"name": "f.g", "parameters": {"type": "dict", "properties": properties, "required": required}}
    expected = draw(st.lists(expected_calls, min_size=1, max_size=2))
    calls = []
    for wanted in expected:
        given_ = {
            name: draw(st.sampled_from(accepted) | st.sampled_from(accepted).map(meant) | values)
            for name, accepted in wanted["f.g"].items()
            if draw(st.integers(0, 9))
        }
        calls.append({"name": "f.g", "arguments": given_})
    return document, expected, calls


@settings(max_examples=100)
@given(cases())
def test_any_documents_answers_and_calls_have_the_same_verdict(official, case):
    agree(official, *case)


@pytest.mark.slow
@settings(max_examples=5000)
@given(cases())
def test_very_many_documents_answers_and_calls_have_the_same_verdict(official, case):
    agree(official, *case)


def odd(document, expected):
    """Whether an object is accepted for a list: the official checker reads the object as the list of its keys."""
    types = {name: node["type"] for name, node in document["parameters"]["properties"].items()}
    return any(
        types.get(name) in ("array", "tuple") and isinstance(option, dict)
        for wanted in expected
        for name, accepted in wanted["f.g"].items()
        for option in accepted
    )


def agree(official, document, expected, calls):
    # No ground truth of the benchmark accepts an object for a list; what that would mean is left to the checker.
    assume(not odd(document, expected))
    untyped = contradicted(expected, {"f.g": Document.read(document)})
    target = {"category": "parallel", "functions": [document], "ground_truth": expected, "untyped": untyped}
    ours, theirs = verdicts(official, target, calls)
    # Random answers can be such that the official checker dies of them; then it has no verdict to agree with.
    assert ours is theirs or isinstance(theirs, Exception)
