"""A headless Chromium for tests of pages.

Needs playwright and a Chromium: `playwright install chromium`, or the system's (`apt-get install chromium`).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The browser; skips where there is none. Its event loop runs as long as it does, so no longer than a module."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    system = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_api.sync_playwright() as playwright:
        try:
            # A container has no user namespaces; the page is our own file.
            started = playwright.chromium.launch(executable_path=system, args=["--no-sandbox"])
        except sync_api.Error as error:
            pytest.skip(f"needs a Chromium: {error.message.splitlines()[0]}")
        yield started
        started.close()
