"""The bundled sample: made by the committed generator, of all four kinds, and told by its own words."""

import json
import subprocess
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

from tasks.bfcl.generate import KINDS, generate

FOLDER = Path(__file__).resolve().parents[3] / "tasks" / "bfcl"


def test_the_command_reproduces_the_sample_byte_for_byte():
    command = [sys.executable, str(FOLDER / "generate.py"), "--rows", "40", "--seed", "7"]
    made = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    assert made == (FOLDER / "sample.jsonl").read_bytes()


def test_a_longer_run_begins_with_the_shorter_one():
    assert list(islice(generate(200, 7), 40)) == list(generate(40, 7))
    assert next(generate(1, 8)) != next(generate(1, 7))


def test_rows_are_of_the_kind_that_they_name():
    rows = list(generate(400, 7))
    assert Counter(row["category"] for row in rows) == dict.fromkeys(KINDS, 100)
    assert len({row["id"] for row in rows}) == 400
    for row in rows:
        assert len(row["function"]) == (3 if "multiple" in row["category"] else 1)
        assert len(row["ground_truth"]) in ((2, 3) if "parallel" in row["category"] else (1,))
        assert {name for call in row["ground_truth"] for name in call} <= {f["name"] for f in row["function"]}
        assert len({json.dumps(call) for call in row["ground_truth"]}) == len(row["ground_truth"])


def test_every_function_type_and_argument_occurs():
    rows = list(generate(400, 7))
    documents = {f["name"]: f["parameters"]["properties"] for row in rows for f in row["function"]}
    called = {(name, p) for row in rows for call in row["ground_truth"] for name in call for p in call[name]}
    assert called == {(name, p) for name, properties in documents.items() for p in properties}
    types = {node["type"] for properties in documents.values() for node in properties.values()}
    assert types == {"string", "integer", "float", "boolean", "array", "tuple", "dict", "any"}


def test_a_request_says_what_it_asks_for():
    for row in generate(200, 7):
        request = row["question"][0][0]["content"].lower()
        for call in row["ground_truth"]:
            for arguments in call.values():
                plain = [v[0] for v in arguments.values() if isinstance(v[0], (int, float)) or v[0] in ("red", "herbs")]
                assert all(str(value).lower() in request for value in plain if not isinstance(value, bool))
