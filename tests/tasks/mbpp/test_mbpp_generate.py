"""The bundled sample: made by the committed generator, in MBPP's form, and as varied as it claims."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tasks.mbpp.generate import generate

FOLDER = Path(__file__).resolve().parents[3] / "tasks" / "mbpp"


def test_the_command_reproduces_the_sample_byte_for_byte():
    made = subprocess.run(
        [sys.executable, str(FOLDER / "generate.py"), "--problems", "40", "--seed", "7"],
        capture_output=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    assert made == (FOLDER / "sample.jsonl").read_bytes()


def test_rows_are_as_described():
    rows = list(generate(40, 7))
    ids = [row["task_id"] for row in rows]
    assert ids == [2, 3, 4, *range(11, 44), *range(601, 605)]
    assert all(len(row["test_list"]) == 3 for row in rows)
    assert any(row["test_setup_code"] for row in rows)
    assert len({row["code"] for row in rows}) == 40
    assert [row["code"] for row in generate(80, 7)][:40] == [row["code"] for row in rows]


def test_no_constant_passes():
    for row in generate(200, 3):
        values = {
            test.split(" - " if "abs(" in test else " == " if " == " in test else " is ")[1]
            for test in row["test_list"]
        }
        assert len(values) > 1
