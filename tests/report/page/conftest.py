"""What tests of pages share: a browser, and runs whose answers are planted."""

import json

import pytest
from right_rankings import good

from listeval.plugins.open import make_task
from listeval.runs import RunConfig, load_run, run
from listeval.runs.make_rows import parse_and_score
from listeval.runs.rows import encode
from tests.chromium import chromium  # noqa: F401


@pytest.fixture
def make_run(tmp_path):
    """`make_run(name, answer=None, **changes)`: a null run over the bundled sample; `answer(row)` gives texts."""

    def make(name, answer=None, manifest=None, **changes):
        done = run(
            RunConfig(**{"task": "fashion", "model": name, "backend": "null", "out": str(tmp_path / name), **changes})
        )
        if answer is not None:
            rows = done.rows
            for row in rows:
                said = answer(row)
                row["text"], row["finish_reason"] = said if isinstance(said, tuple) else (said, "stop")
                row["reasoning"] = None
            parse_and_score(make_task(done.manifest.task.name, done.manifest.task.options), rows)
            (done.path / "samples.jsonl").write_bytes(b"".join(map(encode, rows)))
        if manifest is not None:
            values = json.loads((done.path / "manifest.json").read_text())
            manifest(values)
            (done.path / "manifest.json").write_text(json.dumps(values))
        return load_run(done.path)

    return make


@pytest.fixture
def two_runs(make_run):
    """A run of which every other answer lacks an id, and one without faults."""
    return [make_run("free", lambda row: good(row, row["index"] % 2)), make_run("held", good)]
