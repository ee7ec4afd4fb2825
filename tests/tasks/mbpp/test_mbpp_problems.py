"""Rows, files and folders of MBPP, and one line of error for each thing that can be wrong."""

from __future__ import annotations

import io
import json
import warnings

import pytest

from listeval.errors import UserError
from tasks.mbpp.sources import HUB, read
from tasks.mbpp.task import Mbpp, MbppOptions

FULL = {"text": "Add.", "code": "def add(a, b):\r\n    return a + b\r\n", "task_id": 11, "test_setup_code": "",
        "test_list": ["assert add(1, 2) == 3", "assert add(0, 0) == 0", "assert add(-1, 1) == 0"],
        "challenge_test_list": ["assert add(9, 9) == 18"]}  # fmt: skip
SANITIZED = {"source_file": "x.ipynb", "task_id": 12, "prompt": "Halve.", "code": "def half(x): return x / 2",
             "test_imports": ["import math"],
             "test_list": [f"assert math.isclose(half({n}), {n / 2})" for n in range(5)]}  # fmt: skip
SETUP = {**FULL, "task_id": 367, "test_setup_code": "root = Node(1)\r\nroot.left = None",
         "code": "class Node:\n    def __init__(self, data): pass\n\ndef depth(node): return 1",
         "test_list": ["assert depth(root) == 1"]}  # fmt: skip


def write(path, rows, array=False):
    path.write_text(json.dumps(rows) if array else "".join(json.dumps(row) + "\n" for row in rows))
    return path


def one(tmp_path, row, **options):
    [problem] = read(str(write(tmp_path / "d.jsonl", [row])), None, ("test",), **options).problems
    return problem


def test_full_rows(tmp_path):
    problem = one(tmp_path, FULL)
    assert (problem.id, problem.split, problem.text, problem.names) == (11, "test", "Add.", ("add",))
    assert problem.code == "def add(a, b):\n    return a + b"
    assert (len(problem.tests), problem.preamble) == (3, "")


def test_sanitized_rows(tmp_path):
    problem = one(tmp_path, SANITIZED)
    assert (problem.text, problem.names, problem.imports, len(problem.tests)) == (
        "Halve.", ("half",), "import math", 5,
    )  # fmt: skip


def test_setup_uses_what_the_program_defines(tmp_path):
    problem = one(tmp_path, SETUP)
    assert problem.names == ("Node", "depth")
    assert problem.setup == problem.preamble == "root = Node(1)\nroot.left = None"


def test_a_module_that_only_the_reference_imports_is_imported_for_the_tests(tmp_path):
    tests = ["assert size(()) == sys.getsizeof(())"]
    problem = one(tmp_path, {**FULL, "code": "import sys\ndef size(x): return sys.getsizeof(x)", "test_list": tests})
    assert (problem.names, problem.imports) == (("size",), "import sys")


@pytest.mark.parametrize(
    ("id", "split"), [(1, "prompt"), (10, "prompt"), (11, "test"), (510, "test"), (511, "validation"),
                      (600, "validation"), (601, "train"), (974, "train")],
)  # fmt: skip
def test_split_by_task_id(tmp_path, id, split):
    assert one(tmp_path, {**FULL, "task_id": id}).split == split
    assert one(tmp_path, {**FULL, "task_id": id, "split": "train"}).split == "train"


def test_folder_and_variant(tmp_path):
    folder = tmp_path / "programs"
    folder.mkdir()
    write(folder / "mbpp.jsonl", [FULL])
    write(folder / "sanitized-mbpp.json", [SANITIZED], array=True)
    assert [(p.id, read(str(folder), None, ()).name) for p in read(str(folder), None, ()).problems] == [
        (11, "programs full")
    ]
    found = read(str(folder), "sanitized", ())
    assert ([p.id for p in found.problems], found.name) == ([12], "programs sanitized")
    assert read(str(folder / "sanitized-mbpp.json"), None, ()).name == "sanitized-mbpp.json"
    with pytest.raises(UserError, match=r"a row of the full set \(.*mbpp\.jsonl:1\)\. Fix: leave out --set variant"):
        read(str(folder / "mbpp.jsonl"), "sanitized", ())


def test_warnings_of_old_solutions_are_not_shown(tmp_path):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        one(tmp_path, {**FULL, "code": "def add(a, b):\n    '\\w'\n    return a + b"})
    assert seen == []


def without(name):
    return {key: value for key, value in FULL.items() if key != name}


BAD = {
    "no form": (without("text"), "neither 'text' nor 'prompt' in the row (DATA:1)"),
    "no id": (without("task_id"), "task_id None is not an integer (DATA:1)"),
    "id as text": ({**FULL, "task_id": "11"}, "task_id '11' is not an integer (DATA:1)"),
    "no code": ({**FULL, "code": " "}, "no text in the field 'code' (DATA:1, task 11)"),
    "no tests": ({**FULL, "test_list": []}, "no tests in the field 'test_list' (DATA:1, task 11)"),
    "tests as text": ({**FULL, "test_list": "assert 1"}, "the field 'test_list' is not a list of strings (DATA:1"),
    "test is not Python": (
        {**FULL, "test_list": ["assert add(1,"]}, "a test is not Python: SyntaxError: '(' was never closed"
    ),
    "NUL in a test": ({**FULL, "test_list": ["\x00"]}, "a test is not Python: "),
    "missing module": (
        {**FULL, "test_setup_code": "import numpy.linalg"},
        "a test imports 'numpy', which is not in the standard library (DATA:1, task 11). Fix: remove the row",
    ),
    "missing module in test_imports": ({**SANITIZED, "test_imports": ["from pandas import NA"]}, "imports 'pandas'"),
    "nothing is tested": ({**FULL, "test_list": ["assert True"]}, "the tests use no name of the reference code"),
    "no split": ({**FULL, "task_id": 5000}, "its task_id is in no split of MBPP (1-974) (DATA:1, task 5000)"),
    "split": ({**FULL, "split": "dev"}, "split 'dev' is none of prompt, test, validation, train (DATA:1, task 11)"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_row_is_one_line_with_place_task_and_fix(tmp_path, case):
    row, expected = BAD[case]
    path = write(tmp_path / "d.jsonl", [row])
    with pytest.raises(UserError) as caught:
        read(str(path), None, ())
    message = str(caught.value).replace(str(path), "DATA")
    assert expected in message
    assert ". Fix: " in message
    assert "\n" not in message


def test_a_task_that_comes_twice(tmp_path):
    path = write(tmp_path / "d.jsonl", [FULL, SANITIZED, FULL])
    with pytest.raises(UserError, match=r"task 11 is also at .*d\.jsonl:1 \(.*d\.jsonl:3\)\. Fix: keep one"):
        read(str(path), None, ())


def test_paths(tmp_path):
    with pytest.raises(UserError, match=r"no such file or folder \(.*mbpp\.jsonl\)"):
        read(str(tmp_path), None, ())
    with pytest.raises(UserError, match=r"no problem of the split 'validation' \(.*d\.jsonl\)\. Fix"):
        Mbpp(MbppOptions(split="validation")).load(str(write(tmp_path / "d.jsonl", [FULL])), 0)


def test_hub(serve_hub):
    arrow = pytest.importorskip("pyarrow", reason="the hub's files are Parquet")
    pytest.importorskip("datasets", reason="Parquet is read through datasets")
    from pyarrow import parquet

    def packed(row, ids):
        out = io.BytesIO()
        words = "text" if "text" in row else "prompt"
        rows = [{**row, "task_id": id, words: f"{row[words]} ({id})"} for id in ids]
        parquet.write_table(arrow.Table.from_pylist(rows), out)
        return out.getvalue()

    files = {
        f"{variant}/{split}-00000-of-00001.parquet": packed(row, ids)
        for variant, row in (("full", FULL), ("sanitized", SANITIZED))
        for split, ids in (("test", range(11, 13)), ("prompt", range(2, 5)))
    }
    hub = serve_hub({HUB: files})
    found = Mbpp().load("hub", 0)
    assert [example.id for example in found.examples] == ["11", "12"]
    assert found.name == "google-research-datasets/mbpp full test"
    assert hub.asked == ["full/test-00000-of-00001.parquet"]
    found = Mbpp(MbppOptions(variant="sanitized", shots=3)).load("hub", 0)
    assert len(found.examples[0].messages) == 7
    assert hub.asked[1:] == ["sanitized/test-00000-of-00001.parquet", "sanitized/prompt-00000-of-00001.parquet"]
