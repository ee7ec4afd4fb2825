"""Memory of a whole run against a server of bombs: bounded, whatever the answers unpack to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from tests.backends.fake_server import FakeServer, Reply, chat

pytest.importorskip("httpx")

LIMIT_MIB = 300
GZIP = {"Content-Encoding": "gzip"}
UNDER = (2 << 20) + 64 * 512
"""Bytes that an answer to the default budget may have, at least."""


def gzipped(piece: bytes, times: int, end: bytes = b"") -> bytes:
    """`piece` so many times, packed without ever being whole."""
    packer = zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16)
    return b"".join([*(packer.compress(piece) for _ in range(times)), packer.compress(end), packer.flush()])


BOMBS: dict[str, Reply] = {
    "a gigabyte of blanks": Reply(gzipped(b" " * (1 << 20), 1024), headers=GZIP),
    "as many empty lists as fit": Reply(b"[" + b"[]," * (UNDER // 3 - 9) + b"[]]"),
    "as many small objects as fit": Reply(gzipped(b'[{"":0},', 1, b'{"":0},' * (UNDER // 7 - 9) + b"0]"), headers=GZIP),
    "the longest text that fits": Reply(chat("é" * (UNDER // 6 - 200))),
    "eight megabytes": Reply(b'"' + b"x" * (8 << 20) + b'"'),
}

CHILD = """
import atexit, pathlib, re, sys
def note():
    status = pathlib.Path("/proc/self/status").read_text()
    print("PEAK", re.search(r"VmHWM:\\s*(\\d+) kB", status)[1], file=sys.stderr)
atexit.register(note)
from listeval.cli.main import main
main(sys.argv[1:])
"""
"""The command line, and then the most memory that it held: the parent's own counter would hold the parent's, too."""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak from /proc")
@pytest.mark.parametrize("name", BOMBS)
def test_a_run_against_bombs_stays_small(name: str, tmp_path: Path) -> None:
    with FakeServer(lambda call: BOMBS[name]).running() as server:
        command = [sys.executable, "-c", CHILD, "run", "--task", "fashion", "--model", "tiny", "--backend", "openai"]
        command += ["--base-url", server.url, "--out", str(tmp_path / "run"), "--quiet", "--concurrency", "32"]
        environment = os.environ | {"OPENAI_API_KEY": "sk-very-secret-0123456789"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 1)
    rows = [json.loads(line) for line in (tmp_path / "run" / "samples.jsonl").read_text().splitlines()]
    assert len(rows) == 56
    peak = int(done.stderr.split("PEAK ")[1].split()[0]) / 1024
    assert peak <= LIMIT_MIB, f"{name}: {peak:.0f} MiB"
