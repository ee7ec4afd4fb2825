"""A small study as a file, changed at will."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from listopd.cliff.study import StudyFile

SMALL: dict[str, Any] = {
    "name": "small",
    "runner": {"kind": "lab"},
    "pairs": {"flip": {"student": "sharp", "teacher": "flip", "size": "0.02M"}},
    "parts": {
        "P": {
            "pairs": ["flip"],
            "lams": [1.0, 1.05, 1.1, 1.15, 1.2, 1.25, 1.3],
            "lrs": [5e-4],
            "seeds": [0, 1, 2, 3, 4],
            "budgets": [4],
        }
    },
    "predictions": [{"id": "where", "kind": "midpoint", "of": {"part": "P"}, "at": "curve"}],
    "draws": 400,
}

Make = Callable[..., StudyFile]


@pytest.fixture
def study(tmp_path: Path) -> Make:
    """Write SMALL with some of its keys replaced, and read it."""

    def make(file_name: str = "study.yaml", **changes: Any) -> StudyFile:
        file = tmp_path / file_name
        file.write_text(yaml.safe_dump(deepcopy(SMALL) | changes))
        return StudyFile(file)

    return make
