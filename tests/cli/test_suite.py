"""`listeval suite` from end to end on the engine without a model: plan, runs, resuming, failures, gates, consent."""

from __future__ import annotations

import json
import os
import signal
import sys
import xml.etree.ElementTree as ET

import pytest

from listeval import load_run
from listeval.cli.main import _run
from listeval.suites import execute_suite
from tests.backends.fake_server import FakeServer

SUITE = """\
tasks: [fashion, {task: msmarco, settings: {k: [4]}}]
models: [null, gold]
backend: null
settings: {k: [2, 4]}
limit: 6
seeds: [0, 1]
"""
NAMES = [f"{task}_{model}_none" for task in ("fashion_k=2", "fashion_k=4", "msmarco_k=4") for model in ("null", "gold")]


@pytest.fixture
def cli(tmp_path, monkeypatch, capsys):
    """Run a command line in an empty folder: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LISTEVAL_PATH", raising=False)
    for name in [name for name in sys.modules if name.startswith("listeval_tasks")]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "s.yaml").write_text(SUITE)

    def call(line):
        code = _run(line.split() if isinstance(line, str) else list(map(str, line)))
        return code, *capsys.readouterr()

    return call


def rows(folder):
    return {path.parent.name: path.read_bytes() for path in sorted(folder.glob("*/samples.jsonl"))}


def test_a_suite_runs_and_shows_everything(cli, tmp_path):
    code, out, err = cli("suite s.yaml --quiet")
    assert (code, err) == (0, "")
    folder = tmp_path / "runs" / "s"
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == sorted(NAMES)
    assert all(load_run(folder / name).summary.n == 12 for name in NAMES)
    for words in ("fashion_k=2_null_none", "fashion, gold, by k", "msmarco_k=4: ", "page: runs/s/index.html"):
        assert words in out
    page = (folder / "index.html").read_text()
    pages = {path.name for path in folder.glob("compare-*.html")}
    assert pages == {"compare-fashion_k=2.html", "compare-fashion_k=4.html", "compare-msmarco_k=4.html"}
    assert all(f'href="{name}"' in page for name in pages)
    assert "<polyline" in page


def test_as_json(cli):
    code, out, _ = cli("suite s.yaml --quiet --json --out o")
    told = json.loads(out)
    assert (code, [run["name"] for run in told["runs"]]) == (0, NAMES)
    assert (told["failed"], told["page"]) == ([], "o/index.html")
    assert [[point["k"] for point in curve["points"]] for curve in told["curves"]] == [[2, 4], [2, 4]]
    assert {point["n"] for curve in told["curves"] for point in curve["points"]} == {12}
    assert [group["name"] for group in told["comparisons"]] == ["fashion_k=2", "fashion_k=4", "msmarco_k=4"]


@pytest.mark.parametrize("word", ["--plan", "--dry-run"])
def test_a_plan_runs_nothing_and_counts(cli, tmp_path, word):
    code, out, _ = cli(f"suite s.yaml {word}")
    assert code == 0
    assert all(name in out for name in NAMES)
    assert "6 runs, 72 samples, 72 owed" in out
    assert not (tmp_path / "runs").exists()
    cli("suite s.yaml --quiet --limit 2")
    told = json.loads(cli(f"suite s.yaml {word} --json")[1])["runs"]
    assert {(run["samples"], run["there"]) for run in told} == {(12, 4)}
    assert told[0]["options"] == {"k": 2}


def test_the_same_command_again_makes_only_what_is_owed(cli, tmp_path, monkeypatch):
    cli("suite s.yaml --quiet")
    folder = tmp_path / "runs" / "s"
    before = rows(folder)
    file = folder / NAMES[1] / "samples.jsonl"
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:5]))
    (folder / NAMES[2] / "metrics.json").unlink()
    opened = []
    original = execute_suite.run
    monkeypatch.setattr(
        execute_suite, "run", lambda config, *rest: opened.append(config.out) or original(config, *rest)
    )
    assert cli("suite s.yaml --quiet")[0] == 0
    assert opened == [f"runs/s/{NAMES[1]}"], "the others are complete and open no engine"
    after = rows(folder)
    assert {name: sorted(text.splitlines()) for name, text in after.items()}.keys() == before.keys()
    assert all(len(after[name].splitlines()) == 12 for name in NAMES)
    assert (folder / NAMES[2] / "metrics.json").is_file()


def test_a_longer_suite_keeps_the_runs_that_are_there(cli, tmp_path):
    cli("suite s.yaml --quiet")
    before = rows(tmp_path / "runs" / "s")
    (tmp_path / "s.yaml").write_text(SUITE.replace("[null, gold]", "[gold, faults, null]"))
    assert cli("suite s.yaml --quiet")[0] == 0
    after = rows(tmp_path / "runs" / "s")
    assert {name: after[name] for name in before} == before
    assert len(after) == 9


def test_a_run_that_fails_is_named_and_the_others_go_on(cli, tmp_path):
    models = "[null, {model: nowhere/at/all, backend: hf}, {model: gone.jsonl, backend: replay}, gold]"
    (tmp_path / "s.yaml").write_text(f"tasks: [fashion]\nmodels: {models}\nbackend: null\nlimit: 2\n")
    code, out, err = cli("suite s.yaml --quiet --json --trust")
    told = json.loads(out)
    assert code == 1
    assert [run["name"] for run in told["runs"]] == ["fashion_null_none", "fashion_gold_none"]
    assert [run["name"] for run in told["failed"]] == ["fashion_all_none", "fashion_gone.jsonl_none"]
    lines = err.splitlines()
    assert [line for line in lines if "run 'fashion_all_none' failed: " in line]
    assert "2 of 4 runs failed: fashion_all_none, fashion_gone.jsonl_none" in lines[-1]
    assert "fashion_all_none" in (tmp_path / "runs" / "s" / "index.html").read_text()


def test_a_plan_names_what_cannot_be_made(cli, tmp_path):
    (tmp_path / "s.yaml").write_text("tasks: [fashion]\nmodels: [null]\nbackend: null\nsettings: {k: [4, 400]}\n")
    code, out, err = cli("suite s.yaml --plan")
    assert code == 2
    assert "cannot be made" in out
    assert "fashion_k=400_null_none" in err
    assert "--set k=" in err


def test_a_run_whose_directory_is_another_run_s_fails_alone(cli, tmp_path):
    cli("suite s.yaml --quiet")
    manifest = tmp_path / "runs" / "s" / NAMES[0] / "manifest.json"
    values = json.loads(manifest.read_text())
    values["identity"]["sampling"]["temperature"] = 0.5
    manifest.write_text(json.dumps(values))
    code, _, err = cli("suite s.yaml --quiet")
    assert code == 1
    assert f"run '{NAMES[0]}' failed: this directory holds another run" in err


def test_gates_are_held_against_every_run(cli, tmp_path):
    code, _, err = cli("suite s.yaml --quiet --fail-under parse_rate=0.95 --junit j.xml")
    assert code == 4
    assert err.count("gate missed") == 3
    assert err.count("gate held") == 3
    assert (tmp_path / "j.xml").read_text().count("<testsuite ") == 6
    assert cli("suite s.yaml --quiet --fail-under nonsense")[0] == 2


@pytest.mark.parametrize("gates", ["", " --fail-under parse_rate=0.1"])
@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("{task: fashion, name: bad, data: gone.jsonl}", "gone.jsonl"),
        ("{task: fashion, name: bad, options: {k: -1}}", "k: "),
        ("{task: fashion, name: bad, seeds: [99], samples: [nobody]}", "no example 'nobody'"),
    ],
)
def test_a_run_that_failed_is_an_error_in_the_junit_file(cli, tmp_path, gates, bad, said):
    (tmp_path / "s.yaml").write_text(f"tasks: [fashion, {bad}]\nmodels: [gold]\nbackend: null\nlimit: 2\n")
    code, _, err = cli(f"suite s.yaml --quiet --junit j.xml{gates}")
    root = ET.parse(tmp_path / "j.xml").getroot()
    assert code == 1 and (root.get("errors"), root.get("failures")) == ("1", "0")
    suite = next(one for one in root if one.get("name") == "bad_gold_none")
    (case,) = suite
    error = case.find("error")
    assert (suite.get("tests"), suite.get("errors")) == ("1", "1") and error is not None
    assert said in error.get("message", "") and f"failed: {error.text}" in err
    other = next(one for one in root if one is not suite)
    assert (other.get("tests"), other.get("errors")) == ("2" if gates else "1", "0")


def test_one_line_names_what_is_wrong_with_the_file(cli, tmp_path):
    (tmp_path / "s.yaml").write_text("tasks: [fashion]\nmodels: [a]\nlimit: none\n")
    code, out, err = cli("suite s.yaml")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "s.yaml:3" in err
    code, _, err = cli("suite")
    assert code == 2
    (tmp_path / "s.yaml").write_text("tasks: [fashoin]\nmodels: [null]\nbackend: null\n")
    code, _, err = cli("suite s.yaml")
    assert (code, err.count("\n")) == (2, 1)
    assert "did you mean 'fashion'" in err
    assert "s.yaml" in err or "--task" in err


def test_ctrl_c_keeps_the_rows_and_the_same_command_goes_on(cli, tmp_path, monkeypatch):
    original, calls = execute_suite.run, []

    def interrupted(config, *rest):
        calls.append(config.out)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return original(config, *rest)

    monkeypatch.setattr(execute_suite, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(execute_suite.execute(_found(tmp_path), _silent))
    kept = rows(tmp_path / "runs" / "s")
    assert len(kept) >= 2
    monkeypatch.setattr(execute_suite, "run", original)
    assert cli("suite s.yaml --quiet")[0] == 0
    after = rows(tmp_path / "runs" / "s")
    assert all(after[name].startswith(text) for name, text in kept.items())
    assert len(after) == 6


def _found(tmp_path):
    from pathlib import Path

    from listeval.suites.expand import expand
    from listeval.suites.file import read_suite

    return execute_suite.prospects(expand(read_suite(tmp_path / "s.yaml"), {}, Path("runs/s")))


def _silent(line):
    from contextlib import nullcontext

    from listeval.runs.observer import SilentObserver

    return nullcontext(SilentObserver())


ASKS = {
    "server": ("backend: openai\nbase_url: {url}\n", "connect to {url}"),
    "key": ("backend: openai\nbase_url: {url}\napi_key_env: BANK_KEY\n", "$BANK_KEY"),
    "hub model": ("backend: hf\nmodels: [owner/name]\n", "fetch 'owner/name' from the hub"),
    "hub data": ("backend: null\ndata: hub\n", "fetch its data from 'hub'"),
    "out": ("backend: null\nout: {outside}\n", "write its run to"),
    "code": ("backend: null\nallow_code_execution: true\n", "run the code that the model writes"),
    "task": ("backend: null\ntasks: [mine]\n", "run the task code in"),
    "one entry": (
        "models: [null, {{model: m, backend: openai, base_url: {url}}}]\nbackend: null\n",
        "connect to {url}",
    ),
}


@pytest.mark.parametrize("asked", ASKS)
def test_nothing_is_spent_opened_or_run_for_a_file_alone(cli, tmp_path, monkeypatch, asked):
    pytest.importorskip("httpx", reason="servers are asked over HTTP")
    monkeypatch.setenv("BANK_KEY", "sk-of-the-user")
    (tmp_path / "tasks" / "mine").mkdir(parents=True)
    (tmp_path / "tasks" / "mine" / "task.py").write_text("open('imported', 'w')\n")
    lines, what = ASKS[asked]
    with FakeServer().running() as server:
        told = {"url": server.url, "outside": tmp_path.parent / "elsewhere"}
        text = lines.format(**told)
        text += "" if "tasks:" in text else "tasks: [fashion]\n"
        text += "" if "models:" in text else "models: [m]\n"
        (tmp_path / "s.yaml").write_text(text)
        for line in ("suite s.yaml", "suite s.yaml --plan"):
            code, out, err = cli(line)
            assert (code, out, err.count("\n")) == (2, "", 1)
            assert what.format(**told) in err, err
            assert "--trust" in err
        assert server.connections == 0
    assert not (tmp_path / "imported").exists()
    assert not (tmp_path.parent / "elsewhere").exists()


def test_the_user_s_word_is_taken(cli, tmp_path):
    pytest.importorskip("httpx", reason="servers are asked over HTTP")
    with FakeServer().running() as server:
        (tmp_path / "s.yaml").write_text(
            f"tasks: [fashion]\nmodels: [tiny]\nbackend: openai\nbase_url: {server.url}\nlimit: 2\n"
        )
        assert cli(f"suite s.yaml --quiet --base-url {server.url}")[0] == 0
        assert server.connections
        assert cli("suite s.yaml --quiet --trust --out other")[0] == 0


@pytest.mark.parametrize("out", [[], ["--out", "o"]])
def test_several_values_of_an_option_are_several_runs(cli, tmp_path, out):
    line = ["run", "--task", "fashion", "--backend", "null", "--limit", "6", "--set", "k=2,4,8", "--quiet", *out]
    code, told, err = cli([*line, "--json"])
    assert (code, err) == (0, "")
    found = json.loads(told)
    assert [run["name"] for run in found["runs"]] == ["k=2", "k=4", "k=8"]
    assert [point["k"] for point in found["curves"][0]["points"]] == [2, 4, 8]
    assert (tmp_path / "o" / "index.html").is_file() == bool(out)
    code, told, _ = cli(line)
    assert "fashion, null, by k" in told
    assert cli([*line, "--fail-under", "parse_rate=1"])[0] == 4


def test_a_curve_shows_rank_stability_where_the_order_is_shuffled(cli):
    line = (
        "run --task fashion --backend null --model gold --limit 6 --seeds 0,1 --set k=3,4 --set order=shuffled --quiet"
    )
    code, told, _ = cli(line)
    assert code == 0
    assert told.split("by k")[1].count("rank_stability") == 1


def test_a_page_shows_somebody_else_s_words_and_obeys_none(cli, tmp_path):
    nasty = "</title><script>alert(1)</script>\u202e"
    text = {"tasks": [{"task": "fashion", "name": nasty}], "models": ["null", {"model": "gold", "name": nasty}]}
    (tmp_path / "s.yaml").write_text(json.dumps({**text, "backend": "null", "limit": 2, "settings": {"k": [2, 4]}}))
    assert cli("suite s.yaml --quiet")[0] == 0
    page = (tmp_path / "runs" / "s" / "index.html").read_text()
    assert "<script" not in page
    assert "\u202e" not in page
    assert "default-src 'none'" in page
