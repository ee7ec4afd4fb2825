"""Damage in a label store: one line with its place from `label`, `rubrics agree` and the run that ranks by labels."""

import random

import pytest

from tests.backends.fake_server import FakeServer
from tests.hostile.damage import Original, damage
from tests.hostile.test_damaged_runs import check
from tests.labelling.judges import good, reviews

pytest.importorskip("httpx", reason="judges are asked over HTTP")


@pytest.fixture
def label(cli, tmp_path):
    """A finished store `store`, and the call that goes on with it."""
    data = reviews(tmp_path / "hats.jsonl", products=2, count=8)
    with FakeServer(good).running() as server:
        line = f"label --rubric helpfulness --judge {server.url}#tiny --data {data} --quiet --out"

        def call(out="store"):
            return cli(f"{line} {out}")

        call.server = server
        assert call()[0] == call("other")[0] == 0
        yield call


def test_damage_in_an_attempt(label, tmp_path):
    runs, rng = Original(tmp_path / "store" / "attempt-1"), random.Random(5)
    for _ in range(80):
        runs.restore()
        damage(runs.folder, rng)
        check(label(), "store")


def test_a_stray_answer_is_named_counted_nowhere_and_not_a_label(label, tmp_path):
    file = tmp_path / "store" / "attempt-1" / "samples.jsonl"
    rows = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*rows, rows[0].replace(b'"example":"', b'"example":"f')]))
    asked = len(label.server.calls)
    code, _, err = label()
    assert (code, "rows left out" in err, "samples.jsonl:17" in err) == (1, True, True)
    assert len(label.server.calls) == asked
    assert (tmp_path / "store" / "labels.jsonl").read_bytes().count(b"\n") == 16


@pytest.mark.parametrize(
    "line", ["rubrics agree store other", "rubrics agree store --votes hats.jsonl --json",
             "run --task fashion --model m --backend null --data hats.jsonl --set labels=store --out ranked --quiet"],
)  # fmt: skip
def test_damage_in_the_labels(cli, label, tmp_path, line):
    rng = random.Random(6)
    file = tmp_path / "store" / "labels.jsonl"
    whole = file.read_bytes()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for _ in range(40):
        for name in ("manifest.json", "samples.jsonl", "metrics.json", "ledger", ".lock"):
            (scratch / name).unlink(missing_ok=True)
            (scratch / name).write_bytes(whole)
        name = damage(scratch, rng)
        if (scratch / name).is_file() and not (scratch / name).is_symlink():
            file.write_bytes((scratch / name).read_bytes())
            code, out, err = cli(line)
            check((code, out, err), "")
