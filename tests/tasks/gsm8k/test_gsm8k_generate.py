"""The bundled sample: made by the committed generator, and as varied as it claims."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from fractions import Fraction
from itertools import islice
from pathlib import Path

from listeval.scoring.numbers import parse_number
from tasks.gsm8k.generate import generate

FOLDER = Path(__file__).resolve().parents[3] / "tasks" / "gsm8k"


def test_the_command_reproduces_the_sample_byte_for_byte():
    made = subprocess.run(
        [sys.executable, str(FOLDER / "generate.py"), "--problems", "48", "--seed", "7"],
        capture_output=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    assert made == (FOLDER / "sample.jsonl").read_bytes()


def test_a_longer_run_begins_with_the_shorter_one():
    assert list(islice(generate(96, 7), 48)) == list(generate(48, 7))
    assert next(generate(1, 8)) != next(generate(1, 7))


def test_rows_are_as_described():
    rows = list(generate(480, 7))
    assert Counter(row["split"] for row in rows) == {"test": 400, "train": 80}
    assert len({row["question"] for row in rows}) > 450
    answers = [row["answer"].rpartition("#### ")[2] for row in rows]
    assert all(any(mark in answer for answer in answers) for mark in (",", ".", "-"))
    assert "0" in answers


def test_every_note_is_arithmetic_that_holds():
    notes = [note for row in generate(480, 3) for note in re.findall(r"<<(.*?)=([^=>]*)>>", row["answer"])]
    assert len(notes) > 480
    for expression, result in notes:
        assert re.fullmatch(r"[0-9.+*/-]+", expression)
        exact = re.sub(r"[0-9.]+", lambda found: f"Fraction('{found[0]}')", expression)
        assert eval(exact, {"Fraction": Fraction}) == parse_number(result)


def test_the_last_note_is_the_answer():
    for row in generate(480, 4):
        *_, last = re.findall(r"=([^=>]*)>>", row["answer"])
        assert parse_number(last) == parse_number(row["answer"].rpartition("#### ")[2])
