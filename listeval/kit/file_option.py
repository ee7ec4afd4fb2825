"""Options of tasks that name a file."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from listeval.disk import absolute_path

FileOption = Annotated[str, AfterValidator(absolute_path)]
"""Type of such a field of a task's options: the path becomes absolute, so that a run finds its file from any folder."""
