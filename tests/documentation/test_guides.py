"""The walkthroughs of the guides, typed as they stand: what they say is seen is seen with the rows that they use."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from listeval.cli.main import _run
from listeval.contract import Kind
from listeval.runs import load_run

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str) -> list[str]:
    return re.findall(r"^```\w*\n(.*?)^```$", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def block(page: str, start: str) -> str:
    return next(text for text in blocks(page) if text.startswith(start))


@pytest.fixture
def kinds(tmp_path, monkeypatch, capsys):
    """`kinds(line)`: run a command line in an empty folder, and its rows' kinds where it leaves a run."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in sys.modules if name.startswith("listeval_tasks.triage_mail")]:
        monkeypatch.delitem(sys.modules, name)

    def call(line: str) -> list[str]:
        words = line.split()
        code = _run(words)
        assert code == 0, capsys.readouterr()
        return [str(row["kind"]) for row in load_run(words[-1]).rows] if words[0] == "run" else []

    return call


@pytest.mark.parametrize(
    ("model", "expected"),
    [("gold", set()), ("faults", None)]
    + [(f"faults:{kind.value}=0.5", {kind}) for kind in (Kind.BAD_VALUE, Kind.MISSING_KEY, Kind.EXTRA_KEY)],
)
def test_the_guide_to_a_schema_of_your_own_shows_the_faults_that_it_names(kinds, tmp_path, model, expected):
    (tmp_path / "schema.json").write_text(block("guides/json.md", '{"type"'))
    (tmp_path / "rows.jsonl").write_text(block("guides/json.md", '{"prompt"'))
    run = block("guides/json.md", "listeval run --task json").splitlines()[0].removeprefix("listeval ")
    found = set(kinds(run.replace("--model CKPT", f"--backend null --model {model}"))) - {"ok"}
    assert found if expected is None else found == expected


def test_the_task_of_the_guide_to_a_new_task_is_checked_and_shows_faults(kinds, tmp_path):
    kinds("tasks new triage_mail")
    folder, page = tmp_path / "tasks" / "triage_mail", "new-task.md"
    (folder / "task.py").write_text(followed((folder / "task.py").read_text(), page))
    (folder / "prompt.jinja").write_text(block(page, "A customer writes"))
    (folder / "sample.jsonl").write_text(block(page, '{"id": "m1"'))
    kinds("tasks check triage_mail")
    assert {*kinds("run --task triage_mail --backend null --model gold --out runs/gold")} == {"ok"}
    found = kinds("run --task triage_mail --backend null --model faults --out runs/faults")
    assert {*found} - {"ok"} and len(found) == len((folder / "sample.jsonl").read_text().splitlines())


def followed(task: str, page: str) -> str:
    """The template's task after the page's edits."""
    label, example = block(page, "class Label").split("\n\n\n")
    for pattern, text in {
        r"class Answer\(Item\).*?\n\n\n": block(page, "class Answer") + "\n\n",
        r"class Label\(TypedDict\).*?\n\n\n": label + "\n\n\n",
        r"def _example.*": example,
        r"TOPICS = .*?\n": "",
        r"    Score,\n": "",
        r"version = 1": "version = 2",
        r"from collections.abc": "import json\nfrom collections.abc",
        r"    metrics = .*?\n": block(page, "    metrics = (").partition("\n\n")[0] + "\n",
        r"    def gold.*?(?=    def bad)": block(page, "    metrics = (").partition("\n\n")[2] + "\n",
        r"    def bad.*?\n\n\n": block(page, "    def bad") + "\n\n",
    }.items():
        task, n = re.subn(pattern, lambda _, text=text: text, task, count=1, flags=re.DOTALL)
        assert n == 1, pattern
    return task
