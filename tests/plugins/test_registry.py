"""Where tasks are found, and what happens when a name stands for two of them or a plug-in is broken."""

import os
import sys
from importlib.metadata import EntryPoint

import pytest

from listeval.errors import UserError
from listeval.plugins import registry
from listeval.plugins.registry import find, find_all, load_task

PLUGIN = """
from listeval import Task
class T(Task):
    name, version, summary, metrics = "{name}", 1, "s", ()
    load = contract = gold = score = None
"""


@pytest.fixture(autouse=True)
def away(tmp_path, monkeypatch):
    """Work in an empty folder, forget plug-ins of other tests."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in sys.modules if name.startswith("listeval_tasks")]:
        monkeypatch.delitem(sys.modules, name)


def plugin(folder, text=None, name=None):
    folder.mkdir(parents=True)
    (folder / "task.py").write_text(text or PLUGIN.format(name=name or folder.name))
    return folder


def test_a_folder_of_the_path_is_found(tmp_path, monkeypatch):
    folder = plugin(tmp_path / "mine" / "hats")
    monkeypatch.setenv("LISTEVAL_PATH", str(tmp_path / "mine"))
    assert find("hats").folder == folder
    assert load_task("hats").name == "hats"


def test_two_tasks_of_a_name_are_refused_with_both_places(tmp_path, monkeypatch):
    one, other = plugin(tmp_path / "tasks" / "hats"), plugin(tmp_path / "more" / "hats", name="hats ")
    monkeypatch.setenv("LISTEVAL_PATH", str(tmp_path / "more"))
    with pytest.raises(UserError) as error:
        load_task("hats")
    assert str(one) in str(error.value)
    assert str(other) in str(error.value)
    assert len(find_all()["hats"]) == 2


def test_a_built_in_task_has_no_privilege(tmp_path):
    plugin(tmp_path / "tasks" / "fashion")
    with pytest.raises(UserError, match="two tasks are called 'fashion'"):
        load_task("fashion")


def test_a_copy_of_the_same_code_is_the_same_task(tmp_path, monkeypatch):
    plugin(tmp_path / "tasks" / "hats")
    plugin(tmp_path / "more" / "hats")
    monkeypatch.setenv("LISTEVAL_PATH", os.pathsep.join([str(tmp_path / "more"), str(tmp_path / "tasks")]))
    assert load_task("hats").name == "hats"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package with an entry point, as if it had been installed."""
    package = plugin(tmp_path / "site" / "hatshop", PLUGIN.format(name="hats"))
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    entry = EntryPoint("hats", "hatshop.task:T", "listeval.tasks")
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry])
    yield package
    sys.modules.pop("hatshop.task", None)
    sys.modules.pop("hatshop", None)


def test_an_installed_task_is_found_by_its_entry_point(installed):
    assert load_task("hats").name == "hats"
    assert find("hats").home == installed


def test_an_installed_task_beside_its_own_folder_is_one_task(installed, tmp_path, monkeypatch):
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "hats").symlink_to(installed)
    assert load_task("hats").name == "hats"


BROKEN = {
    "syntax error": "def broken(:\n",
    "missing import": "import no_such_module_at_all\n",
    "no class": "x = 1\n",
    "another name": PLUGIN.format(name="caps"),
    "raises": "raise SystemError('boom')\n",
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_plug_in_is_named_and_others_go_on(fault, tmp_path):
    folder = plugin(tmp_path / "tasks" / "hats", BROKEN[fault])
    with pytest.raises(UserError) as error:
        load_task("hats")
    assert str(folder) in str(error.value)
    assert "\n" not in str(error.value)
    assert load_task("fashion").name == "fashion"
