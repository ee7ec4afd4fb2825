"""Options of tasks that name a file."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import AfterValidator

from listeval.disk import absolute_path
from listeval.task import TaskOptions

_ABSOLUTE = AfterValidator(absolute_path)

FileOption = Annotated[str, _ABSOLUTE]
"""Type of such a field of a task's options: the path becomes absolute, so that a run finds its file from any folder.

A run is the same wherever its files lie: its identity leaves the path out and has the fingerprint of the data that
`load` gives. What is read of the file has to change that fingerprint.
"""


def files_named(options: TaskOptions) -> list[str]:
    """The options of that type that name a file now, as `model_dump` calls them."""
    values, fields = options.model_dump(mode="json"), type(options).model_fields.items()
    own = {key for name, field in fields if _is_file(field) for key in (name, field.alias)}
    return [name for name, value in values.items() if name in own and isinstance(value, str)]


def _is_file(part: Any) -> bool:
    """Whether a field or a part of its type is a `FileOption`; `FileOption | None` has it one level down."""
    # A field and an annotated type both say so in their metadata.
    if _ABSOLUTE in getattr(part, "metadata", ()) or _ABSOLUTE in getattr(part, "__metadata__", ()):
        return True
    return any(map(_is_file, get_args(getattr(part, "annotation", part))))
