"""Constraints as a user meets them: flags, exit codes, one line for whatever cannot be."""

import json
from pathlib import Path

import pytest

from tests.backends.conftest import checkpoint, make_checkpoint
from tests.backends.fake_server import FakeServer, Reply, chat
from tests.e2e.test_bad_input import RUN, one_line

__all__ = ["checkpoint", "make_checkpoint"]

HF = ("run", "--task", "fashion", "--model", "m", "--backend", "hf")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((*RUN, "--constraint", "schema"), ("null backend decodes nothing", "--constraint")),
        ((*RUN, "--constraint", "scheme"), ("--constraint", "scheme")),
        ((*RUN, "--engine", "xgrammar"), ("without a constraint",)),
        ((*HF, "--constraint", "schema", "--engine", "xgramar"), ("did you mean 'xgrammar'",)),
        ((*HF, "--task", "gsm8k", "--constraint", "permutation"), ("permutation needs a list", "--constraint schema")),
    ],
)  # fmt: skip
def test_wrong_words(listeval, args, words):
    one_line(listeval(*args), *words)


def test_a_failed_canary_is_exit_code_3(listeval):
    with FakeServer(lambda call: Reply(chat("The sea is wide."))).running() as server:
        done = listeval(
            "run", "--task", "fashion", "--model", "tiny", "--backend", "openai", "--base-url", server.url,
            "--constraint", "schema", "--limit", 2, "--out", "r",
        )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith("listeval: schema by server does not hold: the canary was answered with 'The sea is wide.'")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "engine"), [("permutation", "own"), ("permutation", "llguidance"), ("scaffold", "own")]
)
def test_an_exact_run_parses_every_answer(listeval, checkpoint, tmp_path, kind, engine):
    pytest.importorskip("torch")
    data = [
        {"product": f"p{n}", "reviews": [{"id": f"{n}-{i}", "text": f"text {i}", "votes": i} for i in range(4)]}
        for n in range(6)
    ]
    file = tmp_path / "data.jsonl"
    file.write_text("\n".join(map(json.dumps, data)))
    done = listeval(
        "run", "--task", "fashion", "--model", checkpoint, "--backend", "hf", "--device", "cpu", "--constraint", kind,
        "--engine", engine, "--limit", 4, "--set", "k=4", "--set", "split=all", "--data", file, "--max-tokens", 200,
        "--out", "r", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["kinds"]["ok"] == found["n"] > 0
    assert 0 < found["masked"] < 1
    manifest = json.loads((Path(tmp_path) / "r" / "manifest.json").read_text())
    assert manifest["canary"]["passed"] and set(manifest["audit"]["rules"].values()) <= {"kept"}


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((*HF, "--constraint", "schema", "--spacing", "wide"), ("--spacing", "either")),
        ((*RUN, "--spacing", "gold"), ("--spacing gold without a constraint", "add --constraint")),
    ],
)
def test_wrong_spacing(listeval, args, words):
    one_line(listeval(*args), *words)


def test_spacing_is_part_of_a_constrained_run_alone(listeval, tmp_path):
    listeval("run", "--task", "fashion", "--model", "null", "--backend", "null", "--limit", 2, "--out", "free")
    manifest = json.loads((tmp_path / "free" / "manifest.json").read_text())
    assert manifest["config"]["spacing"] is None and manifest["identity"]["constraint"] == "none"


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["xgrammar", "llguidance", "outlines"])
def test_a_schema_does_not_fight_what_a_model_has_learned(listeval, engine):
    pytest.importorskip("torch")
    common = ("run", "--task", "fashion", "--model", "tiny-sft", "--backend", "hf", "--device", "cpu", "--limit", 16)
    schema = (*common, "--constraint", "schema", "--engine", engine, "--json")
    found = json.loads(listeval(*schema, "--out", "either").stdout)
    assert found["parse_rate"]["value"] >= 0.8 and found["kinds"]["truncated"] == 0
    assert found["spacing"] == {"asked": "either", "measured": "either"}
    assert found["masked"] < 0.2 and found["warnings"] == []
    tight = json.loads(listeval(*schema, "--spacing", "compact", "--out", "compact").stdout)
    assert tight["masked"] > 0.2 and "see spacing" in tight["warnings"][0]
