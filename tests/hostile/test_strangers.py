"""A run or a config file from somebody else: nothing is sent, fetched or executed without the user's word."""

import json
import os
import pty
import subprocess
import sys

import pytest

from listeval.errors import UserError
from listeval.runs.consent_requests import of_config
from tests.backends.fake_server import FakeServer

pytest.importorskip("httpx", reason="servers are asked over HTTP")

SECRET = "sk-of-the-user"


@pytest.fixture
def server():
    with FakeServer().running() as running:
        yield running


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("BANK_KEY", SECRET)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def refused(said, *words):
    code, _, err = said
    assert code == 2
    assert err.count("\n") == 1
    for word in words:
        assert word in err, err


@pytest.fixture
def stranger(tmp_path, server, null_run, edit):
    """A file that asks for a server and the user's key: a run's manifest, a copy of it, a YAML file."""
    wants = {"backend": "openai", "base_url": server.url, "api_key_env": "BANK_KEY", "model": "tiny"}
    edit(**wants)
    (tmp_path / "copy.json").write_bytes((null_run / "manifest.json").read_bytes())
    (tmp_path / "c.yaml").write_text(json.dumps({"task": "fashion", "limit": 2, **wants}))
    return server


@pytest.mark.parametrize("file", ["r", "r/manifest.json", "copy.json", "c.yaml"])
def test_no_server_is_asked_and_no_key_is_sent(cli, stranger, file):
    refused(cli(f"run @{file}"), f"connect to {stranger.url}", "$BANK_KEY", "--base-url", "--api-key-env", "--trust")
    refused(cli(f"run @{file} --base-url {stranger.url}"), "$BANK_KEY", "--api-key-env BANK_KEY")
    refused(cli(f"run @{file} --api-key-env BANK_KEY"), f"--base-url {stranger.url}")
    refused(cli(f"run @{file} --out elsewhere"), "--base-url")
    assert (stranger.calls, stranger.connections) == ([], 0)


def test_another_run_s_directory_is_refused_before_anything_is_sent(cli, stranger):
    refused(cli(f"run @r --base-url {stranger.url} --api-key-env BANK_KEY"), "holds another run", "backend")
    refused(cli("run @r --trust"), "holds another run")
    assert stranger.connections == 0


@pytest.mark.parametrize("word", ["--trust", "--base-url {url} --api-key-env BANK_KEY"])
def test_the_user_s_word_is_taken(cli, stranger, word):
    code, _, err = cli(f"run @c.yaml --out mine --quiet {word.format(url=stranger.url)}")
    assert code == 0, err
    assert {call.headers["authorization"] for call in stranger.calls} == {f"Bearer {SECRET}"}
    stranger.calls.clear()
    refused(cli("run @mine --limit 4"), "--base-url")
    code, out, _ = cli(f"run @mine --limit 4 --json --quiet {word.format(url=stranger.url)}")
    assert (code, json.loads(out)["n"]) == (0, 4)


def test_the_server_of_the_environment_needs_a_word_too(cli, server, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    (tmp_path / "c.yaml").write_text("task: fashion\nmodel: tiny\nlimit: 2\nbackend: openai\n")
    refused(cli("run @c.yaml"), "$OPENAI_BASE_URL", "--backend openai")
    assert server.connections == 0
    assert cli("run @c.yaml --backend openai --quiet --out mine")[0] == 0


def test_generated_code_does_not_run(cli, edit):
    edit(task="mbpp", allow_code_execution=True)
    refused(cli("run @r --out other"), "code that the model writes", "--allow-code-execution")


ASKS = {
    "a hub model": ({"model": "owner/name"}, "--model owner/name"),
    "a hub tokenizer": ({"model": "/", "tokenizer": "gpt2"}, "--tokenizer gpt2"),
    "a hub tokenizer for a server": (
        {"backend": "openai", "base_url": "u", "tokenizer": "a/b"},
        "--base-url u --tokenizer a/b",
    ),
    "data from the hub": ({"data": "hub"}, "--data hub"),
    "data from an address": ({"data": "https://x.example/d"}, "--data https://x.example/d"),
    "code execution": ({"allow_code_execution": True}, "--allow-code-execution"),
    "a tracker with an account": ({"track": ["tensorboard", "wandb", "trackio"]}, "--track wandb --track trackio"),
    "trackers by one text": ({"track": "trackio, tensorboard"}, "--track trackio"),
    "a tracker of this machine": ({"track": ["tensorboard"]}, ""),
    "nothing": ({"model": "smollm2", "backend": "hf", "limit": 3, "base_url": "unused by hf"}, ""),
    "a local model": ({"model": "/", "backend": "hf", "tokenizer": "."}, ""),
    "a recorded run": ({"model": "owner/name", "backend": "replay"}, ""),
}


@pytest.mark.parametrize("name", ASKS)
def test_what_a_file_may_not_decide(name, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    values, flags = ASKS[name]
    assert " ".join(ask.flag for ask in of_config(values, {})) == flags
    assert of_config(values, values) == []


EVIL = """
from pathlib import Path
Path({mark!r}).touch()
from listeval import Dataset, Example, Item, Metric, Record, Task
from listeval.backends.protocol import Message
class Word(Item):
    word: str
class Evil(Task):
    name, version, summary, metrics = "evil", 1, "", (Metric("same"),)
    def load(self, data, seed):
        return Dataset([Example("a", (Message("user", "a"),), {{"word": "a"}})], "in", "1", {{}})
    def contract(self, target): return Record(Word)
    def gold(self, target): return ""
    def score(self, targets, values): return [{{"same": 1.0}} for _ in targets]
"""


@pytest.fixture
def evil(cli, tmp_path):
    """A task in ./tasks that leaves a mark when it is imported, and a run of it; returns the mark."""
    folder, mark = tmp_path / "tasks" / "evil", tmp_path / "imported"
    folder.mkdir(parents=True)
    (folder / "task.py").write_text(EVIL.format(mark=str(mark)))
    code, _, err = cli("run --task evil --model m --backend null --quiet --out e")
    assert code == 0, err
    assert err == f"listeval: importing the task code in {folder}\n"
    for name in [name for name in sys.modules if name.startswith("listeval_tasks")]:
        del sys.modules[name]
    mark.unlink()
    return mark


def test_task_code_of_the_working_folder_is_not_imported_by_a_file_s_word(cli, evil):
    for line, flag in {
        "run @e": "--task evil",
        "run @e --out other": "--task evil",
        "score e": "--trust",
        "compare e e+truncation": "--trust",
    }.items():
        refused(cli(line), "run the task code in", str(evil.parent / "tasks" / "evil"), flag)
    for line in ("doctor", "tasks list", "tasks list --json", "report e", "show e", "show e --json", "rubrics list"):
        assert cli(line)[0] == 0
    assert not evil.exists()


@pytest.mark.parametrize("line", ["run @e --task evil --quiet", "run @e --trust --quiet", "score e --trust"])
def test_it_is_imported_by_the_user_s_word_and_not_said_twice(cli, evil, line):
    code, _, err = cli(line)
    assert (code, err, evil.exists()) == (0, "", True)


def test_a_task_of_the_user_s_own_path_needs_no_word(cli, evil, tmp_path, monkeypatch):
    (tmp_path / "tasks").rename(tmp_path / "mine")
    monkeypatch.setenv("LISTEVAL_PATH", str(tmp_path / "mine"))
    assert cli("score e")[0] == 0
    assert evil.exists()


@pytest.mark.parametrize(("answer", "code"), [("y", 1), ("n", 2), ("", 2)])
def test_on_a_terminal_it_is_a_question(tmp_path, stranger, answer, code):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "listeval", "run", "@c.yaml", "--out", "mine", "--quiet", "--timeout-s", "5"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    stranger.models = None
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdin=theirs, stderr=theirs, stdout=-3) as process:
        os.close(theirs)
        said = b""
        while b"[y/N]" not in said:
            said += os.read(ours, 4096)
        assert b"$BANK_KEY" in said and stranger.url.encode() in said
        assert stranger.connections == 0
        os.write(ours, f"{answer}\n".encode())
        assert process.wait(60) in (code, 0 if code == 1 else 2)
    os.close(ours)
    assert (stranger.connections > 0) == (answer == "y")


@pytest.mark.parametrize("hub", [{"model": "evil/m", "backend": "hf"}, {"tokenizer": "evil/m", "backend": "openai"}])
@pytest.mark.parametrize("lure", ["link", "file"])
def test_a_name_that_is_no_folder_is_the_hub_s(cli, tmp_path, hub, lure):
    (tmp_path / "evil").mkdir()
    if lure == "link":
        (tmp_path / "evil/m").symlink_to("nowhere")
    else:
        (tmp_path / "evil/m").write_text("")
    (tmp_path / "c.yaml").write_text(json.dumps({"task": "fashion", "model": "m", **hub}))
    refused(cli("run @c.yaml"), "fetch 'evil/m' from the hub")


def test_a_file_does_not_choose_a_directory_elsewhere(cli, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/metrics.json").write_text("mine")
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "here/link").symlink_to("../precious")
    config = {"task": "fashion", "backend": "null", "limit": 1}
    for out in ("../precious", str(tmp_path / "precious"), "link"):
        (tmp_path / "here/c.yaml").write_text(json.dumps({**config, "out": out}))
        refused(cli("run @c.yaml"), f"write its run to '{out}'", "--out")
    assert (tmp_path / "precious/metrics.json").read_text() == "mine"
    assert [path.name for path in (tmp_path / "precious").iterdir()] == ["metrics.json"]
    assert cli("run @c.yaml --out fine --quiet")[0] == 0
    (tmp_path / "here/c.yaml").write_text(json.dumps({**config, "out": "below"}))
    assert cli("run @c.yaml --quiet")[0] == 0
    monkeypatch.chdir(tmp_path / "precious")
    assert cli("run @../here/below --quiet")[0] == 0


RECIPE = {
    "task": "fashion",
    "opd": {"student": "runs/s", "teacher": "runs/t", "steps": 1, "optimiser": {"lr": 0.1}},
    "sft": {"model": "runs/m", "steps": 1, "optimiser": {"lr": 0.1}},
}


@pytest.mark.parametrize(
    ("stage", "changed", "what", "flag"),
    [
        ("sft", {"data": "hub"}, "fetch its data from 'hub'", "data=hub"),
        ("sft", {"trackers": ["wandb"]}, "report to wandb with your account", "trackers=[wandb]"),
        ("sft", {"sft": {**RECIPE["sft"], "model": "evil/m"}}, "fetch 'evil/m'", "sft.model=evil/m"),
        ("opd", {"opd": {**RECIPE["opd"], "teacher": "evil/m"}}, "fetch 'evil/m'", "opd.teacher=evil/m"),
    ],
)
def test_a_recipe_does_not_speak_for_the_user(cli, tmp_path, monkeypatch, stage, changed, what, flag):
    pytest.importorskip("torch")
    for name in "stm":
        (tmp_path / "runs" / name).mkdir(parents=True)
    recipe = {**RECIPE, **changed}
    (tmp_path / "c.yaml").write_text(json.dumps(recipe))
    (tmp_path / "old").mkdir()
    (tmp_path / "old/recipe.yaml").write_text(json.dumps(recipe))
    for place in ("c.yaml", "old"):
        refused(cli(f"train {stage} {place} --out o"), what, flag, "--trust")
        if stage == "opd":
            refused(cli(f"probe --recipe {place}"), what, "--teacher evil/m", "--trust")
    assert not (tmp_path / "o").exists()

    def reached(*args, **kwargs):
        raise UserError("reached")

    monkeypatch.setattr("listopd.stages.train", reached)
    for word in ("--trust", flag):
        assert "reached" in cli(f"train {stage} c.yaml --out o {word}")[2]


def test_a_recipe_s_task_code_of_the_folder_needs_a_word(cli, tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "tasks/evil").mkdir(parents=True)
    (tmp_path / "tasks/evil/task.py").write_text("open('ran', 'w')")
    (tmp_path / "c.yaml").write_text(json.dumps({**RECIPE, "task": "evil"}))
    for name in "stm":
        (tmp_path / "runs" / name).mkdir(parents=True)
    refused(cli("train sft c.yaml --out o"), "run the task code in", "task=evil")
    refused(cli("probe --recipe c.yaml"), "run the task code in", "--task evil")
    assert not (tmp_path / "ran").exists()
