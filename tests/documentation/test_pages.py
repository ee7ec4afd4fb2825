"""Pages are as the code and the repository are: generated ones not stale, links whole, the README short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.tools.floor_plan import draw
from docs.tools.imports import ROOT
from docs.tools.pages import pages
from docs.tools.rooms import Room, layers, needed
from listeval.contract import Flag, Kind

LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\((?!https?:|mailto:)([^()\s#]*)(?:#([^()\s]*))?\)")
FENCE = re.compile(r"^```.*?^```", re.S | re.M)


FOLDERS = ("docs", "tasks", "reports", "benchmarks", "checkpoints", "training", "listeval")


def markdown() -> list[Path]:
    return [*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in sorted((ROOT / folder).rglob("*.md")))]


def anchors(page: Path) -> set[str]:
    """As the repository's viewer and the site make them of headings."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def broken(page: Path) -> list[str]:
    found = []
    for target, anchor in LINK.findall(FENCE.sub("", page.read_text())):
        there = page.parent / target if target else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            found.append(f"{page.relative_to(ROOT)}: {target}#{anchor}")
    return found


def test_generated_pages_are_what_the_code_makes_today():
    made = pages()
    assert len(made) > 8
    assert [name for name, text in made.items() if (ROOT / name).read_text() != text] == [], "run: python -m docs.tools"


def test_no_link_is_broken():
    files = markdown()
    assert len(files) > 20
    assert [link for page in files for link in broken(page)] == []


def test_a_broken_link_is_found(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text(
        "# One two\n[a](gone.md) [b](page.md#one-two) [c](#two) [d](https://example.org)\n```\n[e](code)\n```\n"
    )
    monkeypatch.setitem(broken.__globals__, "ROOT", tmp_path)
    assert broken(page) == ["page.md: gone.md#", "page.md: #two"]


def test_every_place_that_the_architecture_names_is_there():
    named = set(
        re.findall(r"`((?:tests|docs|tasks|training)(?:/[\w./]*)?)`", (ROOT / "docs" / "architecture.md").read_text())
    )
    assert len(named) > 5
    assert [place for place in sorted(named) if not (ROOT / place).exists()] == []


def test_the_readme_has_at_most_a_thousand_words_one_table_and_one_picture():
    text = (ROOT / "README.md").read_text()
    assert len(text.split()) <= 1000
    assert len(re.findall(r"^\| ---", text, re.M)) == 1
    assert len(re.findall(r"!\[", text)) == 1


GUIDES = sorted(path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs" / "guides").glob("*.md"))
TASKS = sorted(path.parent.name for path in (ROOT / "tasks").glob("*/task.py"))


@pytest.mark.parametrize("guide", [*GUIDES, "new-task.md"])
def test_a_guide_is_found_from_the_home_page(guide):
    assert f"]({guide})" in (ROOT / "docs" / "index.md").read_text()


@pytest.mark.parametrize("task", TASKS)
def test_a_task_is_found_from_the_readme_and_the_list_of_tasks(task):
    named = re.search(r"^## Tasks\n(.*?)^## ", (ROOT / "README.md").read_text(), re.S | re.M)
    assert named is not None and f"`{task}`" in named[1]
    assert f"[`{task}`](" in (ROOT / "docs" / "tasks" / "index.md").read_text()


@pytest.mark.parametrize("term", ["FMC", "scaffold", "canary", "constraint", "repair"])
def test_a_term_is_explained_where_it_first_stands_in_the_readme(term):
    """Code says names, not terms; the first other mention is the bold one, or the clause that has it."""
    text = re.sub(r"`[^`]*`|!\[[^\]]*\]", "", FENCE.sub("", (ROOT / "README.md").read_text()))
    first = re.search(rf"\b{term}\b", text, re.I)
    assert first is not None
    assert text[: first.start()].endswith("**"), f"'{term}' stands before it is explained"


def test_every_kind_and_flag_is_explained():
    text = (ROOT / "docs" / "concepts" / "contract.md").read_text()
    rows = "\n".join(re.findall(r"^\| (.*?) \|", text, re.M))
    assert [name.value for name in (*Kind, *Flag) if f"`{name.value}`" not in rows] == []


def rooms(**imports: str) -> dict[str, Room]:
    return {name: Room(name, f"is {name}", frozenset(below.split())) for name, below in imports.items()}


def test_a_room_stands_above_what_it_imports():
    house = rooms(a="", b="a", c="a b", d="c e", e="d a")
    assert layers(house) == [["a"], ["b"], ["c"], ["d", "e"]]
    assert needed(house) == {("b", "a"), ("c", "b"), ("d", "c"), ("d", "e"), ("e", "d")} | (
        needed(house) & {("e", "a")}
    )


def test_the_drawing_has_a_box_a_room_and_a_line_an_arrow():
    house = rooms(a="", b="a", **{f"r{i}": "b" for i in range(20)})
    drawing = draw(house, "a < b")
    assert drawing.count("<g>") == len(house)
    assert drawing.count('marker-end="') == len(needed(house)) == 21
    assert "<title>a &lt; b</title>" in drawing
