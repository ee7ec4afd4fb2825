"""A new task plug-in from the template: a folder that runs and passes its checks as it is."""

from __future__ import annotations

import re
from keyword import iskeyword
from pathlib import Path

from listeval.errors import UserError
from listeval.plugins.known_folders import note
from listeval.plugins.registry import find_all

_TEMPLATE = Path(__file__).parents[1] / "templates" / "task"
_NAME, _CLASS = "my_task", "MyTask"


def new_task(name: str, root: Path) -> Path:
    """Write the folder `root/name` and return it.

    Raises UserError for a name that is no lower-case identifier or is taken, and where nothing can be written.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        fix = "use lower-case letters, digits and underscores, a letter first"
        raise UserError(f"'{name}' cannot be a task's name", place="tasks new", fix=fix)
    taken = find_all().get(name)
    folder = root / name
    if taken or folder.exists():
        place = taken[0].origin if taken else str(folder)
        raise UserError(f"there is a '{name}' already", place=place, fix="choose another name")
    try:
        folder.mkdir(parents=True)
        for source in sorted(_TEMPLATE.iterdir()):
            if source.is_file():
                text = source.read_text(encoding="utf-8")
                named = text.replace(_NAME, name).replace(_CLASS, _class_name(name))
                (folder / source.name).write_text(named, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write the task: {error.strerror}", place=str(folder), fix="check the folder") from None
    note(folder.resolve())
    return folder


def _class_name(name: str) -> str:
    """`triage_mail` as `TriageMail`; never a name that the template or Python uses itself, such as `Record`."""
    words = "".join(part.capitalize() for part in name.split("_"))
    source = (_TEMPLATE / "task.py").read_text(encoding="utf-8")
    return f"{words}Task" if iskeyword(words) or re.search(rf"\b{words}\b", source) else words
