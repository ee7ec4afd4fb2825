"""Discovery of task plug-ins: built-in tasks are found by the same rule as a user's.

Searched in order: `./tasks`, the folders of `$LISTEVAL_PATH`, installed entry points of the
group `listeval.tasks`, the bundled folder. A name stands for one task: two different ones of
a name are an error as soon as it is asked for, because a run of the wrong one would look
right. A folder task is `<root>/<name>/task.py`; it is imported as
`listeval_tasks.<name>.task`, so it may use relative imports, also of a neighbouring task.
Listing imports no task.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from inspect import getfile
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from listeval.errors import UserError, did_you_mean, first_line
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

    @property
    def code(self) -> str:
        """Hash of a folder task's code and prompts, or the distribution that an installed one comes from."""
        if self.folder is None:
            distribution = self.entry.dist if self.entry else None
            return f"{distribution.name} {distribution.version}" if distribution else self.origin
        files = sorted(p for p in self.folder.iterdir() if p.suffix in {".py", ".jinja"})
        return sha256(b"".join(p.name.encode() + p.read_bytes() for p in files)).hexdigest()

    @property
    def home(self) -> Path | None:
        """The folder that holds the task's own code; finding an installed one imports its parent package."""
        if self.folder is not None:
            return self.folder.resolve()
        if self.entry is None:
            return None
        try:
            spec = find_spec(self.entry.module)
        except ImportError:
            return None
        return Path(spec.origin).resolve().parent if spec and spec.origin else None


def roots() -> list[Path]:
    """Task roots that exist, in search order; the bundled one is last."""
    return [*_user_roots(), bundled() / "tasks"]


def bundled() -> Path:
    """The folder of what ships with listeval: inside the wheel, or the repository of an editable install."""
    package = Path(__file__).parent
    inside = package / "bundled"
    return inside if inside.is_dir() else package.parent


def find_all() -> dict[str, list[TaskRef]]:
    """Every task by name, without importing any; more than one place for a name in search order."""
    folders = [_in_folder(root) for root in (*_user_roots(), bundled() / "tasks")]
    installed = [TaskRef(entry.name, None, entry) for entry in entry_points(group=_GROUP)]
    found: dict[str, list[TaskRef]] = {}
    for ref in chain(*folders[:-1], installed, folders[-1]):
        places = found.setdefault(ref.name, [])
        if ref not in places:
            places.append(ref)
    return dict(sorted(found.items()))


def find(name: str) -> TaskRef:
    """Where the task called `name` is. Raises UserError for an unknown name, and for one that stands for two tasks."""
    known = find_all()
    if name not in known:
        raise UserError(f"unknown task '{name}'", place="--task", fix=did_you_mean(name, list(known)))
    first, *others = known[name]
    for other in others:
        if not _same(first, other):
            cause = f"two tasks are called '{name}': {first.origin} and {other.origin}"
            raise UserError(cause, place=first.origin, fix="rename one of them, or leave its folder")
    return first


def _same(one: TaskRef, other: TaskRef) -> bool:
    """Whether two places hold one task: a plug-in's folder beside its own installation, or a copy of the code."""
    if None not in (one.home, other.home) and one.home == other.home:
        return True
    return one.folder is not None and other.folder is not None and one.code == other.code


def code_of(task: type[Task]) -> str:
    """Names the code behind a task: its own, and that of neighbouring tasks whose classes it derives from."""
    modules = [base.__module__.split(".") for base in task.__mro__]
    neighbours = [module[1] for module in modules if module[0] == _PACKAGE]
    codes = [find(name).code for name in dict.fromkeys([task.name, *neighbours])]
    return codes[0] if len(codes) == 1 else sha256("".join(codes).encode()).hexdigest()


def _user_roots() -> list[Path]:
    listed = [Path("tasks"), *(Path(p) for p in os.environ.get("LISTEVAL_PATH", "").split(os.pathsep) if p)]
    return [root.resolve() for root in listed if root.is_dir()]


def _in_folder(root: Path) -> list[TaskRef]:
    return [TaskRef(file.parent.name, file.parent) for file in sorted(root.resolve().glob("*/task.py"))]


def load_task(name: str) -> type[Task]:
    """The task class called `name`.

    Raises UserError for an unknown name (with a suggestion), a name that stands for two tasks, and
    a plug-in that does not import or does not define exactly one Task; other tasks are not touched.
    """
    ref = find(name)
    try:
        if ref.entry is not None:
            loaded = ref.entry.load()
            task = loaded if isinstance(loaded, type) else _only_task(loaded, ref)
        else:
            task = _only_task(_import_folder(ref), ref)
    except UserError:
        raise
    except (Exception, SystemExit) as error:
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


def _broken(ref: TaskRef, error: BaseException) -> UserError:
    place = f"{error.filename}:{error.lineno}" if isinstance(error, SyntaxError) else _raised_at(ref.home, error)
    place = place or ref.origin
    cause = f"task '{ref.name}' does not import: {type(error).__name__}: {error}"
    return UserError(cause, place=place, fix="correct the plug-in")


@contextmanager
def blame(task: Task, what: str, fix: str = "correct the task") -> Iterator[None]:
    """Turn whatever a plug-in raises in this block into a UserError that names its own line; UserErrors pass."""
    try:
        yield
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        home = Path(getfile(type(task))).parent
        cause = f"task '{task.name}' {what}: {first_line(error)}"
        raise UserError(cause, place=_raised_at(home, error) or str(home), fix=fix) from error


def _raised_at(home: Path | None, error: BaseException) -> str:
    """`file:line` of the last line below `home` behind an error; empty where none is."""
    place, trace = "", error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if home is not None and Path(file).is_relative_to(home):
            place = f"{file}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
