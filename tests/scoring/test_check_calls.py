"""Function calls: each rule of the checker, each verdict, and what is said of it."""

import pytest

from listeval.contract import Call
from listeval.contract.documents import Document
from listeval.scoring.arguments import argument_fault
from listeval.scoring.check_calls import CallVerdict, check_calls

STRING, INTEGER, FLOAT, BOOLEAN = ({"type": kind} for kind in ("string", "integer", "float", "boolean"))
NUMBERS = {"type": "array", "items": {"type": "float"}}
WORDS = {"type": "array", "items": {"type": "string"}}
OBJECT = {"type": "dict"}
OBJECTS = {"type": "array", "items": {"type": "dict"}}


@pytest.mark.parametrize(
    ("node", "accepted", "right", "wrong_value", "wrong_type"),
    [
        (INTEGER, [5, ""], [5], [6, -5], ["5", 5.0, True, None, [5], ""]),
        (FLOAT, [5.0], [5, 5.0], [5.5, 6], ["5.0", True, None]),
        (BOOLEAN, [True], [True], [False], [1, "true", None]),
        (STRING, ["New York, NY"], ["new york ny", "NEW-YORK/NY", "New.York_NY*^"], ["Boston", "New\tYork"], [1, None]),
        (STRING, ["it's"], ['it"s', "IT'S"], ["its"], []),
        (STRING, ["x", ""], ["X", "", " ", "-"], ["y"], [0]),
        ({"type": "any"}, ["x"], ["X"], ["y"], [1]),
        ({"type": "any"}, [5], [5], [6, "5"], [5.0]),
        (STRING, [None, "x"], [None, "x"], ["X"], [0]),
        (STRING, [True], [True], [False, "True"], [1]),
        (INTEGER, ["", 1], [1], [2], [""]),
        (WORDS, [["a b", "c"]], [["AB", "c"]], [["c", "a b"], ["a b"], []], [[1, "c"], "a b"]),
        (NUMBERS, [[1.5, 2.5]], [[1.5, 2.5]], [[2.5, 1.5]], [[1, 2.5], ["1.5"], [True]]),
        (NUMBERS, [[1, 2]], [[1, 2], [1.0, 2.0]], [[1, 3]], [["1", "2"], [True, 2]]),
        (NUMBERS, [[1.0], ""], [[1], [True], [1.0], []], [["x"], [2]], ["x", None]),
        ({"type": "tuple", "items": {"type": "integer"}}, [[1, 2]], [[1, 2]], [[2, 1]], [[1.0, 2], "(1, 2)"]),
        ({"type": "array"}, [[1, "a"]], [[1, "A"]], [["a", 1]], ["a"]),
        (WORDS, ["names"], ["names"], ["Names", ["names"]], [5]),
        (OBJECT, [{"a": ["X", ""], "n": [1]}], [{"n": 1}, {"n": 1.0, "a": "x"}, {"a": "", "n": True}],
         [{}, {"a": "x"}, {"n": 2}, {"n": 1, "b": 1}, {"n": "1"}], ["n", [1], None]),
        (OBJECT, ["", {"a": [[1]]}], [{"a": [1]}], [{"a": 1}, {}], [""]),
        (OBJECTS, [[{"a": [1]}, {"a": [2]}]], [[{"a": 1}, {"a": 2}]],
         [[{"a": 2}, {"a": 1}], [{"a": 1}], [{}, {}]], [[1, 2], "x"]),
        (OBJECTS, [[{"a": [1]}], ""], [[{"a": 1}], []], [["x"]], [None]),
        (STRING, [], [], ["x"], [1]),
    ],
)  # fmt: skip
def test_the_rules_of_an_argument(node, accepted, right, wrong_value, wrong_type):
    assert [argument_fault(value, accepted, node) for value in right] == [None] * len(right)
    assert [argument_fault(value, accepted, node) for value in wrong_value] == ["wrong_argument_value"] * len(
        wrong_value
    )
    assert [argument_fault(value, accepted, node) for value in wrong_type] == ["wrong_argument_type"] * len(wrong_type)


def test_a_number_beyond_a_float_is_no_crash():
    assert argument_fault(10**400, [1.0], FLOAT) == "wrong_argument_type"
    assert argument_fault(float("nan"), [1.0], FLOAT) == "wrong_argument_value"


DOCUMENTS = {
    name: Document.read({"name": name, "parameters": {"properties": properties, "required": required}})
    for name, properties, required in [
        ("find", {"what": STRING, "n": INTEGER, "near": STRING}, ["what"]),
        ("stop", {}, []),
    ]
}
FIND = {"find": {"what": ["cafe"], "n": [3, ""]}}
STOP = {"stop": {}}


def verdict(calls, *expected):
    return check_calls([Call(name, arguments) for name, arguments in calls], expected, DOCUMENTS)


CAFE = ("find", {"what": "Cafe"})


@pytest.mark.parametrize(
    ("calls", "expected", "name", "detail"),
    [
        ([CAFE], [FIND], "ok", ""),
        ([("find", {"n": 3, "what": "cafe"})], [FIND], "ok", ""),
        ([("stop", {}), CAFE], [FIND, STOP], "ok", ""),
        ([], [FIND], "no_call", "no call where 1 are due"),
        ([CAFE, CAFE], [FIND], "wrong_count", "2 calls where 1 are due"),
        ([("stop", {})], [FIND], "wrong_function", "'stop' where 'find' is due"),
        ([CAFE, CAFE], [FIND, STOP], "wrong_function", "'find' where 'stop' is due"),
        ([("find", {"n": 3})], [FIND], "missing_argument", "'find' lacks 'what'"),
        ([CAFE], [{"find": {"what": ["cafe"], "n": [3]}}], "missing_argument", "'find' lacks 'n'"),
        ([("find", {"what": "cafe", "near": "x"})], [FIND], "unexpected_argument", "without 'near'"),
        ([("find", {"what": "cafe", "far": "x"})], [FIND], "unexpected_argument", "without 'far'"),
        ([("find", {"what": "cafe", "n": "3"})], [FIND], "wrong_argument_type", "'n' is \"3\", accepted: 3, left out"),
        ([("find", {"what": "x" * 99})], [FIND], "wrong_argument_value", "…, accepted: \"cafe\""),
        ([("stop", {}), ("find", {"what": "bar"})], [FIND, STOP], "wrong_argument_value", '"bar"'),
    ],
)  # fmt: skip
def test_the_verdict_on_an_answer(calls, expected, name, detail):
    found = verdict(calls, *expected)
    assert found.verdict == name
    assert detail in found.detail if detail else found.detail == ""


def test_every_verdict_is_shown_above():
    marked = next(mark for mark in test_the_verdict_on_an_answer.pytestmark if mark.name == "parametrize")
    assert {case[2] for case in marked.args[1]} == set(CallVerdict)


def test_an_expected_call_takes_the_first_that_satisfies_it():
    wide, narrow = {"find": {"what": ["a", "b"]}}, {"find": {"what": ["a"]}}
    a, b = ("find", {"what": "a"}), ("find", {"what": "b"})
    assert verdict([b, a], wide, narrow).verdict is CallVerdict.OK
    # As in the leaderboard's checker: the wide one takes what the narrow one would need.
    assert verdict([a, b], wide, narrow).verdict is CallVerdict.WRONG_ARGUMENT_VALUE


def test_an_expected_function_without_a_document_is_met_by_nothing():
    assert verdict([("gone", {})], {"gone": {}}).verdict is CallVerdict.WRONG_FUNCTION
