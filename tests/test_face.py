"""The public face: every name is listed once, loads on first use, and is all that a plug-in needs."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest

import listeval

ROOT = Path(__file__).parents[1]
NEEDED = """
    Task Target Example Dataset Metric Verdict Unscored Appendix TaskOptions Message turns UserError
    Contract Record KeyedList Calls Item Id Score Kind Flag Parsed Failure
    local_file rows fingerprint HubDataset find_source prompt_template text_field read_once with_shots
    bad_records record_answer bad_lists list_answer worked_examples list_metrics parse_number
    run RunConfig Run load_run rescore compare Comparison load_task
""".split()  # noqa: SIM905 - a list of words reads better than a list of strings


def test_every_name_is_listed_once_and_loads():
    tree = ast.parse((ROOT / "listeval" / "__init__.py").read_text())
    listed = [
        (node.module, alias.name, alias.asname)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module != "__future__"
        for alias in node.names
        if node.module.startswith("listeval.")
    ]
    assert [name for name, n in Counter(name for _, name, _ in listed).items() if n > 1] == []
    assert sorted(name for _, name, _ in listed) == listeval.__all__
    for module, name, again in listed:
        assert again == name, "type checkers take `X as X` alone for public"
        assert getattr(listeval, name) is getattr(import_module(module), name)


def test_all_that_a_plug_in_and_a_notebook_need_is_there():
    assert set(NEEDED) <= set(listeval.__all__) <= set(dir(listeval))
    found: dict[str, object] = {}
    exec("from listeval import *", found)
    assert set(listeval.__all__) <= set(found)


def test_no_name_is_that_of_a_module_which_would_hide_it():
    modules = {path.stem for path in (ROOT / "listeval").iterdir()}
    assert modules & set(listeval.__all__) == set()


def test_another_name_is_an_error_of_python_s_own():
    with pytest.raises(AttributeError, match="module 'listeval' has no attribute 'Tusk'"):
        _ = listeval.Tusk
    with pytest.raises(ImportError):
        exec("from listeval import Tusk")


def test_the_import_alone_loads_nothing():
    code = "import sys; before = set(sys.modules); import listeval; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "['__future__', 'listeval', 'listeval.moved']\n"


PLUG_IN = """
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict
from listeval import Contract, Dataset, Item, Record, Target, Task

class Answer(Item):
    word: str

class Old(Task):
    name, version, summary, metrics = "old", 1, "as plug-ins were written before tasks had types", ()
    def load(self, data: str | None, seed: int) -> Dataset: return Dataset([], "", "", {})
    def contract(self, target: Target) -> Contract[Any]: return Record(Answer)
    def gold(self, target: Target) -> str: return str(target["word"])
    def score(self, targets: Sequence[Target], values: Sequence[Any]) -> list[dict[str, float]]:
        return [{"a": float(value.wrod == target["wrod"])} for target, value in zip(targets, values)]

class Word(TypedDict):
    word: str

class New(Task[Word, Answer]):
    name, version, summary, metrics = "new", 1, "typed", ()
    def load(self, data: str | None, seed: int) -> Dataset: return Dataset([], "", "", {})
    def contract(self, target: Word) -> Contract[Answer]: return Record(Answer)
    def gold(self, target: Word) -> str: return target["word"]
    def score(self, targets: Sequence[Word], values: Sequence[Answer]) -> list[dict[str, float]]:
        return [{"a": float(value.word == target["word"])} for target, value in zip(targets, values)]

def known(task: Task) -> None: ...
known(Old())
known(New())
"""
SLIPS = {
    'return target["word"]': ('return target["wrod"]', 'has no key "wrod"'),
    "float(value.word ==": ("float(value.wrod ==", '"Answer" has no attribute "wrod"'),
    "Contract[Answer]: return Record(Answer)": ("Contract[Answer]: return Record(Item)", "Record"),
    "Record, Target, Task": ("Record, Target, Task, Tusk", '"listeval" has no attribute "Tusk"'),
}


@pytest.mark.slow
@pytest.mark.parametrize("slip", [None, *SLIPS])
def test_a_type_checker_knows_the_names_and_a_task_s_own_fields(tmp_path, slip):
    pytest.importorskip("mypy", reason="a type checker is a tool of development")
    wrong, said = SLIPS[slip] if slip else ("", "Success")
    file = tmp_path / "plug_in.py"
    file.write_text(PLUG_IN.replace(slip, wrong) if slip else PLUG_IN)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", str(ROOT / "pyproject.toml"), str(file)]
    done = subprocess.run([*command, "--cache-dir", str(tmp_path)], capture_output=True, text=True, cwd=ROOT)
    assert said in done.stdout and (done.returncode == 0) == (slip is None), done.stdout


OLD_TASK = """
from pathlib import Path
from typing import Any
from listeval import Contract, Dataset, Example, Item, Message, Metric, Record, Target, Task
from listeval.kit.files import local_file, rows
from listeval.kit.wording import wording

class Answer(Item):
    word: str

class OldMail(Task):
    name, version, summary = "old_mail", 1, "made from the template before tasks had types"
    metrics = (Metric("accuracy", useful=True, bounds=(0.0, 1.0)),)
    def load(self, data, seed):
        file = local_file(Path(__file__).with_name("sample.jsonl"))
        ask = wording(Path(__file__).with_name("prompt.jinja"))
        found = [Example(r["id"], (Message("user", ask(word=r["word"])),), {"word": r["word"]}) for _, r in rows(file)]
        return Dataset(found, file.name, file.fingerprint, {})
    def contract(self, target: Target) -> Contract[Any]: return Record(Answer)
    def gold(self, target: Target) -> str: return '{"word": "%s"}' % target["word"]
    def score(self, targets, values): return [{"accuracy": float(v.word == t["word"])} for t, v in zip(targets, values)]
"""


def test_a_plug_in_from_the_earlier_template_still_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "tasks" / "old_mail"
    folder.mkdir(parents=True)
    (folder / "task.py").write_text(OLD_TASK)
    (folder / "sample.jsonl").write_text('{"id": "a", "word": "so"}\n')
    (folder / "prompt.jinja").write_text("Say {{ word }}.")
    done = listeval.run(listeval.RunConfig(task="old_mail", model="gold", backend="null", seeds=[0, 1], out="out"))
    assert [row["scores"] for row in done.rows] == [{"accuracy": 1.0}] * 2
