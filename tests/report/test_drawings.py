"""Figures for papers: written as SVG and PDF, of the page's numbers, the same bytes each time."""

import re

import pytest

from listeval.errors import UserError
from listeval.report.drawings import write_drawings
from listeval.runs import RunConfig, run

pytest.importorskip("matplotlib", reason="figures are drawn by matplotlib")


@pytest.fixture
def make(tmp_path):
    """`make(name, **changes)`: a null run with planted faults."""

    def call(name, **changes):
        values = {"task": "fashion", "model": "faults", "backend": "null", "out": str(tmp_path / name), **changes}
        return run(RunConfig(**values))

    return call


def test_a_run_is_drawn(make, tmp_path):
    found = write_drawings([make("one")], tmp_path / "figures")
    assert {path.suffix for path in found} == {".svg", ".pdf"}
    assert {"Rates.svg", "failure-kinds.pdf", "Means-from-0-to-1.svg"} <= {path.name for path in found}
    kinds = (tmp_path / "figures" / "failure-kinds.svg").read_text()
    assert "missing_id" in kinds and "#219b74" in kinds
    assert all(path.read_bytes().startswith(b"%PDF") for path in found if path.suffix == ".pdf")


def test_runs_along_k_are_a_line(make, tmp_path):
    runs = [make(f"k{k}", options={"k": k}) for k in (2, 4)]
    names = {path.name for path in write_drawings(runs, tmp_path / "figures")}
    assert {"parse-rate.svg", "parse-rate-against-k.svg", "useful-ndcg@1-against-k.pdf"} <= names


def test_the_same_runs_give_the_same_bytes(make, tmp_path):
    runs = [make("one")]
    first = {path.name: path.read_bytes() for path in write_drawings(runs, tmp_path / "a")}
    assert first == {path.name: path.read_bytes() for path in write_drawings(runs, tmp_path / "b")}


def test_names_are_text(make, tmp_path):
    runs = [make("a$x_1$<b>\u202e"), make("b")]
    write_drawings(runs, tmp_path / "figures")
    text = (tmp_path / "figures" / "parse-rate.svg").read_text()
    assert "\u202e" not in text
    assert re.search(r"\$x_1\$&lt;b&gt;\\u202e", text)


def test_a_folder_that_cannot_be_made_is_one_line(make, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write the figures"):
        write_drawings([make("one")], tmp_path / "file")
