"""What the site builder needs besides `docs/`: pages that stand elsewhere in the repository, and links between all.

A page is written for those who read it in the repository, so its links are paths there. Here each becomes a link to the
page that shows the file; where the site does not show it, the words stay and the link goes.
"""

from __future__ import annotations

import os
import posixpath
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
_LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!https?:|mailto:|#)([^()\s#]+)(#[^()\s]*)?\)")
_IMAGE = re.compile(r"!\[([^\[\]]*)\]\(((?!https?:)[^()\s#]+\.svg)\)")
_SINGLE = {
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmarks.md",
}


def elsewhere() -> dict[str, str]:
    """Place on the site of every page that stands outside of `docs/`, by its path in the repository."""
    found = dict(_SINGLE)
    for folder, place in (("tasks", "tasks"), ("reports/published", "published"), ("benchmarks/results", "results")):
        for file in sorted((ROOT / folder).rglob("*.md")):
            inner = file.relative_to(ROOT / folder)
            if file.name == "README.md":
                inner = inner.parent.with_suffix(".md")
            elif folder != "benchmarks/results":
                continue
            found[file.relative_to(ROOT).as_posix()] = f"{place}/{inner.as_posix()}"
    return found


def pictures() -> dict[str, str]:
    """Place on the site of the figures of published studies, by their path in the repository."""
    folder = ROOT / "reports" / "published"
    return {
        file.relative_to(ROOT).as_posix(): f"published/{file.relative_to(folder).as_posix()}"
        for file in sorted(folder.rglob("figures/*.svg"))
    }


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from elsewhere and those of the API."""
    from mkdocs.structure.files import File

    for source, place in elsewhere().items():
        files.append(File.generated(config, place, content=(ROOT / source).read_text()))
    for source, place in pictures().items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / source)))
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    from docs.tools.api_pages import harness, trainer

    files.append(File.generated(config, "api/listeval.md", content=harness()))
    files.append(File.generated(config, "api/listopd.md", content=trainer()))
    return files


def on_page_markdown(markdown: str, *, page: Page, files: Files, **_: Any) -> str:
    """Links in the words of the repository become links of the site."""
    places, drawn = elsewhere(), pictures()
    sources = {place: source for source, place in places.items()}
    here = page.file.src_uri
    source = sources.get(here, f"docs/{here}")

    def link(found: re.Match[str]) -> str:
        words, target, anchor = found[1], found[2], found[3] or ""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        place = places.get(path, path.removeprefix("docs/") if path.startswith("docs/") else "")
        if place and files.get_file_from_path(place):
            return f"[{words}]({posixpath.relpath(place, posixpath.dirname(here) or '.')}{anchor})"
        return words if os.path.lexists(ROOT / path) else found[0]

    def image(found: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), found[2]))
        place = drawn.get(path)
        return f"![{found[1]}]({posixpath.relpath(place, posixpath.dirname(here) or '.')})" if place else found[0]

    return _IMAGE.sub(image, _LINK.sub(link, markdown))
