"""How the code of folder tasks is imported: what runs is what was hashed, and it is said where it comes from.

A task `<root>/<name>/task.py` is the module `listeval_tasks.<name>.task`. Its name, and that of every neighbour that
it imports, means one folder: two that differ are refused before either runs. Byte code lying beside a user's task is
not used, because nothing ties it to the source. Code in `./tasks` may have come with whatever was unpacked here, so
the first import from each of its folders is said in one line on stderr (`listeval.plugins.known_folders`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
    SourcelessFileLoader,
)
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

from listeval.errors import UserError
from listeval.kit.notice import notice
from listeval.plugins.code import PACKAGE
from listeval.plugins.known_folders import is_known, note

Locate = Callable[[str], Path | None]
"""The folder (or file) that stands for a name beside tasks; None where there is none. May raise UserError."""


class _Fresh(SourceFileLoader):
    """Compiles the source that is there, whatever byte code lies beside it."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


_LOADERS = ((ExtensionFileLoader, EXTENSION_SUFFIXES), (_Fresh, [".py"]), (SourcelessFileLoader, [".pyc"]))


class _Finder(MetaPathFinder):
    """Finds `listeval_tasks.<name>` where `locate` says, and a user's modules below it."""

    def __init__(self) -> None:
        self.locate: Locate = lambda name: None
        self.bundled = self.here = Path()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, *below = fullname.split(".")
        if package != PACKAGE or not below:
            return None
        if len(below) > 1:
            return self._inside(fullname, path or ())
        place = self.locate(below[0])
        if place is None:
            return None
        self._say(place)
        if place.is_file():
            return spec_from_file_location(fullname, place, loader=_Fresh(fullname, str(place)))
        start = place / "__init__.py"
        if start.is_file():
            loader = _Fresh(fullname, str(start))
            return spec_from_file_location(fullname, start, loader=loader, submodule_search_locations=[str(place)])
        spec = ModuleSpec(fullname, None, is_package=True)
        spec.submodule_search_locations = [str(place)]
        return spec

    def _inside(self, fullname: str, path: Sequence[str]) -> ModuleSpec | None:
        for entry in path:
            if not Path(entry).is_relative_to(self.bundled):
                spec = FileFinder(entry, *_LOADERS).find_spec(fullname)
                if spec is not None:
                    return spec
        return None  # what ships with listeval is found in the ordinary way

    def _say(self, place: Path) -> None:
        if place.parent == self.here != self.bundled and not is_known(place):
            note(place)
            notice(f"importing the task code in {place}")


_finder = _Finder()


def import_task(name: str, locate: Locate, bundled: Path) -> ModuleType:
    """Import the task `name` from where `locate` finds it. Raises what its code raises, and UserError from `locate`.

    `bundled` is the root of the tasks that ship with listeval.
    """
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    if PACKAGE not in sys.modules:
        package = sys.modules[PACKAGE] = ModuleType(PACKAGE)
        package.__path__ = []
    _finder.locate, _finder.bundled, _finder.here = locate, bundled, Path("tasks").resolve()
    _forget_moved(locate)
    return import_module(f"{PACKAGE}.{name}.task")


def _forget_moved(locate: Locate) -> None:
    """Modules of a name that stands for another folder now, as in a process that changes its directory."""
    for module in [name for name in sys.modules if name.count(".") == 1 and name.startswith(f"{PACKAGE}.")]:
        place = None
        with suppress(UserError):
            place = locate(module.partition(".")[2])
        loaded = getattr(sys.modules[module], "__path__", None) or [getattr(sys.modules[module], "__file__", None)]
        if place is None or list(loaded) != [str(place)]:
            for name in [name for name in sys.modules if name == module or name.startswith(f"{module}.")]:
                del sys.modules[name]
