"""`--data hub` against a stand-in for the hub: Parquet files of one split, in shards."""

from __future__ import annotations

import io

import pytest

from tasks.gsm8k.task import Gsm8k, Gsm8kOptions
from tests.hub_server import SHA

pyarrow = pytest.importorskip("pyarrow", reason="the hub's files are Parquet")
pytest.importorskip("datasets", reason="Parquet is read through datasets")


def parquet(*numbers):
    from pyarrow import parquet as files

    out = io.BytesIO()
    rows = [{"question": f"What is {n}?", "answer": f"<<{n}={n}>>{n}\n#### {n:,}"} for n in numbers]
    files.write_table(pyarrow.Table.from_pylist(rows), out)
    return out.getvalue()


FILES = {
    "main/test-00000-of-00002.parquet": parquet(1, 2000),
    "main/test-00001-of-00002.parquet": parquet(3),
    "main/train-00000-of-00001.parquet": parquet(7),
    "socratic/test-00000-of-00001.parquet": b"never read",
}


def test_the_split_s_shards_are_read_in_order(serve_hub):
    hub = serve_hub({"openai/gsm8k": FILES})
    found = Gsm8k(Gsm8kOptions(shots=1)).load("hub", 0)
    assert [(example.id, example.target["answer"]) for example in found.examples] == [
        ("test-1", "1"), ("test-2", "2000"), ("test-3", "3"),
    ]  # fmt: skip
    assert found.examples[0].messages[1].content == '{"reasoning": "7", "answer": 7}'
    assert found.name == "openai/gsm8k test"
    assert found.source == f"hf://datasets/openai/gsm8k@{SHA}/main/test-00000-of-00002.parquet"
    assert sorted(hub.asked) == [name for name in FILES if name.startswith("main")]
