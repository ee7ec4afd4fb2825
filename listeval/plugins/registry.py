"""Discovery of task plug-ins: built-in tasks are found by the same rule as a user's.

Searched in order: `./tasks`, the folders of `$LISTEVAL_PATH`, installed entry points of the
group `listeval.tasks`, the bundled folder. A name stands for one task: two different ones of
a name are an error as soon as it is asked for, because a run of the wrong one would look
right. A folder task is `<root>/<name>/task.py`; it is imported as
`listeval_tasks.<name>.task`, so it may use relative imports, also of a neighbouring task
(`listeval.plugins.importing`). Listing imports no task.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from hashlib import sha256
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from listeval.bundled import bundled
from listeval.errors import UserError, did_you_mean
from listeval.plugins.blame import raised_at
from listeval.plugins.code import PACKAGE, neighbours, tree_hash
from listeval.plugins.declared import check_declared
from listeval.plugins.importing import import_task
from listeval.task import Task

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
        """Hash of all that ships in the task's folder; an installed one's distribution stands before it."""
        if self.folder is not None:
            return tree_hash(self.folder)
        distribution = self.entry.dist if self.entry else None
        name = f"{distribution.name} {distribution.version}" if distribution else self.origin
        module = None if self.entry is None else _module(self.entry.module)
        return f"{name} {tree_hash(module)}" if module else name

    @property
    def home(self) -> Path | None:
        """The folder that holds the task's own code; found without importing any of it."""
        if self.folder is not None:
            return self.folder.resolve()
        module = None if self.entry is None else _module(self.entry.module)
        if module is None:
            return None
        return module if module.is_dir() else module.parent


def _module(name: str) -> Path | None:
    """The folder of the package that holds the module `name`, or the file of a module that is in none."""
    top, *below = name.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.submodule_search_locations:
        return Path(spec.origin).resolve() if spec and spec.origin else None
    package = Path(next(iter(spec.submodule_search_locations))).joinpath(*below)
    return (package if package.is_dir() else package.parent).resolve()


def roots() -> list[Path]:
    """Task roots that exist, in search order; the bundled one is last."""
    return [*_user_roots(), _bundled_tasks()]


def _bundled_tasks() -> Path:
    return (bundled() / "tasks").resolve()


def find_all() -> dict[str, list[TaskRef]]:
    """Every task by name, without importing any; more than one place for a name in search order."""
    folders = [_in_folder(root) for root in roots()]
    installed = [TaskRef(entry.name, None, entry) for entry in entry_points(group=_GROUP)]
    found: dict[str, list[TaskRef]] = {}
    for ref in chain(*folders[:-1], installed, folders[-1]):
        places = found.setdefault(ref.name, [])
        if ref not in places:
            places.append(ref)
    return dict(sorted(found.items()))


def find(name: str) -> TaskRef:
    """Where the task called `name` is; of equal copies, the bundled one.

    Raises UserError for an unknown name, and for one that stands for two tasks.
    """
    return _find(name, find_all())


def _find(name: str, known: Mapping[str, Sequence[TaskRef]]) -> TaskRef:
    if name not in known:
        raise UserError(f"unknown task '{name}'", place="--task", fix=did_you_mean(name, list(known)))
    first, *others = known[name]
    for other in others:
        if not _same(first, other):
            cause = f"two tasks are called '{name}': {first.origin} and {other.origin}"
            raise UserError(cause, place=first.origin, fix="rename one of them, or leave its folder")
    ours = _bundled_tasks()
    return next((ref for ref in others if ref.folder and ref.folder.parent == ours), first)


def _same(one: TaskRef, other: TaskRef) -> bool:
    """Whether two places hold one task: a plug-in's folder beside its own installation, or a copy of all its files."""
    if None not in (one.home, other.home) and one.home == other.home:
        return True
    return one.folder is not None and other.folder is not None and one.code == other.code


def code_of(task: type[Task]) -> str:
    """Names the code behind a task: its own, and that of the neighbouring tasks that it imports or derives from."""
    modules = [base.__module__.split(".") for base in task.__mro__]
    known = find_all()
    names = [task.name, *(module[1] for module in modules if module[0] == PACKAGE and len(module) > 1)]
    codes: dict[str, str] = {}
    while names:
        name = names.pop(0)
        place = None if name in codes else _place(name, known)
        if place is not None:
            codes[name] = tree_hash(place)
            names += sorted(neighbours(place))
        elif name not in codes and name in known:
            codes[name] = _find(name, known).code
    if list(codes) == [task.name]:
        return codes[task.name]
    return sha256("".join(f"{name}\0{code}\0" for name, code in codes.items()).encode()).hexdigest()


def _place(name: str, known: Mapping[str, Sequence[TaskRef]]) -> Path | None:
    """The folder of the task `name`, else the folder or module of that name beside tasks; None where there is none.

    Raises UserError where two that differ have the name.
    """
    if name in known:
        return _find(name, known).folder
    found = [path for root in roots() for path in (root / name, root / f"{name}.py") if path.exists()]
    for other in found[1:]:
        if tree_hash(found[0]) != tree_hash(other):
            cause = f"two different places are called '{name}' beside tasks: {found[0]} and {other}"
            raise UserError(cause, place=str(found[0]), fix="rename one of them, or leave its folder")
    return found[-1] if found else None


def local_code(name: str) -> Path | None:
    """The folder below `./tasks` whose code the task `name` is, or imports; None where all of it is elsewhere.

    Code in `./tasks` may have come with what was unpacked there. Raises UserError as `find` does.
    """
    here, known = Path("tasks").resolve(), find_all()
    names, seen = [name], set[str]()
    if here == _bundled_tasks():
        return None
    _find(name, known)
    while names:
        place = _place(names.pop(), known)
        if place is not None and place.parent == here:
            return place
        if place is not None and place.name not in seen:
            seen.add(place.name)
            names += neighbours(place)
    return None


def _user_roots() -> list[Path]:
    listed = [Path("tasks"), *(Path(p) for p in os.environ.get("LISTEVAL_PATH", "").split(os.pathsep) if p)]
    return [root.resolve() for root in listed if root.is_dir()]


def _in_folder(root: Path) -> list[TaskRef]:
    return [
        TaskRef(file.parent.name, file.parent) for file in sorted(root.resolve().glob("*/task.py")) if file.is_file()
    ]


def load_task(name: str) -> type[Task]:
    """The task class called `name`, with what names its code.

    Raises UserError for an unknown name (with a suggestion), a name that stands for two tasks, and a plug-in that does
    not import, does not define exactly one Task, or declares it wrongly; other tasks are not touched.
    """
    ref = find(name)
    try:
        if ref.entry is not None:
            loaded = ref.entry.load()
            task = loaded if isinstance(loaded, type) else _only_task(loaded, ref)
        else:
            known = find_all()
            task = _only_task(import_task(name, lambda beside: _place(beside, known), _bundled_tasks()), ref)
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        raise _broken(ref, error) from error
    if not issubclass(task, Task):
        raise UserError(
            f"task '{name}' is not a listeval.Task", place=ref.origin, fix="derive its class from listeval.Task"
        )
    check_declared(task, ref.origin)
    if task.name != name:
        raise UserError(f"task '{name}' calls itself '{task.name}'", place=ref.origin, fix="use one name for both")
    task._code = staticmethod(partial(code_of, task))
    return task


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
    place = f"{error.filename}:{error.lineno}" if isinstance(error, SyntaxError) else raised_at(ref.home, error)
    place = place or ref.origin
    cause = f"task '{ref.name}' does not import: {type(error).__name__}: {error}"
    return UserError(cause, place=place, fix="correct the plug-in")
