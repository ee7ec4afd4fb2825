"""The command line as a user runs it: a process of its own in a folder of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chromium import chromium  # noqa: F401

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def listeval(tmp_path):
    """Run `listeval ARGS`; returns the finished process."""

    def call(*args, cwd=tmp_path, env=None, **options):
        command = [sys.executable, "-m", "listeval", *map(str, args)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80", **(env or {})}
        return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=600, **options)

    return call
