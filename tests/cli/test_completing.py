"""The command that a report names to complete a run is one that `run` takes as it stands."""

import shlex
from pathlib import Path

import pytest

from listeval.cli.consent import of_config
from listeval.cli.run import command
from listeval.cli.say import say_unfinished
from listeval.runs import RunConfig, load_run, run
from listeval.runs.completing import completing

ASKS = [
    {"backend": "openai", "model": "m", "base_url": "http://127.0.0.1:1/v1"},
    {"backend": "openai", "model": "m", "base_url": "http://127.0.0.1:1/v1,http://127.0.0.1:2/v1"},
    {"backend": "openai", "model": "m"},
    {"backend": "openai", "model": "m", "base_url": "https://a.example/v1", "api_key_env": "MY_KEY"},
    {"backend": "openai", "model": "o/m", "base_url": "http://127.0.0.1:1/v1", "tokenizer": "owner/name"},
    {"backend": "hf", "model": "owner/name"},
    {"backend": "vllm", "model": "owner/name", "tokenizer": "owner/other"},
    {"backend": "ray", "model": "/m", "ray_address": "ray://head:1"},
    {"backend": "null", "model": "gold", "allow_code_execution": True},
]


def words_of(line):
    """What is typed: the run, and flags by their names."""
    verb, *words = shlex.split(line.removeprefix("listeval "))
    assert verb == "run"
    found = command.make_context("run", words).params
    return found.pop("config"), found


@pytest.mark.parametrize("values", ASKS)
@pytest.mark.parametrize("path", ["r", "with space/r", "-r"])
def test_the_command_holds_the_users_word(values, path, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    config = RunConfig(task="fashion", **values)
    own = config.model_dump(mode="json")
    assert of_config(own, {}), "a file alone does not do"
    named, given = words_of(completing(Path(path), config))
    assert named == f"@{path}"
    assert of_config(own, given) == []


def test_a_run_that_asks_for_nothing_needs_no_flag():
    assert completing(Path("r"), RunConfig(task="fashion", model="m", backend="null")) == "listeval run @r"


@pytest.mark.parametrize("url", ["http://user:secret@host/v1", "http://host/v1?key=secret"])
def test_what_a_forged_address_holds_is_not_said_again(url):
    config = RunConfig(task="fashion", model="m", backend="openai", base_url=url)
    assert "secret" not in completing(Path("r"), config)


def test_a_report_names_it(tmp_path, capsys):
    done = run(RunConfig(task="fashion", model="m", backend="null", limit=4, out=str(tmp_path / "r")))
    lines = (done.path / "samples.jsonl").read_bytes().splitlines(keepends=True)
    (done.path / "samples.jsonl").write_bytes(lines[0])
    cut = load_run(done.path)
    config = cut.manifest.config.model_copy(update={"backend": "openai", "base_url": "http://127.0.0.1:1/v1"})
    cut.manifest.config = config
    say_unfinished([cut])
    assert capsys.readouterr().err.endswith(f"listeval run @{done.path} --base-url http://127.0.0.1:1/v1\n")
