"""A Python that has the formats' owners, inspect-ai and lm-eval, which this environment need not hold."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PEERS = "LISTEVAL_PEERS_PYTHON"
"""The variable that names it."""


@cache
def python_with(package):
    """A Python that imports `package`, or None."""
    for python in filter(None, (sys.executable, os.environ.get(PEERS))):
        if subprocess.run([python, "-c", f"import {package}"], capture_output=True).returncode == 0:
            return python
    return None


def peer(package, *args):
    """Output of a Python that has `package`; the test skips where there is none."""
    done = subprocess.run([needed(package), *args], capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr
    return done.stdout


def needed(package):
    """A Python that has `package`; the test skips where there is none."""
    python = python_with(package)
    if python is None:
        pytest.skip(f"needs {package}, here or in the Python that ${PEERS} names")
    return python


def environment():
    """In which that Python finds listeval, too."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}
