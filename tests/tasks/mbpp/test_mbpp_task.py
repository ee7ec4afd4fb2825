"""The task as the harness sees it: prompts, worked examples, contract, verdicts from the sandbox."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from listeval.contract import Failure, Parsed
from listeval.errors import UserError
from listeval.plugins.registry import load_task
from listeval.scoring import execution
from listeval.scoring.execution import Outcome, Ran
from listeval.task import Unscored
from tasks.mbpp.task import Code, Mbpp, MbppOptions

ROWS = [
    {"text": f"Add {id}.", "code": f"def add{id}(a): return a + {id}", "task_id": id, "test_setup_code": "",
     "test_list": [f"assert add{id}({n}) == {n + id}" for n in range(3)], "challenge_test_list": []}
    for id in (1, 2, 3, 4, 5, 11, 12)
]  # fmt: skip
TARGET = {"tests": ["assert add(1, 2) == 3", "assert add(0, 1) == 1"], "imports": "", "setup": "",
          "code": "def add(a, b):\n    return a + b"}  # fmt: skip


def load(data=None, seed=0, **options):
    return Mbpp(MbppOptions(**options)).load(data and str(data), seed)


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "d.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def test_the_registry_finds_the_task():
    found = load_task("mbpp")
    assert found.executes_code
    assert found.verdicts == tuple(outcome for outcome in Outcome if outcome is not Outcome.SANDBOX)


def test_the_prompt_in_full(data):
    example = load(data, tests_shown=2).examples[0]
    assert example.id == "11"
    [message] = example.messages
    assert message == (
        "user",
        "Add 11.\n\n"
        "Write this in Python, with nothing but the standard library. Define `add11`, so that these tests pass:\n\n"
        "assert add11(0) == 11\nassert add11(1) == 12\n\n"
        'Return one JSON object with the key "code": the whole program as a string.',
    )
    assert example.target["tests"] == tuple(ROWS[5]["test_list"])
    one = load(data, tests_shown=1).examples[0].messages[0].content
    assert "so that this test passes:\n\nassert add11(0) == 11\n\nReturn" in one


def test_the_prompt_shows_what_stands_before_the_tests(tmp_path):
    row = {**ROWS[5], "test_setup_code": "root = Node(1)", "test_imports": ["import math"],
           "code": "class Node:\n    def __init__(self, x): pass\ndef f(x): pass",
           "test_list": ["assert f(root) == math.pi"]}  # fmt: skip
    path = tmp_path / "d.jsonl"
    path.write_text(json.dumps(row))
    text = load(path).examples[0].messages[0].content
    assert "Define `Node` and `f`, so that this test passes:\n\nimport math\nroot = Node(1)\nassert f(root)" in text


def test_worked_examples_are_the_protocol_s(data):
    found = load(data, shots=4)
    messages = found.examples[0].messages
    assert [message.content.partition("\n")[0] for message in messages[::2]] == [
        "Add 2.", "Add 3.", "Add 4.", "Add 1.", "Add 11.",
    ]  # fmt: skip
    assert json.loads(messages[1].content) == {"code": "def add2(a): return a + 2"}
    assert found.examples == load(data, seed=9, shots=4).examples
    own = {example.id: example.messages for example in load(data, split="prompt", shots=2).examples}
    assert [message.content.partition("\n")[0] for message in own["2"][::2]] == ["Add 3.", "Add 4.", "Add 2."]
    with pytest.raises(UserError, match="6 worked examples are asked for, the split 'prompt' has 5 for task 11"):
        load(data, shots=6)


def test_counts_and_name(data):
    found = load(data)
    assert found.counts == {"problems": 7, "other_splits": 5, "kept": 2}
    assert found.name == "d.jsonl test"
    sample = load()
    assert (sample.source, sample.name, sample.counts["problems"]) == ("mbpp sample", "generated sample", 40)
    assert len(load(shots=3).examples[0].messages) == 7


def test_contract_and_bad_answers():
    task = Mbpp()
    for example in task.load(None, 0).examples:
        bound = task.contract(example.target)
        parsed = bound.parse(task.gold(example.target))
        assert isinstance(parsed, Parsed)
        assert parsed.value.code == example.target["code"]
        bad = task.bad(example.target)
        assert len(bad) == 8
        for kind, text in bad.items():
            failure = bound.parse(text)
            assert isinstance(failure, Failure)
            assert failure.kind is kind, text


class Fake:
    """Stands for the sandbox."""

    made = 0

    def __init__(self):
        Fake.made += 1
        self.closed = False

    def run(self, programs):
        self.programs = programs
        return [Ran(Outcome(program.code), f"said {program.code}", 0.1) for program in programs]

    def close(self):
        self.closed = True


def test_verdicts_and_the_life_of_the_sandbox(monkeypatch):
    monkeypatch.setattr(execution, "Sandbox", Fake)
    monkeypatch.setattr(Fake, "made", 0)
    task = Mbpp()
    task.close()
    assert Fake.made == 0
    task.prepare()
    sandbox = task._sandbox
    target = {**TARGET, "imports": "import math", "setup": "root = Node(1)"}
    found = task.score([target] * 6, [Code(code=outcome) for outcome in Outcome])
    assert [verdict.name for verdict in found[:-1]] == list(Mbpp.verdicts)
    assert [verdict.scores for verdict in found[:-1]] == [{"pass": 1.0}] + [{"pass": 0.0}] * 4
    assert [type(verdict.name) for verdict in found[:-1]] == [str] * 5
    assert found[1].detail == "said assertion"
    assert found[-1] == Unscored("sandbox: said sandbox")
    program = sandbox.programs[0]
    tests = ("root = Node(1)", "assert add(1, 2) == 3", "assert add(0, 1) == 1")
    assert program == ("ok", tests, "import math", ())
    task.close()
    assert sandbox.closed
    assert Fake.made == 1
    task.score([TARGET], [Code(code="ok")])
    assert Fake.made == 2


PROGRAMS = {
    "def add(a, b): return a + b": "ok",
    "add = lambda *n: sum(n)": "ok",
    "def add(a, b): return a": "assertion",
    "def add(a, b): return None": "assertion",
    "def add(a, b): return a + b + 1": "assertion",
    "def add(a, b): pass": "assertion",
    "def plus(a, b): return a + b": "exception",
    "def add(a): return a": "exception",
    "def add(a, b): raise AssertionError": "exception",
    "": "exception",
    "Just add them.": "exception",
    "def add(a, b:\n  return": "exception",
    "```python\ndef add(a, b): return a + b\n```": "exception",
    "\x00": "exception",
    "def add(a, b):\r\n    return a + b\r\n": "ok",
    "import sys; sys.exit(0)": "exception",
    "def add(a, b): return bytearray(8 << 30)": "memory",
}


def test_programs_get_their_verdicts(task):
    found = task.score([TARGET] * len(PROGRAMS), [Code(code=code) for code in PROGRAMS])
    assert {code: verdict.name for code, verdict in zip(PROGRAMS, found, strict=True)} == PROGRAMS
    assert all(verdict.detail for verdict in found if verdict.name != "ok")
    assert all("\n" not in verdict.detail for verdict in found)


def test_set_up_code_that_the_program_breaks_is_its_fault(task):
    target = {**TARGET, "setup": "root = Node(1)"}
    [lacks, has] = task.score(
        [target] * 2,
        [Code(code=TARGET["code"]), Code(code=TARGET["code"] + "\nclass Node:\n    def __init__(self, x): pass")],
    )
    assert (lacks.name, lacks.detail) == ("exception", "NameError: name 'Node' is not defined")
    assert has.name == "ok"


def test_the_sample_s_solutions_pass_and_nothing_does_not(task):
    targets = [example.target for example in load().examples]
    found = task.score(targets, [Code(code=target["code"]) for target in targets])
    assert {verdict.name for verdict in found} == {"ok"}
    nothing = [Code(code=target["code"] + "\n" + TAKEN_OUT) for target in targets]
    assert {verdict.name for verdict in task.score(targets, nothing)} <= {"assertion", "exception"}


TAKEN_OUT = """
for name, value in list(globals().items()):
    if callable(value) and not name.startswith("_") and not isinstance(value, type):
        globals()[name] = lambda *args: None
"""


@pytest.mark.parametrize("options", [{"variant": "plus"}, {"split": "all"}, {"shots": -1}, {"tests_shown": 0}])
def test_options_refuse_what_has_no_meaning(options):
    with pytest.raises(ValidationError):
        MbppOptions(**options)
