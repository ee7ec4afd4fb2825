"""Typos in a suite's file are found over all its runs before anything runs, each in a line with the file's line."""

from __future__ import annotations

from pathlib import Path

import pytest

from listeval.cli.main import _run
from listeval.models.short_names import SHORT_NAMES

HEAD = 'backend: "null"\nlimit: 2\n'


@pytest.fixture
def said(tmp_path, monkeypatch, capsys):
    """The lines on stderr for a suite, after making sure that nothing ran and nothing was planned."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LISTEVAL_PATH", raising=False)

    def call(text):
        Path("s.yaml").write_text(text)
        told = []
        for line in ("suite s.yaml --quiet", "suite s.yaml --plan", "suite s.yaml --plan --json"):
            assert _run(line.split()) == 2
            out, err = capsys.readouterr()
            assert (out, sorted(path.name for path in tmp_path.glob("runs"))) == ("", [])
            told.append(err.splitlines())
        assert told[0] == told[1] == told[2]
        return told[0]

    return call


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (HEAD + "tasks: [fashon]\nmodels: [gold]\n", 3, ["unknown task 'fashon'", "did you mean 'fashion'"]),
        (HEAD + "tasks:\n - fashion\n - {task: gsm9k}\nmodels: [gold]\n", 5, ["'gsm9k'", "'gsm8k'"]),
        (HEAD + "tasks: [fashion]\nmodels:\n - gold\n - fautls\n", 6, ["'fautls'", "'faults'"]),
        (HEAD + "tasks: [fashion]\nmodels:\n - name: x\n   model: garbge\n", 6, ["'garbge'", "'garbage'"]),
        ("tasks: [fashion]\nmodels: [tiny-stf]\nbackend: hf\n", 2, ["'tiny-stf'", "'tiny-sft'"]),
        ("tasks: [fashion]\nmodels: [tiny-stf]\n", 2, ["'tiny-stf'", "'tiny-sft'"]),
        (
            "tasks: [fashion]\nmodels: [gold]\nbackend: nul\n",
            3,
            ["unknown backend 'nul'", "did you mean 'null'"],
        ),
        (HEAD + "tasks: [fashion]\nmodels:\n - gold\n - {model: a,\n    backend: vlm}\n", 7, ["'vlm'", "'vllm'"]),
        (HEAD + "tasks: [fashion]\nmodels: [gold]\nsettings:\n  kk: [4, 8]\n", 6, ["no option 'kk'", "'k'"]),
        (HEAD + "tasks:\n - fashion\n - {task: msmarco,\n    settings: {kk: [4]}}\nmodels: [gold]\n", 6, ["'kk'"]),
        (HEAD + "tasks: [fashion]\nmodels:\n - model: gold\n   options:\n    shot: 1\n", 7, ["'shot'", "'shots'"]),
        (HEAD + "tasks: [fashion]\nmodels: [gold]\noptions: {order: shufled}\n", 5, ["options.order", "'shuffled'"]),
        (HEAD + "tasks: [fashion]\nmodels: [gold]\nsettings:\n k:\n  - 4\n  - x\n", 8, ["settings.k[1]", "got 'x'"]),
        (HEAD + "tasks: [fashion, gsm8k]\nmodels: [gold]\nsettings: {k: [4]}\n", 5, ["task 'gsm8k' has no option 'k'"]),
        (
            "tasks: [fashion]\nmodels: [tiny-sft]\nconstraints:\n - constraint: schema\n   engine: xgramar\n",
            5,
            ["unknown engine 'xgramar'", "'xgrammar'"],
        ),
        (HEAD + "tasks: [fashion]\nmodels:\n - gold\n - {modle: faults, name: x}\n", 6, ["models[1].modle", "'model'"]),
        (HEAD + "task: [fashion]\nmodels: [gold]\n", 3, ["unknown key 'task'", "'tasks'"]),
        (HEAD + "tasks: [fashion]\nmodels: [gold]\nconcurrency: many\n", 5, ["concurrency: "]),
    ],
)
def test_a_typo_is_one_line_with_the_file_s_line(said, text, line, words):
    [told] = said(text)
    for word in (f"s.yaml:{line})", *words):
        assert word in told, told
    assert "--" not in told, "no flag was typed"


def test_all_of_them_are_said_in_the_order_of_the_lines(said):
    lines = said(
        "tasks:\n - {task: fashion, settings: {kk: [4]}}\n - msmarko\n"
        "models: [gold, fautls]\nadapters:\n - none\nbackend: null\noptions: {ordr: given}\n"
    )
    assert [line.rpartition("s.yaml:")[2].partition(")")[0] for line in lines] == ["2", "3", "4", "8"]
    keys = said("tasks: [fashion]\nmodels: [{modle: gold}, {nmae: x}]\nlimt: 3\ntemperature: hot\n")
    assert [word for word in ("modle", "nmae", "limt", "temperature") if not any(word in line for line in keys)] == []
    assert any("no models[1].model is given" in line for line in keys), "a name is no model's"


@pytest.mark.parametrize("model", SHORT_NAMES)
def test_a_packaged_model_with_one_letter_too_few_is_meant(said, model):
    [told] = said(f"tasks: [fashion]\nmodels: [{model[:-1]}]\nbackend: vllm\n")
    assert f"'{model}'" in told


def test_code_that_needs_a_word_is_not_imported_to_look_for_typos(said, tmp_path):
    (tmp_path / "tasks" / "mine").mkdir(parents=True)
    (tmp_path / "tasks" / "mine" / "task.py").write_text("open('imported', 'w')\n")
    [told] = said(HEAD + "tasks: [mine]\nmodels: [fautls]\nsettings: {kk: [1]}\n")
    assert "fautls" in told
    [told] = said(HEAD + "tasks: [mine]\nmodels: [gold]\nsettings: {kk: [1]}\n")
    assert "--trust" in told
    assert not (tmp_path / "imported").exists()


def test_a_label_of_the_null_engine_and_a_folder_are_no_typos(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ckpt").mkdir()
    Path("s.yaml").write_text(
        "tasks: [fashion]\nmodels: [null, my-label, {model: ckpt, backend: hf}, {model: gone.jsonl, backend: replay}]\n"
        "backend: null\n"
    )
    assert _run(["suite", "s.yaml", "--plan"]) == 0
    assert "4 runs" in capsys.readouterr().out
