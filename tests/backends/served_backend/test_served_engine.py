"""A server of the run's own: started, waited for, its words kept, and surely stopped; here with stand-ins for vLLM."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from listeval.backends.served import served_engine
from listeval.backends.served.server import Server, free_port
from listeval.errors import UserError
from listeval.runs.config import build_config

pytest.importorskip("httpx")

STAND_IN = """
import http.server, os, subprocess, sys, threading
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *words): pass
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("worker", worker.pid, "server", os.getpid(), flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Health).serve_forever()
"""
"""A server with a worker process of its own, that neither minds."""

PARENT = """
import sys, time
from listeval.backends.served.server import Server
server = Server([sys.executable, "-c", sys.argv[1], sys.argv[2]], {})
server.wait(f"http://127.0.0.1:{sys.argv[2]}/health", 60)
print(server._lines[0].decode().strip(), flush=True)
time.sleep(600)
"""


def gone(number: int) -> bool:
    """Whether a process is no more, or a zombie that nobody has collected."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def soon(true: Callable[[], bool], seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.05)
    return true()


def numbers(line: str) -> list[int]:
    return [int(word) for word in line.split() if word.isdigit()]


def test_a_server_is_waited_for_and_stopped_with_its_workers(tmp_path: Path) -> None:
    port = free_port()
    with Server([sys.executable, "-c", STAND_IN, str(port)], {}) as server:
        server.wait(f"http://127.0.0.1:{port}/health", 60)
        server.log_to(tmp_path)
    said = numbers((tmp_path / "server.log").read_text())
    assert len(said) == 2
    assert all(soon(lambda number=number: gone(number)) for number in said)
    server.stop()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a process of its parent's death")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_parent_that_is_killed_leaves_nothing_behind(number: signal.Signals) -> None:
    command = [sys.executable, "-c", PARENT, STAND_IN, str(free_port())]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        said = numbers(parent.stdout.readline())
    assert len(said) == 2
    os.kill(parent.pid, number)
    parent.wait()
    assert all(soon(lambda number=number: gone(number)) for number in said)


def test_a_server_that_ends_says_why() -> None:
    with (
        Server([sys.executable, "-c", "print('loading'); raise SystemExit('no such model')"], {}) as server,
        pytest.raises(UserError, match="ended before it was ready; it said: no such model") as told,
    ):
        server.wait("http://127.0.0.1:9/health", 60)
    assert "\n" not in str(told.value)


def test_a_server_that_never_comes_is_not_waited_for_longer() -> None:
    with (
        Server([sys.executable, "-c", "import time; print('loading', flush=True); time.sleep(600)"], {}) as server,
        pytest.raises(UserError, match=r"not ready after 2 s; it said: (loading|nothing)"),
    ):
        server.wait(f"http://127.0.0.1:{free_port()}/health", 2)
    assert server._process.poll() is not None


def test_the_log_of_two_attempts_is_one_file_and_no_link_is_followed(tmp_path: Path) -> None:
    for word in ("one", "two"):
        with Server([sys.executable, "-c", f"print('{word}')"], {}) as server:
            assert soon(lambda server=server: server._process.poll() is not None)
            server._reader.join(10)
            server.log_to(tmp_path)
    assert (tmp_path / "server.log").read_text().split() == ["one", "two"]
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "server.log").symlink_to(tmp_path / "elsewhere")
    with Server([sys.executable, "-c", ""], {}) as server, pytest.raises(UserError, match="no log"):
        server.log_to(tmp_path / "x")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(("installed", "start"), [({"vllm": "1"}, ["serve", "m"]), ({}, ["--model", "m"])])
def test_arguments_are_flags_of_vllm_serve(
    installed: dict[str, str], start: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served_engine, "package_versions", lambda *names: installed)
    told = {"model": "m", "dtype": "float32", "enforce_eager": True, "enable_chunked_prefill": False, "max_num_seqs": 4}
    told |= {"logits_processors": ["a:B"], "structured_outputs_config": {"backend": "xgrammar"}, "quantization": None}
    assert served_engine.serve_command(told)[3:] == [
        *start, "--dtype", "float32", "--enforce-eager", "--no-enable-chunked-prefill", "--max-num-seqs", "4",
        "--logits-processors", "a:B", "--structured-outputs-config", '{"backend": "xgrammar"}',
    ]  # fmt: skip


def test_serve_is_asked_by_the_openai_backend_alone() -> None:
    asked = {"task": "fashion", "model": "m", "serve": True}
    assert build_config(asked).backend == build_config({**asked, "backend": "auto"}).backend == "openai"
    with pytest.raises(UserError, match="the hf backend asks none"):
        build_config({**asked, "backend": "hf"})
    for name in ("base_url", "api_key_env"):
        with pytest.raises(UserError, match="a server of its own"):
            build_config({**asked, name: "x"})
