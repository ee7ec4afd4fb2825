"""The documentation builds as a site from the clone alone: no network, no warning, no link that leads nowhere."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import pytest

from docs.tools.imports import ROOT

pytestmark = pytest.mark.slow

WITHOUT_NETWORK = """
import socket, sys
def refuse(*args, **kwargs):
    raise OSError("the documentation must build without a network")
socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
from mkdocs.__main__ import cli
cli(["build", "--strict", "--site-dir", sys.argv[1]])
"""
LOADING = {("link", "href"), ("script", "src"), ("img", "src"), ("iframe", "src")}


class Link(NamedTuple):
    page: Path
    tag: str
    target: str
    loads: bool


class Reader(HTMLParser):
    """Links and anchors of a page."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.page = page
        self.links: list[Link] = []
        self.anchors: set[str] = set()
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.anchors |= {value for name, value in attrs if name in ("id", "name") and value}
        relation = dict(attrs).get("rel")
        for name, value in attrs:
            if name in ("href", "src") and value and relation != "canonical":
                self.links.append(Link(self.page, tag, value, (tag, name) in LOADING))


def broken(pages: dict[Path, Reader]) -> Iterator[str]:
    for reader in pages.values():
        for link in reader.links:
            parts = urlsplit(link.target)
            if parts.scheme or parts.netloc:
                if link.loads:
                    yield f"{link.page.name} loads {link.target}"
                continue
            there = (link.page.parent / unquote(parts.path)).resolve() if parts.path else link.page.resolve()
            anchors = pages[there].anchors if there in pages else {parts.fragment}
            if not there.exists() or (parts.fragment and unquote(parts.fragment) not in anchors):
                yield f"{link.page.name} -> {link.target}"


def read(site: Path) -> dict[Path, Reader]:
    # 404.html is served in the place of any page, so its links count from the root of a site that we do not know.
    return {file.resolve(): Reader(file) for file in site.rglob("*.html") if file.name != "404.html"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs", reason="needs the extra `docs`")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-c", WITHOUT_NETWORK, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_no_link_is_broken_and_nothing_is_loaded_from_elsewhere(site):
    pages = read(site)
    assert len(pages) > 25
    assert list(broken(pages)) == []


def test_every_public_name_has_an_entry(site):
    import listeval
    from listopd import threshold

    pages = read(site)
    assert {f"listeval.{name}" for name in listeval.__all__} <= pages[site / "api" / "listeval.html"].anchors
    assert {f"listopd.threshold.{name}" for name in threshold.__all__} <= pages[site / "api" / "listopd.html"].anchors


def test_a_broken_link_and_a_foreign_script_are_found(tmp_path):
    (tmp_path / "a.html").write_text('<a href="b.html#x">x</a><a href="b.html#y">y</a><a href="c.html">z</a>')
    (tmp_path / "b.html").write_text('<p id="x"><script src="https://example.org/a.js"></script><a href="https://a.b">')
    expected = ["a.html -> b.html#y", "a.html -> c.html", "b.html loads https://example.org/a.js"]
    assert sorted(broken(read(tmp_path))) == expected
