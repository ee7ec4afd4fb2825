"""A class of the user's own that an option names (`module:Class`), imported only with the user's word.

A name on the command line is that word, and whoever has imported the module himself has given it, too. A name that a
manifest, a recipe or a configuration brings is refused until somebody calls `allow_import`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from listeval.errors import UserError, first_line

_allowed: set[str] = set()
_FORM = "write it as module:Class, such as contracts:Ticket"


def allow_import(name: str) -> None:
    """The user's word that the module of `module:Class` may be imported in this process."""
    _allowed.add(name.partition(":")[0])


def named_class(name: str, place: str) -> type[Any]:
    """The class that `module:Class` names; the working directory is looked in after everything installed.

    `place` is the option that names it. Raises UserError without the user's word, and where there is no such class.
    """
    module, colon, path = name.partition(":")
    if not colon or not module or not path:
        raise UserError(f"'{name}' names no class", place=place, fix=_FORM)
    if module not in _allowed and module not in sys.modules:
        fix = f"name it on the command line ({place}={name}), add --trust, or import {module} yourself before"
        raise UserError(f"'{name}' is code of your own, which needs your word to be imported", place=place, fix=fix)
    found: Any = _imported(module, place)
    for part in path.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type):
        raise UserError(f"the module '{module}' has no class '{path}'", place=place, fix=_FORM)
    return found


def _imported(module: str, place: str) -> Any:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name == module.partition(".")[0] or error.name == module:
            fix = "run where the module lies, or install it"
            raise UserError(f"no module '{module}'", place=place, fix=fix) from None
        raise UserError(f"'{module}' cannot be imported: {error}", place=place, fix="install what it needs") from error
    except (Exception, SystemExit) as error:
        cause = f"importing '{module}' raised {first_line(error)}"
        raise UserError(cause, place=place, fix=f"correct {module}") from error
