"""docs/new-task.md, followed to the letter: its blocks go where its text says, its commands do what it says."""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent
from typing import Annotated, Literal

import pytest
from pydantic import Field

from listeval import Item, Kind, Record

ROOT = Path(__file__).parents[2]
GUIDE, LISTS = (ROOT / "docs" / "new-task.md").read_text().split("## Lists and texts\n")


def blocks(language, text=GUIDE):
    return [dedent(body) for kind, body in re.findall(r"^```(\w*)\n(.*?)^```", text, re.S | re.M) if kind == language]


def replace(source, block):
    """Every definition of `block` in the place of the one with the same name in `source`."""
    lines, old = source.splitlines(), {}
    for owner in ast.walk(ast.parse(source)):
        if isinstance(owner, ast.Module | ast.ClassDef):
            old |= {name(node): (node, owner) for node in owner.body}
    for node in reversed(ast.parse(block).body):
        there, _ = old[name(node)]
        indent = " " * there.col_offset
        new = [indent + line if line else "" for line in block.splitlines()[node.lineno - 1 : node.end_lineno]]
        lines[there.lineno - 1 : there.end_lineno] = new
        source = "\n".join(lines) + "\n"
        lines, old = source.splitlines(), {}
        for owner in ast.walk(ast.parse(source)):
            if isinstance(owner, ast.Module | ast.ClassDef):
                old |= {name(found): (found, owner) for found in owner.body}
    return source


def name(node):
    if isinstance(node, ast.Assign):
        return node.targets[0].id
    return getattr(node, "name", id(node))


@pytest.fixture
def shell(tmp_path):
    """Run a command line of the guide in a folder of its own: (exit code, output)."""

    def call(line):
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "listeval", *line.split()[1:]]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
        return done.returncode, done.stdout + done.stderr

    return call


@pytest.mark.slow
def test_the_guide_makes_the_task_that_it_promises(shell, tmp_path):
    first = [line for line in blocks("")[0].splitlines() if line]
    assert [shell(line)[0] for line in first] == [0, 0, 0]

    folder = tmp_path / "tasks" / "triage_mail"
    source = (folder / "task.py").read_text()
    source = re.sub(r"^TOPICS = .*\n\n", "", source, flags=re.M).replace("from pathlib", "import json\nfrom pathlib", 1)
    for block in blocks("python"):
        source = replace(source, block)
    (folder / "task.py").write_text(source)
    sample, prompt = blocks("")[1:3]
    (folder / "sample.jsonl").write_text(sample)
    (folder / "prompt.jinja").write_text(prompt)

    code, out = shell("listeval tasks check triage_mail")
    assert code == 1
    assert "raise it in the task's code" in out
    (folder / "task.py").write_text(source.replace("version = 1", "version = 2"))
    code, out = shell("listeval tasks check triage_mail --json")
    assert code == 0, out
    assert {check["check"]: check["state"] for check in json.loads(out.splitlines()[0])["checks"]}["gold"] == "ok"
    assert shell("listeval tasks show triage_mail")[0] == 0
    assert shell("listeval run --task triage_mail --model m --backend null")[0] == 0

    last = next(block for block in blocks("") if "--model gold" in block).splitlines()
    outputs = {line: shell(line) for line in last if "CKPT" not in line and not line.endswith("...")}
    assert len(outputs) == 5 and {code for code, _ in outputs.values()} == {0}, outputs
    metrics = json.loads((tmp_path / "runs" / "gold" / "metrics.json").read_text())
    assert (metrics["useful_accuracy"]["value"], metrics["urgency_error"]["value"]) == (1, 0)


def test_lists_and_texts_are_read_and_scored_as_the_guide_says():
    (block,) = blocks("python", LISTS)
    names = {"Annotated": Annotated, "Field": Field, "Item": Item, "Literal": Literal, "Sequence": Sequence}
    exec(block, names)
    contract = Record(names["Ticket"])
    assert not contract.laxity()
    parsed = contract.parse('{"tags": ["refund", "damage"], "title": "Broken  LAMP "}').value
    assert names["f1"](["refund"], parsed.tags) == pytest.approx(2 / 3)
    assert (names["f1"]([], []), names["f1"]([], ["refund"]), names["f1"](["refund"] * 2, ["refund"])) == (1, 0, 1)
    assert (names["same_text"]("broken lamp", parsed.title), names["same_text"]("lamp", parsed.title)) == (1, 0)
    for wrong in ('{"tags": "refund", "title": "x"}', '{"tags": ["other"], "title": "x"}', '{"tags": [], "title": ""}'):
        assert contract.parse(wrong).kind in (Kind.BAD_VALUE, Kind.WRONG_TYPE)
