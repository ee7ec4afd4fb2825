"""Inspect's own viewer shows an exported log: its figures, its samples, and the answer that was given."""

import socket
import subprocess
import time

import httpx
import pytest

from tests.chromium import chromium  # noqa: F401
from tests.export.peers import environment, needed, peer


@pytest.fixture
def viewer(mixed, tmp_path):
    """`inspect view` over the log of a run: its address."""
    python = needed("inspect_ai")
    (tmp_path / "logs").mkdir()
    out = tmp_path / "logs" / "run.eval"
    peer("inspect_ai", "-m", "listeval", "export", str(mixed.path), "--to", "inspect", "--out", str(out))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["-m", "inspect_ai", "view", "start", "--log-dir", str(out.parent), "--port", str(port)]
    process = subprocess.Popen(
        [python, *words], env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield _answering(f"http://127.0.0.1:{port}", process)
    finally:
        process.terminate()
        process.wait()


def _answering(address, process):
    for _ in range(600):
        assert process.poll() is None, "inspect view ended"
        try:
            httpx.get(f"{address}/api/logs").raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return address
    raise AssertionError("inspect view never answered")


@pytest.mark.slow
def test_the_viewer_shows_the_run(viewer, mixed, chromium):  # noqa: F811
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    page.goto(viewer)
    page.get_by_text("parse_rate").first.wait_for(timeout=60_000)
    page.get_by_text(mixed.rows[3]["example"]).first.wait_for()
    shown = page.inner_text("body")
    value = mixed.summary.metrics["parse_rate"]
    assert f"{value.value:.3f}".rstrip("0") in shown and f"{value.low:.3f}".rstrip("0") in shown
    assert "NaN" not in shown
    page.get_by_text(mixed.rows[3]["example"]).first.click()
    page.get_by_text(mixed.rows[3]["text"][:20]).first.wait_for()
