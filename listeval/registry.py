"""Discovery of task plug-ins: built-in tasks are found by the same rule as a user's.

Searched in order, first hit wins: `./tasks`, the folders of `$LISTEVAL_PATH`, installed
entry points of the group `listeval.tasks`, the bundled folder. A folder task is
`<root>/<name>/task.py`; it is imported as `listeval_tasks.<name>.task`, so it may use
relative imports, also of a neighbouring task. Listing imports no task.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from listeval.errors import UserError, did_you_mean
from listeval.task import Task

_PACKAGE = "listeval_tasks"
_GROUP = "listeval.tasks"


class TaskRef(NamedTuple):
    """Where a task was found: a folder with task.py, or an entry point."""

    name: str
    folder: Path | None
    entry: EntryPoint | None = None

    @property
    def origin(self) -> str:
        """For `tasks list`: the folder, or the entry point's target."""
        return str(self.folder) if self.folder else self.entry.value if self.entry else ""


def roots() -> list[Path]:
    """Task roots that exist, in search order; the bundled one is last."""
    return [*_user_roots(), bundled() / "tasks"]


def bundled() -> Path:
    """The folder of what ships with listeval: inside the wheel, or the repository of an editable install."""
    package = Path(__file__).parent
    inside = package / "bundled"
    return inside if inside.is_dir() else package.parent


def find_all() -> dict[str, TaskRef]:
    """Every task by name, without importing any."""
    found: dict[str, TaskRef] = {}
    for root in _user_roots():
        _add_folder(found, root)
    for entry in entry_points(group=_GROUP):
        found.setdefault(entry.name, TaskRef(entry.name, None, entry))
    _add_folder(found, bundled() / "tasks")
    return dict(sorted(found.items()))


def _user_roots() -> list[Path]:
    listed = [Path("tasks"), *(Path(p) for p in os.environ.get("LISTEVAL_PATH", "").split(os.pathsep) if p)]
    return [root.resolve() for root in listed if root.is_dir()]


def _add_folder(found: dict[str, TaskRef], root: Path) -> None:
    for file in sorted(root.glob("*/task.py")):
        found.setdefault(file.parent.name, TaskRef(file.parent.name, file.parent))


def load_task(name: str) -> type[Task]:
    """The task class called `name`.

    Raises UserError for an unknown name (with a suggestion) and for a plug-in that does not
    import or does not define exactly one Task; other tasks are not touched.
    """
    known = find_all()
    if name not in known:
        raise UserError(f"unknown task '{name}'", place="--task", fix=did_you_mean(name, list(known)))
    ref = known[name]
    try:
        if ref.entry is not None:
            loaded = ref.entry.load()
            task = loaded if isinstance(loaded, type) else _only_task(loaded, ref)
        else:
            task = _only_task(_import_folder(ref), ref)
    except UserError:
        raise
    except Exception as error:
        raise _broken(ref, error) from error
    if not issubclass(task, Task):
        raise UserError(
            f"task '{name}' is not a listeval.Task", place=ref.origin, fix="derive its class from listeval.Task"
        )
    if task.name != name:
        raise UserError(f"task '{name}' calls itself '{task.name}'", place=ref.origin, fix="use one name for both")
    return task


def _import_folder(ref: TaskRef) -> ModuleType:
    package = sys.modules.get(_PACKAGE)
    if package is None:
        package = sys.modules[_PACKAGE] = ModuleType(_PACKAGE)
    package.__path__ = [str(root) for root in roots()]
    return import_module(f"{_PACKAGE}.{ref.name}.task")


def _only_task(module: ModuleType, ref: TaskRef) -> type[Task]:
    own = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Task) and value.__module__ == module.__name__
    ]
    if len(own) != 1:
        names = ", ".join(cls.__name__ for cls in own) or "none"
        raise UserError(
            f"task '{ref.name}' must define exactly one Task class, found {names}", place=ref.origin, fix="keep one"
        )
    return own[0]


def _broken(ref: TaskRef, error: Exception) -> UserError:
    """The last line of the plug-in's own code that raised, not the import machinery's."""
    place, trace = ref.origin, error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if ref.folder and file.startswith(str(ref.folder)):
            place = f"{file}:{trace.tb_lineno}"
        trace = trace.tb_next
    if isinstance(error, SyntaxError):
        place = f"{error.filename}:{error.lineno}"
    return UserError(
        f"task '{ref.name}' does not import: {type(error).__name__}: {error}", place=place, fix="correct the plug-in"
    )
