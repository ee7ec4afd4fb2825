"""What `doctor` says first is what matters most: broken before missing, needed before optional, then what works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval import errors
from listeval.cli.doctor import DoctorCheck, headline, in_order
from listeval.cli.main import main
from listeval.errors import UserError, checkout_install

NAMES = [
    "backend hf", "backend vllm", "backend openai", "engine xgrammar", "engine outlines", "engine llguidance", "device",
    "sandbox", "model smollm2", "model tiny-sft", "task fashion",
]  # fmt: skip


def checks(**states):
    """Everything is there, but for what is said otherwise."""
    given = {name.replace("_", " "): state for name, state in states.items()}
    return [DoctorCheck(name, given.get(name, "ok"), "", f"fix {name}" if name in given else "") for name in NAMES]


@given(st.lists(st.sampled_from(["ok", "missing", "broken"]), min_size=len(NAMES), max_size=len(NAMES)))
def test_nothing_is_lost_and_states_come_in_order(states):
    given = [DoctorCheck(name, state, "", "x") for name, state in zip(NAMES, states, strict=True)]
    found = in_order(given)
    assert sorted(found) == sorted(given)
    assert [check.state for check in found] == sorted(
        (check.state for check in found), key=["broken", "missing", "ok"].index
    )
    assert headline(found)


@pytest.mark.parametrize(
    ("states", "first"),
    [
        ({"backend_vllm": "missing", "sandbox": "missing"}, "sandbox"),
        ({"backend_hf": "missing", "backend_vllm": "missing", "device": "missing", "sandbox": "missing"}, "sandbox"),
        (
            {"backend_openai": "missing", "backend_vllm": "missing", "backend_hf": "missing", "sandbox": "missing"},
            "backend hf",
        ),
        ({"engine_outlines": "missing", "model_smollm2": "missing", "task_fashion": "broken"}, "task fashion"),
        ({"engine_outlines": "missing", "sandbox": "missing"}, "sandbox"),
        (
            {"engine_outlines": "missing", "engine_xgrammar": "missing", "engine_llguidance": "missing",
             "sandbox": "missing", "backend_vllm": "missing"},
            "engine xgrammar",
        ),
    ],
)  # fmt: skip
def test_what_is_needed_comes_before_what_has_another_way(states, first):
    found = in_order(checks(**states))
    if states.get("device") == "missing":
        assert found[0].name == "device"
    else:
        assert found[0].name == first


def test_the_headline_says_what_to_type():
    assert headline(in_order(checks())) == "ready: listeval run --task fashion --model smollm2"
    assert "tiny-sft" in headline(in_order(checks(model_smollm2="missing")))
    none = checks(backend_hf="missing", backend_vllm="missing", backend_openai="missing", device="missing")
    assert headline(in_order(none)) == "no engine can run a model yet; first: fix backend hf"
    assert "servers" in headline(in_order(checks(backend_hf="missing", backend_vllm="missing")))
    assert headline(in_order(checks(device="broken"))) == "first see to device: fix device"


def test_the_command_prints_it_all(capsys):
    with pytest.raises(SystemExit):
        main(["doctor", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert {"backend hf", "device", "sandbox", "task fashion"} <= {check["name"] for check in found}


def test_lines_to_type_are_true_in_a_checkout_and_elsewhere(tmp_path, monkeypatch):
    root = Path(errors.__file__).resolve().parents[1]
    assert checkout_install("pip install 'listeval[cpu,train]'") == f"pip install -e '{root}[cpu,train]'"
    assert checkout_install("pip install gguf") == "pip install gguf"
    refused = UserError.missing_package("httpx", "pip install 'listeval[openai]'", "it")
    assert "pip install 'listeval[openai]'" in str(refused) and f"pip install -e '{root}[openai]'" in str(refused)
    monkeypatch.setattr(errors, "__file__", str(tmp_path / "site-packages" / "listeval" / "errors.py"))
    assert checkout_install("pip install 'listeval[cpu]'") == "pip install 'listeval[cpu]'"


@pytest.mark.parametrize("error", ["ImportError", "OSError"])
def test_a_torch_that_does_not_load_is_one_line_and_everything_else_is_told(tmp_path, error):
    package = tmp_path / "torch"
    package.mkdir()
    (package / "__init__.py").write_text(f"raise {error}('libcudart.so.12: cannot open shared object file')\n")
    path = f"{tmp_path}:{Path(__file__).parents[2]}"
    command = [sys.executable, "-m", "listeval", "doctor", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, check=False)
    assert done.returncode == 0, done.stderr
    found = {check["name"]: check for check in json.loads(done.stdout)}
    assert found["device"]["state"] == "broken" and "libcudart.so.12" in found["device"]["detail"]
    assert found["task fashion"]["state"] == "ok"
