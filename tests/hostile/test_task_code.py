"""A task's identity is all that ships in its folder, and what is hashed is what runs."""

import importlib.util
import json
import os
import py_compile
import shutil
import sys
from pathlib import Path

import pytest

from listeval.bundled import bundled
from listeval.errors import UserError
from listeval.plugins.registry import code_of, find, load_task
from listeval.plugins.static_summary import read_static_summary

TASK = """
from listeval import Dataset, Example, Item, Metric, Record, Task
from listeval.backends.protocol import Message
from .lib.words import WORDS
from ..beside.shared import MARK
class Word(Item):
    word: str
class Mine(Task):
    name, version, summary, metrics = "mine", 1, "words", (Metric("same"),)
    def load(self, data, seed):
        return Dataset([Example(w, (Message("user", w + MARK),), {"word": w}) for w in WORDS], "inline", "1", {})
    def contract(self, target): return Record(Word)
    def gold(self, target): return ""
    def score(self, targets, values): return [{"same": 1.0} for _ in targets]
"""


def forget():
    for name in [name for name in sys.modules if name.startswith("listeval_tasks")]:
        del sys.modules[name]


@pytest.fixture
def mine(cli, tmp_path):
    """A task of several files, and a neighbour without a task that it imports."""
    folder = tmp_path / "tasks" / "mine"
    (folder / "lib" / "deep").mkdir(parents=True)
    (folder / "task.py").write_text(TASK)
    (folder / "lib" / "__init__.py").touch()
    (folder / "lib" / "words.py").write_text("WORDS = ('a', 'b')\n")
    (folder / "lib" / "deep" / "table.json").write_text("{}")
    (folder / "prompt.txt").write_text("say it")
    (tmp_path / "tasks" / "beside").mkdir()
    (tmp_path / "tasks" / "beside" / "shared.py").write_text("MARK = ''\n")
    yield folder
    forget()


EDITS = {
    "a sub-package": "lib/words.py",
    "its start": "lib/__init__.py",
    "data far down": "lib/deep/table.json",
    "a template": "prompt.txt",
    "a new module": "lib/new.py",
    "what a neighbour ships": "../beside/shared.py",
}


@pytest.mark.parametrize("what", EDITS)
def test_an_edit_of_anything_it_ships_is_another_run(cli, mine, what):
    run = "run --task mine --model m --backend null --quiet --out r"
    assert cli(run)[0] == 0
    with (mine / EDITS[what]).open("a") as file:
        file.write("\n")
    forget()
    for line in (run, "run @r --task mine"):
        code, _, err = cli(line)
        assert (code, "task.code" in err, "another run" in err) == (2, True, True)


def test_what_no_run_depends_on_is_no_identity(cli, mine):
    run = "run --task mine --model m --backend null --quiet --out r"
    assert cli(run)[0] == 0
    for name in ("README.md", "version.json", ".notes", "__pycache__/x.pyc"):
        (mine / name).parent.mkdir(exist_ok=True)
        (mine / name).write_text("x")
    assert cli(run)[0] == 0


def test_a_linked_folder_is_part_of_it_and_a_circle_ends(cli, mine, tmp_path):
    before = find("mine").code
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "code.py").write_text("x = 1\n")
    (mine / "linked").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(mine)
    linked = find("mine").code
    (elsewhere / "code.py").write_text("x = 2\n")
    assert len({before, linked, find("mine").code}) == 3


def test_a_pipe_in_a_task_folder_hangs_nothing(cli, mine):
    os.mkfifo(mine / "pipe.py")
    assert find("mine").code
    assert cli("doctor")[0] == cli("tasks list")[0] == 0


@pytest.mark.parametrize("changed", ["hub.py", "new/__init__.py", "phrases.json", "prompt.jinja"])
def test_a_copied_built_in_that_differs_anywhere_is_refused(cli, tmp_path, changed):
    copy = tmp_path / "tasks" / "fashion"
    shutil.copytree(bundled() / "tasks" / "fashion", copy)
    assert load_task("fashion").name == "fashion"
    (copy / changed).parent.mkdir(exist_ok=True)
    with (copy / changed).open("a") as file:
        file.write("\n")
    with pytest.raises(UserError, match="two tasks are called 'fashion'"):
        load_task("fashion")


MARKING = "from pathlib import Path\nPath({!r}).touch()\n"


@pytest.mark.parametrize("whole", [True, False])
def test_a_neighbour_of_a_built_in_cannot_be_put_beside_it(cli, tmp_path, whole):
    """`baby` imports `..fashion`: a folder of that name here must not be taken for it, nor run."""
    other, mark = tmp_path / "tasks" / "fashion", tmp_path / "mark"
    other.mkdir(parents=True)
    for name in ("helpfulness.py", "hub.py", *(["task.py"] if whole else [])):
        (other / name).write_text(MARKING.format(str(mark)))
    if whole:
        with pytest.raises(UserError, match="two tasks are called 'fashion'"):
            load_task("baby")
    else:
        assert Path(sys.modules[load_task("baby").__mro__[1].__module__].__file__).is_relative_to(bundled())
    assert not mark.exists()


def test_byte_code_that_lies_beside_a_task_does_not_run(cli, mine, tmp_path):
    """A cache that fits its source by time and size, but holds other code."""
    source, mark = mine / "lib" / "words.py", tmp_path / "mark"
    other = tmp_path / "other.py"
    other.write_text(MARKING.format(str(mark)) + "WORDS = 'xyz'\n")
    cache = Path(importlib.util.cache_from_source(str(source)))
    py_compile.compile(str(other), cfile=str(cache), doraise=True)
    stat, data = source.stat(), bytearray(cache.read_bytes())
    data[8:16] = int(stat.st_mtime).to_bytes(4, "little") + stat.st_size.to_bytes(4, "little")
    cache.write_bytes(data)
    assert len(load_task("mine")().load(None, 0).examples) == 2
    assert not mark.exists()


def test_an_equal_copy_runs_the_bundled_code(cli, tmp_path):
    shutil.copytree(bundled() / "tasks" / "gsm8k", tmp_path / "tasks" / "gsm8k")
    task = load_task("gsm8k")
    assert Path(sys.modules[task.__module__].__file__).is_relative_to(bundled())
    assert code_of(task) == find("gsm8k").code


def test_another_folder_is_another_task_in_one_process(cli, tmp_path, monkeypatch):
    for name in ("one", "two"):
        (tmp_path / name / "tasks" / "own").mkdir(parents=True)
        (tmp_path / name / "tasks" / "own" / "task.py").write_text(
            "from listeval import Task\nclass T(Task):\n    name, version, metrics = 'own', 1, ()\n"
            f"    summary = '{name}'\n    load = contract = gold = score = None\n"
        )
        monkeypatch.chdir(tmp_path / name)
        assert load_task("own").summary == name


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("class T:\n    name, summary = 'own', 'words'\n", ""),
        ("from typing import ClassVar\nclass T:\n    name: ClassVar[str] = 'own'\n", ""),
        ("class T:\n    name = 'o' + 'wn'\n", ""),
        ("class T:\n    name = 'other'\n", "calls itself 'other'"),
        ("x = 1\n", "no class"),
        ("def (\n", "does not parse at line 1"),
        ("\0", "does not parse"),
        ("\ud800", "does not parse at line 1"),
        ("x = " + "(" * 300 + ")" * 300, "task.py"),
    ],
)
def test_doctor_reads_what_a_task_says_without_running_it(cli, tmp_path, source, fault):
    folder = tmp_path / "tasks" / "own"
    folder.mkdir(parents=True)
    (folder / "task.py").write_bytes(source.encode("utf-8", "surrogatepass"))
    assert fault in read_static_summary(folder).fault
    checks = {check["name"]: check for check in json.loads(cli("doctor --json")[1])}
    assert checks["task own"]["state"] == ("broken" if fault else "ok")
