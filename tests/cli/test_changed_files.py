"""A schema that was corrected after the run: what another run is made of, and by what its rows are judged."""

import json
import os
import time

import pytest

from listeval.cli.main import main

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


@pytest.fixture
def cli(monkeypatch, capsys, tmp_path):
    """A run `r` of two rows that were judged by `schema.json`, and the command line."""
    monkeypatch.chdir(tmp_path)
    rows = [{"id": name, "prompt": "n?", "expected": {"n": 1}} for name in "ab"]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))

    def call(*words):
        with pytest.raises(SystemExit) as stop:
            main([*words, "--quiet"])
        return stop.value.code, capsys.readouterr()

    assert call(*RUN, "--backend", "null", "--model", "gold")[0] == 0
    return call


RUN = ("run", "--task", "json", "--data", "rows.jsonl", "--set", "schema=schema.json", "--out", "r")


def correct(path):
    path.write_text(json.dumps({**SCHEMA, "properties": {"n": {"type": "number"}}}))
    os.utime(path, (time.time() + 60,) * 2)


@pytest.mark.parametrize("name", ["schema.json", "rows.jsonl"])
def test_another_run_is_said_to_be_of_the_data_or_a_schema_and_the_answers_can_be_kept(cli, tmp_path, name):
    path = tmp_path / name
    path.write_text(path.read_text() + "\n")
    code, said = cli(*RUN, "--backend", "null", "--model", "gold")
    assert code == 2 and "holds another run (data: " in said.err and "a schema among them" in said.err
    assert "--backend replay --model r judges the answers" in said.err
    again = [*RUN[:-1], "new"]
    assert cli(*again, "--backend", "replay", "--model", "r")[0] == 0


def test_another_model_is_no_matter_of_files(cli):
    code, said = cli(*RUN, "--backend", "null", "--model", "faults")
    assert code == 2 and "schema among them" not in said.err and "replay" not in said.err


def test_score_says_that_a_file_is_newer_than_the_rows(cli, tmp_path):
    assert cli("score", "r")[1].err == ""
    correct(tmp_path / "schema.json")
    code, said = cli("score", "r")
    assert code == 0 and f"schema={tmp_path / 'schema.json'} was written after the run" in said.err
    assert "--backend replay --model r" in said.err and said.err.count("\n") == 1
    (tmp_path / "schema.json").unlink()
    assert cli("score", "r")[1].err == ""
