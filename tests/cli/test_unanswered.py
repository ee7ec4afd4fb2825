"""Samples that were not asked are no silent success: exit code 1, the reason and the way out, in gates too."""

import json
from xml.etree import ElementTree as ET

import pytest

from listeval.cli.main import main

ROWS = [{"prompt": f"Ticket {n}. Return JSON.", "expected": {"ticket": n}} for n in range(3)]
SCHEMA = {"type": "object", "properties": {"ticket": {"type": "integer"}}, "required": ["ticket"]}


@pytest.fixture
def cli(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def call(*words):
        with pytest.raises(SystemExit) as left:
            main(list(words))
        return left.value.code, *capsys.readouterr()

    return call


@pytest.fixture
def asked(tmp_path, cli):
    pytest.importorskip("transformers", reason="needs transformers")
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))

    def call(*more):
        words = ("--task", "json", "--data", "rows.jsonl", "--set", "schema=schema.json", "--model", "tiny-sft")
        return cli("run", *words, "--backend", "hf", "--quiet", "--out", "out", *more)

    return call


def test_a_run_whose_prompts_leave_no_room_says_so_and_fails(asked):
    code, out, err = asked("--max-tokens", "1024", "--fail-under", "parse_rate=0", "--junit", "junit.xml")
    assert code == 4, "no figure is measured, so the gate is missed"
    assert "3 samples were not asked" in out + err
    assert "--max-tokens" in out + err
    case = ET.parse("junit.xml").find(".//testcase/error")
    assert case is not None and "3 samples without an answer" in (case.text or "")
    assert asked("--max-tokens", "1024")[0] == 1


def test_a_near_miss_of_what_the_null_engine_plays_is_named(cli):
    code, _, err = cli("run", "--task", "fashion", "--backend", "null", "--model", "glod")
    assert code == 2 and "did you mean 'gold'" in err
