"""The house rules as tests: sizes, purposes, annotations, and imports that point one way.

What breaks a rule today is listed by name. A list may only shrink: a new offence fails, and so does an entry that no
longer offends. Arrows are drawn from import statements; a module that is named in a string only is not seen.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from statistics import median
from textwrap import dedent

import pytest

import listeval
from docs.tools import imports
from docs.tools.imports import ROOT, Arrow, Function, Module, arrows, drawn, house, read, room

ROOMS = """
    moved listeval visible errors disk bundled chat stats contract scoring task kit decoding models plugins backends
    runs suites labelling comparison report export cli __main__ listopd templates tasks
""".split()  # noqa: SIM905 - a list of words reads better than a list of strings
"""From the ground up: a room imports what stands before it. `listeval` is the face, whose names load on first use."""

UPWARD: set[tuple[str, str]] = set()
"""Modules that import a higher room, and which."""

PACKAGES = ("listeval", "listopd")

TWICE = {"Function", "PermutationProcessor"}
"""Public classes of one name: in processes of their own, or named on a command line."""

HEAVY = (
    "torch",
    "transformers",
    "vllm",
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "datasets",
    "matplotlib",
    "httpx",
    "rich",
)


def circle(graph: Iterable[Arrow]) -> list[str]:
    """The modules of a circle, if there is one."""
    sorter = TopologicalSorter[str]()
    for start, end in graph:
        sorter.add(start, end)
    try:
        sorter.prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def unannotated(function: Function) -> list[str]:
    told = function.args
    all_ = [*told.posonlyargs, *told.args, *told.kwonlyargs, told.vararg, told.kwarg]
    names = [arg.arg for arg in all_ if arg and arg.annotation is None and arg.arg not in ("self", "cls")]
    return names + ["return"] * (function.returns is None)


def test_no_file_is_longer_than_450_lines_and_half_have_at_most_100():
    assert [module.place for module in house().values() if module.lines > 450] == []
    assert median(module.lines for module in house().values()) <= 100


def test_no_function_is_longer_than_60_lines_and_half_have_at_most_8():
    sizes = {
        f"{module.place}:{function.lineno} {function.name}": (function.end_lineno or 0) - function.lineno + 1
        for module in house().values()
        for function in module.functions()
    }
    assert [place for place, size in sizes.items() if size > 60] == []
    assert median(sizes.values()) <= 8


def test_every_module_says_what_it_is_for():
    assert [module.place for module in house().values() if not ast.get_docstring(module.tree)] == []


def test_everything_is_annotated():
    assert [
        f"{module.place}:{function.lineno} {function.name}: {name}"
        for module in house().values()
        for function in module.functions()
        for name in unannotated(function)
    ] == []


def packaged(package: str) -> list[Module]:
    """The modules of `listeval` or `listopd`, but for the plug-ins that are written for a user."""
    return [
        module
        for name, module in house().items()
        if name.split(".")[0] == package and not name.startswith("listeval.templates.")
    ]


def test_no_two_public_classes_have_one_name():
    names = Counter(
        node.name
        for package in PACKAGES
        for module in packaged(package)
        for node in module.tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert {name for name, n in names.items() if n > 1} == TWICE


@pytest.mark.parametrize("package", PACKAGES)
def test_no_two_files_of_a_package_have_one_name(package):
    modules = packaged(package)
    assert len(modules) > 100
    names = Counter(Path(module.place).name for module in modules)
    assert {name for name, n in names.items() if n > 1} <= {"__init__.py", "__main__.py"}


def test_no_circle_closes_while_modules_load():
    assert circle(drawn(lazy=False)) == []


def test_no_import_inside_a_function_closes_a_circle():
    assert circle(drawn()) == []


def test_every_room_has_its_place():
    assert {room(name) for name in house()} == set(ROOMS)


def test_imports_point_down():
    height = {name: at for at, name in enumerate(ROOMS)}
    up = {(start, room(end)) for start, end in drawn() if height[room(start)] < height[room(end)]}
    assert sorted(up - UPWARD) == []
    assert sorted(UPWARD - up) == [], "these no longer point up: take them off the list"


def not_public(tree: ast.Module) -> list[str]:
    """What a module imports from listeval past the public face, types included."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.startswith("listeval.")]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [name for name in names if name.startswith("listeval.") and name[9:] not in listeval.__all__]
    return found


def test_tasks_and_the_template_import_only_the_public_face():
    modules = [module for module in house().values() if module.place.startswith(("tasks/", "listeval/templates/"))]
    assert len(modules) > 40
    assert {module.place: wrong for module in modules if (wrong := not_public(module.tree))} == {}


def test_examples_in_the_documentation_import_only_the_public_face():
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    blocks = [
        (page.name, dedent(block))
        for page in pages
        for block in re.findall(r"^ *```python\n(.*?)^ *```", page.read_text(), re.S | re.M)
    ]
    assert blocks
    assert [(name, wrong) for name, block in blocks if (wrong := not_public(ast.parse(block)))] == []


def test_what_is_not_public_is_seen():
    source = "import listeval, listeval.kit.files, json\nfrom listeval import Task, cli\nfrom listeval.task import Task"
    assert not_public(ast.parse(source)) == ["listeval.kit.files", "listeval.cli", "listeval.task.Task"]


def test_help_imports_nothing_heavy():
    command = [sys.executable, "-X", "importtime", "-m", "listeval", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "listeval" in loaded
    assert sorted(loaded & set(HEAVY)) == []


SAMPLE = {
    "a/__init__.py": '"""A package."""\nfrom . import one\n',
    "a/one.py": "import typing\nif typing.TYPE_CHECKING:\n    from a.typed import T\nelse:\n    import a.other\n",
    "a/two.py": "def go(x, *, y: int):\n    from .three import f\n    return f(x)\n",
    "a/three.py": "import a.two\n",
    "a/typed.py": "import a.one\nT = int\n",
    "a/other.py": "class K:\n    from a.typed import T\n",
}


def test_the_drawing_sees_what_it_should(tmp_path, monkeypatch):
    monkeypatch.setattr(imports, "ROOT", tmp_path)
    for name, source in SAMPLE.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(source)
    small = {module.name: module for module in (read(tmp_path / name, tmp_path) for name in SAMPLE)}
    loading = {("a", "a.one"), ("a.one", "a.other"), ("a.three", "a.two"), ("a.typed", "a.one"), ("a.other", "a.typed")}
    assert arrows(small, lazy=False) == loading
    assert arrows(small) == loading | {("a.two", "a.three")}
    assert set(circle(loading)) == {"a.one", "a.other", "a.typed"}
    assert circle(loading - {("a.other", "a.typed")}) == []
    assert unannotated(next(small["a.two"].functions())) == ["x", "return"]


def test_no_folder_of_tests_is_called_like_a_package_that_may_be_absent():
    """pytest puts folders of tests on the path, where `tests/backends/vllm` would pass for an installed vLLM."""
    ours = {"listopd"}
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*told["dependencies"], *(one for extra in told["optional-dependencies"].values() for one in extra)]
    packages = {re.split(r"[^\w-]", line)[0].replace("-", "_") for line in asked} | {"openai", "vllm", "ray", "verl"}
    folders = {path.name for path in (ROOT / "tests").rglob("*") if path.is_dir()} - ours
    assert folders & packages == set()
