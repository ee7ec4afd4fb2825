"""Runs to compare: null runs over generated groups whose answers a test may replace."""

import json

import pytest
from planted import edit_manifest, rewrite

from listeval.runs import RunConfig, load_run, run
from tasks.fashion.generate import generate


@pytest.fixture(scope="session")
def groups(tmp_path_factory):
    """A data file of 60 generated groups."""
    path = tmp_path_factory.mktemp("data") / "groups.jsonl"
    path.write_text("".join(json.dumps(group) + "\n" for group in generate(60, seed=11)), encoding="utf-8")
    return path


@pytest.fixture
def make_run(tmp_path, groups):
    """`make_run(name, answer=None, **changes)`: a run directory.

    `answer(row)` gives the text of a row, or (text, finish_reason); `constraint` and `model` (a fingerprint) go into
    the manifest, everything else into the configuration.
    """

    def make(name, answer=None, *, constraint="none", model="m", **changes):
        values = {"task": "fashion", "model": model, "backend": "null", "data": str(groups), "limit": 40}
        options = {"split": "all", **changes.pop("options", {})}
        done = run(RunConfig(**{**values, **changes, "options": options, "out": str(tmp_path / name)}))
        if answer is not None:
            rewrite(done, answer)
        edit_manifest(done.path, lambda values: values.update(constraint=constraint))
        return load_run(done.path).path

    return make
