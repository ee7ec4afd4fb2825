"""A run in which every outcome occurs: right, broken, unscored, failed by the engine, with odd text."""

import json

import pytest

from listeval.runs import RunConfig, load_run, run
from listeval.runs.rows import encode

ODD = 'says "a,b";\r\n=1+1 \u2028 \N{SNOWMAN} \x00 <script>alert(1)</script>'


def change(directory, places):
    """`places[n]` updates the n-th stored row, in the order of the file."""
    file = directory / "samples.jsonl"
    rows = [json.loads(line) for line in file.read_bytes().splitlines()]
    for at, values in places.items():
        rows[at] |= values
    file.write_bytes(b"".join(map(encode, rows)))


@pytest.fixture(scope="session")
def mixed_path(tmp_path_factory):
    """12 examples, two seeds, answers of a noisy model."""
    out = tmp_path_factory.mktemp("mixed") / "run"
    done = run(RunConfig(task="fashion", model="noise", backend="null", limit=12, seeds=(3, 5), out=str(out)))
    none = dict.fromkeys(done.rows[0]["scores"])
    failed = {"outcome": "error", "kind": "engine_error", "error": "no memory", "text": "", "value": None}
    change(
        done.path,
        {
            0: {**failed, "scores": none, "bare": None},
            1: {"outcome": "unscored", "reason": "judge is away", "scores": none},
            2: {"text": ODD, "reasoning": "hm"},
        },
    )
    return done.path


@pytest.fixture
def mixed(mixed_path):
    """The run itself."""
    return load_run(mixed_path)
