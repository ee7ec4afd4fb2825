"""A run of the bundled sample on the null engine, in a folder of its own."""

import pytest

from listeval.runs import RunConfig, run


@pytest.fixture
def start(tmp_path):
    """Start (or go on with) a run; keywords change the configuration."""

    def make(**changes):
        values = {"task": "fashion", "model": "m", "backend": "null", "limit": 40, "out": str(tmp_path / "run")}
        return run(RunConfig(**{**values, **changes}))

    return make
