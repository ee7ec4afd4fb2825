"""The command that a report names to complete a run is one that `run` takes as it stands."""

import shlex
from pathlib import Path

import pytest

from listeval.cli.main import main
from listeval.cli.run import command
from listeval.cli.say import say_unfinished
from listeval.errors import UserError
from listeval.runs import RunConfig, load_run, run
from listeval.runs.completing import completing
from listeval.runs.consent_requests import of_config

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
    {"backend": "null", "model": "gold", "data": "hub"},
    {"backend": "null", "model": "gold", "track": ["tensorboard", "wandb", "trackio"]},
    {"backend": "hf", "model": "/m", "engine_arg": {"config": "x.json", "trust_remote_code": True, "a b": {"c": "d'"}}},
    {"backend": "null", "model": "gold", "task": "json", "options": {"contract": "no such:A"}, "data": "x.jsonl"},
]


@pytest.fixture
def typed(tmp_path, monkeypatch):
    """What typing the command that completes a run of such a configuration ends with, before a model is opened."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.chdir(tmp_path)

    def stop(config, adapters):
        raise UserError("far enough")

    monkeypatch.setattr("listeval.runs.run_adapters.with_adapters", stop)

    def type_in(values, path):
        done = run(RunConfig(task="fashion", model="m", backend="null", limit=1, out=path))
        config = RunConfig.model_validate({"task": "fashion", **values})
        assert of_config(config.model_dump(mode="json"), {}), "a file alone does not do"
        done.manifest.model_copy(update={"config": config}).write(done.path)
        listeval, *words = shlex.split(completing(Path(path), config))
        assert (listeval, words[:2]) == ("listeval", ["run", f"@{path}"])
        return words[1:]

    return type_in


@pytest.mark.parametrize("values", ASKS, ids=str)
@pytest.mark.parametrize("path", ["r", "with space/r", "-r"])
def test_the_command_holds_the_users_word(values, path, typed):
    words = typed(values, path)
    with pytest.raises(UserError, match="far enough"):
        command.main(words, standalone_mode=False)
    with pytest.raises(UserError, match="needs your word"):
        command.main(words[:1], standalone_mode=False)


def test_the_command_holds_the_users_word_for_a_task_in_the_working_directory(typed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["tasks", "new", "triage_mail"])
    with pytest.raises(UserError, match="far enough"):
        command.main(typed({"task": "triage_mail", "backend": "null", "model": "gold"}, "r"), standalone_mode=False)


def test_a_task_that_is_gone_keeps_no_command_from_being_named():
    config = RunConfig(task="no_such", model="m", backend="openai", base_url="http://h/v1", options={"a": "b"})
    assert completing(Path("r"), config) == "listeval run @r --base-url http://h/v1"


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
