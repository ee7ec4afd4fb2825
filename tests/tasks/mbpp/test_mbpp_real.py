"""All rows of the real data, through the sandbox: reference solutions pass, canonical wrong programs fail."""

from __future__ import annotations

from collections import Counter

import pytest

from tasks.mbpp.sources import read
from tasks.mbpp.task import Code, Mbpp, MbppOptions

SIZES = {
    "full": {"prompt": 10, "test": 425, "validation": 90, "train": 374},
    "sanitized": {"prompt": 7, "test": 217, "validation": 43, "train": 120},
}

NOTHING = "def {name}(*args, **kwargs):\n    pass\n"

OFF = """

def _off(found):
    if isinstance(found, bool):
        return not found
    if isinstance(found, (int, float, complex)):
        return 2 * found + 1
    if isinstance(found, (str, tuple, list)):
        return found + type(found)("?")
    if isinstance(found, set):
        return found | {"?"}
    if isinstance(found, dict):
        return {**found, "?": 0}
    return None if found is not None else 0


def _wrapped(right):
    return lambda *args, **kwargs: _off(right(*args, **kwargs))


"""


@pytest.fixture(scope="module", params=list(SIZES))
def found(request, shared_data):
    return request.param, read(str(shared_data / "mbpp"), request.param, ("test",))


@pytest.fixture(scope="module")
def task():
    task = Mbpp()
    yield task
    task.close()


def verdicts(task, problems, code_of):
    targets = [{"tests": p.tests, "setup": p.setup, "imports": p.imports, "code": p.code} for p in problems]
    judged = task.score(targets, [Code(code=code_of(p)) for p in problems])
    return {p.id: verdict for p, verdict in zip(problems, judged, strict=True)}


def test_published_sizes_of_splits(found):
    variant, collection = found
    assert Counter(problem.split for problem in collection.problems) == SIZES[variant]


def test_every_problem_names_one_function_but_for_four(found):
    variant, collection = found
    several = {problem.id: problem.names for problem in collection.problems if len(problem.names) != 1}
    assert several == {} if variant == "sanitized" else {
        367: ("Node", "is_tree_balanced"), 601: ("max_chain_length", "Pair"), 927: ("Node", "max_height"),
    }  # fmt: skip
    [sizes] = [problem for problem in collection.problems if problem.id == 596]
    assert (sizes.names, sizes.imports) == (("tuple_size",), "import sys")


def test_prompts_show_names_and_tests(found, shared_data):
    variant, collection = found
    examples = Mbpp(MbppOptions(variant=variant, split="train", shots=3)).load(str(shared_data / "mbpp"), 0).examples
    by_id = {str(problem.id): problem for problem in collection.problems}
    for example in examples:
        problem, text = by_id[example.id], example.messages[-1].content
        assert all(f"`{name}`" in text for name in problem.names)
        assert all(test in text for test in problem.tests[:3])
        assert not any(test in text for test in set(problem.tests[3:]) - set(problem.tests[:3]))
        assert "\r" not in text + example.messages[1].content
        assert len(example.messages) == 7


@pytest.mark.slow
def test_every_reference_solution_passes(found, task):
    judged = verdicts(task, found[1].problems, lambda problem: problem.code)
    assert {id: verdict for id, verdict in judged.items() if verdict.name != "ok"} == {}
    assert {verdict.scores["pass"] for verdict in judged.values()} == {1.0}


@pytest.mark.slow
def test_a_function_that_does_nothing_fails(found, task):
    judged = verdicts(task, found[1].problems, lambda p: "".join(NOTHING.format(name=name) for name in p.names))
    assert [id for id, verdict in judged.items() if verdict.name == "ok"] == []


@pytest.mark.slow
def test_results_that_are_a_little_off_fail(found, task):
    def off(problem):
        return problem.code + OFF + "".join(f"{name} = _wrapped({name})\n" for name in problem.names)

    judged = verdicts(task, found[1].problems, off)
    assert [id for id, verdict in judged.items() if verdict.name == "ok"] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "name"),
    [("while True: pass", "timeout"), ("x = bytearray(4 << 30)", "memory"), ("raise SystemExit", "exception"),
     ("def f(:", "exception"), ("", "exception"), ("I would write a loop.", "exception"), ("\x00", "exception"),
     ("```python\nx = 1\n```", "exception")],
)  # fmt: skip
def test_programs_that_never_answer(found, task, code, name):
    judged = verdicts(task, found[1].problems[:2], lambda problem: code)
    assert {verdict.name for verdict in judged.values()} == {name}


@pytest.mark.slow
def test_another_name_is_an_exception(found, task):
    judged = verdicts(task, found[1].problems, lambda p: f"{p.code}\n" + "".join(f"del {name}\n" for name in p.names))
    assert {verdict.name for verdict in judged.values()} == {"exception"}
    # Task 126 asks for a function called `sum`: without one, the tests call Python's own.
    assert {id for id, verdict in judged.items() if not verdict.detail.startswith("NameError")} == {126}
