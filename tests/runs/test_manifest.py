"""The manifest is a frozen surface, complete enough to repeat the run."""

import json

import pytest

from listeval.errors import UserError
from listeval.runs import RunConfig, load_run
from listeval.runs.config_file import read_config
from listeval.runs.manifest import Attempt, Manifest


def test_schema_is_frozen():
    assert list(Manifest.model_fields) == [
        "schema_version", "listeval", "created", "config", "identity", "task", "data", "model", "backend",
        "constraint", "canary", "audit", "control_text", "environment", "attempts", "ledger",
    ]  # fmt: skip
    assert list(Attempt.model_fields) == ["started", "seconds", "rows", "tokens", "versions"]
    assert Manifest.model_fields["schema_version"].default == 1


def test_config_is_stored_with_its_nulls_and_runs_again(start):
    done = start(limit=3)
    stored = json.loads((done.path / "manifest.json").read_text())["config"]
    assert set(stored) == set(RunConfig.model_fields)
    assert stored["dtype"] is None
    assert RunConfig(**read_config(done.path)) == done.manifest.config


def test_it_names_what_made_the_rows(start):
    manifest = load_run(start(limit=3).path).manifest
    assert manifest.identity["model"]["fingerprint"]
    assert manifest.data["0"].fingerprint and manifest.data["0"].counts["kept"] > 0
    assert manifest.task.code and manifest.environment.packages["pydantic"]
    assert [attempt.rows for attempt in manifest.attempts] == [3]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(
    ("name", "text"), [("a.yaml", "task: fashion\nmodel: é\n"), ("a.json", '{"task": "fashion", "model": "é"}')]
)
def test_a_configuration_is_read_in_any_encoding_that_its_mark_names(tmp_path, name, text, encoding):
    (tmp_path / name).write_bytes(text.encode(encoding))
    assert read_config(tmp_path / name) == {"task": "fashion", "model": "é"}


def test_a_configuration_that_is_no_text_is_one_line(tmp_path):
    for content in (b"\xff\xfe\x00", b"a: [", b'{"a": "'):
        for name in ("a.yaml", "a.json"):
            (tmp_path / name).write_bytes(content)
            with pytest.raises(UserError, match="not a configuration") as caught:
                read_config(tmp_path / name)
            assert "\n" not in str(caught.value)
