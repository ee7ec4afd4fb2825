"""While rows are in the making the collector of circles rests, and afterwards it is as it was."""

import gc

import pytest

from listeval.cli.main import main
from listeval.report.comparison import page as comparison_page
from listeval.report.page import run_page
from listeval.runs import load_run
from listeval.runs import stored_rows as stored
from listeval.runs.collector import collector_paused
from listeval.runs.stored_row import StoredRow


@pytest.mark.parametrize("was_on", [True, False])
def test_it_is_as_it_was_whatever_happens_within(was_on):
    try:
        (gc.enable if was_on else gc.disable)()
        with pytest.raises(KeyError), collector_paused():
            with collector_paused():
                assert not gc.isenabled()
            assert not gc.isenabled()
            raise KeyError
        assert gc.isenabled() == was_on
    finally:
        gc.enable()


def test_nothing_is_collected_while_rows_are_read(start, monkeypatch):
    done, seen = start(limit=4), []
    mark, whole = stored.mark, StoredRow.row
    monkeypatch.setattr(stored, "mark", lambda *of: seen.append(gc.isenabled()) or mark(*of))
    monkeypatch.setattr(StoredRow, "row", lambda row: seen.append(gc.isenabled()) or whole(row))
    assert len(load_run(done.path).rows) == 4
    assert seen == [False] * 8 and gc.isenabled()


@pytest.mark.parametrize("words", [["compare", "gold", "faults"], ["report", "gold"]])
def test_a_command_that_reads_many_rows_looks_for_circles_only_afterwards(words, start, tmp_path, monkeypatch):
    for model in ("gold", "faults"):
        start(limit=4, model=model, out=str(tmp_path / model))
    monkeypatch.chdir(tmp_path)
    seen = []
    for module in (comparison_page, run_page):
        draw = module.render_page
        monkeypatch.setattr(
            module, "render_page", lambda *a, draw=draw, **kw: seen.append(gc.isenabled()) or draw(*a, **kw)
        )
    with pytest.raises(SystemExit) as ended:
        main([*words, "--html", "page.html"])
    assert ended.value.code == 0
    assert seen == [False] and gc.isenabled()
