"""Shell completion by click's protocol: the scripts for three shells, and what the tab key would offer."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from listeval.backends import ADAPTERS
from listeval.backends.played import playing
from listeval.cli.completion import PLAYED, WORDS
from listeval.cli.main import main
from listeval.contract import Kind
from listeval.decoding.constraint import ENGINES, ConstraintKind
from listeval.decoding.spacing import Spacing
from listeval.runs.reask import ReaskWay
from listopd.cliff.study import StudyFile, study_path
from listopd.recipe import read_recipe

SHELLS = ("bash", "zsh", "fish")


@pytest.fixture
def ask(monkeypatch, capsys, tmp_path):
    """What `listeval` prints for a shell's instruction and a line, the cursor at its end."""
    monkeypatch.chdir(tmp_path)

    def call(instruction, line=""):
        words = line.split(" ")
        monkeypatch.setenv("_LISTEVAL_COMPLETE", instruction)
        monkeypatch.setenv("COMP_WORDS", line if instruction.startswith("bash") else " ".join(words))
        monkeypatch.setenv("COMP_CWORD", words[-1] if instruction.startswith("fish") else str(len(words) - 1))
        with pytest.raises(SystemExit) as stop:
            main([])
        said = capsys.readouterr()
        assert stop.value.code == 0 and said.err == "", said.err
        return said.out

    return call


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_of_a_shell_asks_this_command(ask, shell):
    script = ask(f"{shell}_source")
    assert f"_LISTEVAL_COMPLETE={shell}_complete" in script and "Usage:" not in script
    if shutil.which(shell):
        assert subprocess.run([shell, "-n"], input=script, text=True, capture_output=True).stderr == ""


def offered(text):
    """Words that bash is offered, whatever their type."""
    return [line.partition(",")[2] for line in text.splitlines() if line]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("listeval comp", ["compare"]),
        ("listeval r", ["run", "report", "rubrics"]),
        ("listeval tasks ", ["check", "list", "new", "show"]),
        ("listeval cliff ver", ["verify"]),
        ("listeval report --fail-u", ["--fail-under"]),
        ("listeval report --fail-on ", ["value", "low", "high"]),
        ("listeval compare a b --format la", ["latex"]),
        ("listeval run --task fash", ["fashion"]),
        ("listeval tasks show fash", ["fashion"]),
        ("listeval tasks check fash", ["fashion"]),
        ("listeval label --task fash", ["fashion"]),
        ("listeval label --rubric help", ["helpfulness"]),
        ("listeval rubrics show help", ["helpfulness"]),
        ("listeval show r --kind dup", ["duplicate_id"]),
        ("listeval run --constraint per", ["permutation"]),
        ("listeval run --backend vl", ["vllm"]),
        ("listeval run --engine ll", ["llguidance"]),
        ("listeval run --spacing g", ["gold"]),
        ("listeval run --reask e", ["explain"]),
        ("listeval run --model tiny-l", ["tiny-listopd", "tiny-l"]),
        ("listeval run --model smol", ["smollm2", "smol"]),
        ("listeval tasks check fashion --model tiny-t", ["tiny-teacher", "tiny-t"]),
        ("listeval run --backend null --model g", ["gold", "garbage", "g"]),
        ("listeval run --backend null --model n", ["null", "n"]),
        ("listeval run --model n", ["n"]),
        ("listeval run --backend hf --model n", ["n"]),
        ("listeval train sft w", ["warmstart", "w"]),
        ("listeval train sft listopd", ["listopd"]),
        ("listeval train opd asp", ["aspo", "asp"]),
        ("listeval train plan w", ["warmstart", "w"]),
        ("listeval cliff plan lab-k", ["lab-k8", "lab-k"]),
        ("listeval cliff verify plant", ["planted", "plant"]),
        ("listeval nosuch ver", []),
        ("listeval run --nosuch x --ta", ["--task"]),
        ("listeval zzz", []),
    ],
)
def test_what_the_tab_key_offers(ask, line, words):
    assert offered(ask("bash_complete", line)) == words


def test_every_kind_is_offered(ask):
    assert offered(ask("bash_complete", "listeval show r --kind ")) == ["any", *(kind.value for kind in Kind)]


def test_the_words_are_those_that_are_taken():
    assert set(WORDS["--backend"]) == {*ADAPTERS, "auto"}
    assert set(WORDS["--constraint"]) == set(get_args(ConstraintKind))
    assert set(WORDS["--engine"]) == set(ENGINES)
    assert set(WORDS["--spacing"]) == {one.value for one in Spacing}
    assert set(WORDS["--reask"]) == set(get_args(ReaskWay))
    assert all(playing(name) for name in PLAYED if name != "null")


def test_every_recipe_that_is_offered_is_one(ask):
    """By the stage that it is offered for."""
    for stage in ("sft", "opd"):
        names = [name for name in offered(ask("bash_complete", f"listeval train {stage} ")) if name]
        assert names and all(getattr(read_recipe(name, ()), stage) is not None for name in names)
    names = [name for name in offered(ask("bash_complete", "listeval cliff plan ")) if name]
    assert names and all(StudyFile(study_path(name)).arms for name in names)


def test_a_tab_key_waits_for_no_library():
    said = "import sys; from listeval.cli.main import main; main([])"
    heavy = ("pydantic", "numpy", "torch", "rich", "yaml")
    lines = ["run --constraint ", "run --backend ", "run --engine ", "run --model ", "train opd ", "cliff plan "]
    for line in lines:
        words = f"listeval {line}"
        told = {"_LISTEVAL_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        code = f"import atexit, sys\natexit.register(lambda: print([x for x in {heavy} if x in sys.modules]))\n{said}"
        done = subprocess.run([sys.executable, "-c", code], env={**os.environ, **told}, capture_output=True, text=True)
        assert done.stdout.splitlines()[-1] == "[]" and "plain," in done.stdout, (line, done.stdout, done.stderr)


def test_zsh_and_fish_complete_a_verb(ask):
    assert ask("zsh_complete", "listeval comp").splitlines()[:2] == ["plain", "compare"]
    assert ask("fish_complete", "listeval comp").startswith("plain,compare")


@pytest.mark.parametrize("verb", ["show", "score", "report", "compare"])
def test_a_run_is_a_path(ask, verb):
    assert ask("bash_complete", f"listeval {verb} ru") == "file,ru\n"


def test_runs_and_files_behind_an_at_sign(ask, tmp_path):
    (tmp_path / "runs" / "one").mkdir(parents=True)
    (tmp_path / "rows.jsonl").touch()
    (tmp_path / "rc.yaml").touch()
    assert offered(ask("bash_complete", "listeval run @r")) == ["@rc.yaml", "@runs"]
    assert offered(ask("bash_complete", "listeval run @runs/")) == ["@runs/one"]
    assert offered(ask("bash_complete", "listeval run @no/")) == []


@pytest.mark.parametrize("asked", ["tcsh_source", "bash", "bash_nothing", "_"])
def test_another_shell_is_one_line(monkeypatch, capsys, asked):
    monkeypatch.setenv("_LISTEVAL_COMPLETE", asked)
    with pytest.raises(SystemExit) as stop:
        main([])
    said = capsys.readouterr()
    assert (stop.value.code, said.out) == (2, "")
    assert said.err.count("\n") == 1 and "bash_source, zsh_source, fish_source" in said.err


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_bash_itself_completes_a_verb(tmp_path):
    """The script is evaluated by bash, and its function called as readline would."""
    where = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    script = (
        'eval "$(_LISTEVAL_COMPLETE=bash_source listeval)"; COMP_WORDS=(listeval comp); COMP_CWORD=1; '
        "_listeval_completion listeval; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    done = subprocess.run(["bash", "--norc", "-c", script], env=where, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.split() == ["compare"], done.stderr
