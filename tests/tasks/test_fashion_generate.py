"""The bundled sample: made by the committed generator, and as varied as it claims."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

from tasks.fashion.generate import GRADE_BY_ASPECTS, generate

FOLDER = Path(__file__).resolve().parents[2] / "tasks" / "fashion"


def test_the_command_reproduces_the_sample_byte_for_byte():
    made = subprocess.run(
        [sys.executable, str(FOLDER / "generate.py"), "--groups", "64", "--seed", "7"],
        capture_output=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    assert made == (FOLDER / "sample.jsonl").read_bytes()
    assert len(made) < 400_000


def test_a_longer_run_begins_with_the_shorter_one():
    assert list(islice(generate(200, 7), 64)) == list(generate(64, 7))
    assert next(generate(1, 8)) != next(generate(1, 7))


def test_rows_are_as_described():
    rows = list(generate(64, 7))
    reviews = [review for row in rows for review in row["reviews"]]
    assert Counter(row["split"] for row in rows) == {"test": 56, "train": 8}
    assert {len(row["reviews"]) for row in rows} == {8}
    assert len({row["product"] for row in rows}) == 64
    ids = [review["id"] for review in reviews]
    assert len(set(ids)) == 512
    assert {len(name) for name in ids} == {5}
    lengths = [len(review["text"].split()) for review in reviews]
    assert min(lengths) == 5
    assert 65 <= max(lengths) <= 70
    text = "".join(review["text"] for review in reviews)
    assert all(mark in text for mark in '"[]{}()\n\\′½é😍★')
    assert {review["grade"] for review in reviews} == set(range(11))
    for row in rows:
        assert len({review["text"] for review in row["reviews"]}) == 8
        grades = [review["grade"] for review in row["reviews"]]
        assert max(grades) - min(grades) >= 4


def test_train_share():
    assert Counter(row["split"] for row in generate(100, 1, train_share=0.9)) == {"train": 90, "test": 10}


def test_the_grade_follows_from_the_text():
    phrases = json.loads((FOLDER / "phrases.json").read_text(encoding="utf-8"))
    noise = [s.format() for kind in ("off_topic", "shipping") for s in phrases[kind]]
    beginnings = [t.split("{")[0] for sentences in phrases["aspects"].values() for t in sentences]
    assert len(phrases["aspects"]) > len(GRADE_BY_ASPECTS) - 2
    plain = [r for row in generate(200, 3) for r in row["reviews"] if not any(n in r["text"] for n in noise)]
    empty = [r["grade"] for r in plain if not any(b and b in r["text"] for b in beginnings if len(b) > 12)]
    assert max(r["grade"] for r in plain) == GRADE_BY_ASPECTS[-1]
    assert Counter(empty).most_common(1)[0][0] == GRADE_BY_ASPECTS[0]
