"""The bundled sample: made by the committed generator, with grades that follow from the text."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tasks.msmarco.generate import generate

FOLDER = Path(__file__).resolve().parents[3] / "tasks" / "msmarco"
TOPICS = json.loads((FOLDER / "phrases.json").read_text(encoding="utf-8"))["topics"]


def test_the_command_reproduces_the_sample_byte_for_byte():
    made = subprocess.run(
        [sys.executable, str(FOLDER / "generate.py"), "--seed", "7"], capture_output=True, check=True, timeout=60
    ).stdout
    assert made == (FOLDER / "sample.jsonl").read_bytes()
    assert len(made) < 120_000


def test_another_seed_is_another_sample_and_a_longer_one_begins_with_a_shorter():
    assert list(generate(7, 3)) == list(generate(7))[:3]
    assert list(generate(8, 1)) != list(generate(7, 1))


def test_rows_are_as_described():
    rows = list(generate(7))
    assert [row.get("split", "") for row in rows] == [""] * 12 + ["train"] * 2
    docids = [c["docid"] for row in rows for c in row["candidates"]]
    assert len(docids) == len(set(docids)) and {len(docid) for docid in docids} == {7}
    for row in rows:
        grades = Counter(c["rel"] for c in row["candidates"])
        assert grades == {3: 3, 2: 4, 1: 8, 0: 9, None: 5}
        assert all(row["qrels_by_grade"][str(grade)] >= grades[grade] for grade in range(4))
        assert len({c["text"] for c in row["candidates"]}) == len(row["candidates"])
        assert [c["runs"]["BM25"]["rank"] for c in row["candidates"]] == list(range(1, 30))
        scores = [c["runs"]["BM25"]["score"] for c in row["candidates"]]
        assert scores == sorted(scores, reverse=True)


def test_the_grade_follows_from_the_text():
    for row, topic in zip(generate(3), TOPICS, strict=True):
        for candidate in row["candidates"]:
            says = {part for part in ("full", "part", "near") if any(s in candidate["text"] for s in topic[part])}
            if candidate["rel"] is not None:
                grade = 3 if "full" in says else 2 if "part" in says else 1 if "near" in says else 0
                assert candidate["rel"] == grade, candidate["text"]
