"""docs/notebook.ipynb does what it says: its cells run from top to bottom, without Jupyter."""

import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"


def test_the_notebook_ends_in_a_figure_of_the_failures(tmp_path, monkeypatch):
    pytest.importorskip("pandas")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.mkdtemp", lambda: str(tmp_path))
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert all(cell["outputs"] == [] for cell in cells if cell["cell_type"] == "code"), "committed without outputs"
    names: dict[str, object] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    bars = [patch.get_width() for patch in pyplot.gca().patches]
    frame = names["frame"]
    assert sum(bars) == (frame["kind"] != "ok").sum() > 0
    assert len(names["figures"][names["figures"]["figure"] == "parse_rate"]) == 2
    pyplot.close("all")
