"""Frames, data sets, CSV and Parquet hold the rows as they are, and nothing missing as a zero."""

import csv
import io
import json
import math
import subprocess
import sys

import pytest

import listeval
from listeval.errors import UserError
from listeval.export import export
from listeval.runs.joint_frame import opened
from listeval.runs.row_columns import table
from listeval.task import Metric
from tests.export.conftest import ODD


def test_a_frame_has_a_row_a_sample_with_scores_as_columns(mixed):
    frame = mixed.frame()
    assert len(frame) == 24 and frame["id"].tolist() == [row["example"] for row in mixed.rows]
    for name in ("kendall_tau", "ndcg@1", "mae"):
        column = [row["scores"].get(name) for row in mixed.rows]
        assert frame[name].dtype == "float64"
        assert frame[name].isna().tolist() == [score is None for score in column]
        assert frame[name].mean() == pytest.approx(mixed.summary.metrics[name].value)
    assert frame["kind"].tolist() == [row["kind"] for row in mixed.rows]
    assert frame.loc[frame["outcome"] == "error", "error"].tolist() == ["no memory"]
    assert frame["target"].tolist() == [row["target"] for row in mixed.rows]
    assert ODD in frame["text"].tolist()


def test_unscored_and_failed_answers_have_no_score(mixed):
    frame = mixed.frame()
    lost = frame[frame["outcome"] != "scored"]
    assert len(lost) == 2 and lost[["kendall_tau", "ndcg@1", "ndcg@8", "mae"]].isna().all(axis=None)


def test_several_runs_are_one_frame_that_says_whose_a_row_is(mixed, tmp_path):
    other = listeval.run(
        listeval.RunConfig(task="gsm8k", model="gold", backend="null", limit=3, out=str(tmp_path / "other"))
    )
    frame = listeval.frame([mixed, str(other.path)])
    assert frame.groupby("task").size().to_dict() == {"fashion": 24, "gsm8k": 3}
    assert frame.loc[frame["task"] == "gsm8k", "ndcg@1"].isna().all()
    assert list(frame.columns[:6]) == ["run", "task", "model", "backend", "constraint", "id"]
    assert listeval.frame(mixed.path).equals(listeval.frame([mixed]))
    assert list(listeval.frame([]).columns[:2]) == ["run", "task"]


def test_a_metric_that_is_called_like_a_column_keeps_both(mixed, monkeypatch):
    metrics = [Metric("text"), Metric("score_text"), Metric("kind")]
    monkeypatch.setattr(type(mixed), "metrics", property(lambda _: metrics))
    found = table([mixed])
    assert {"text", "score_text", "score_score_text", "score_kind"} <= set(found)
    assert found["text"].values == [row["text"] for row in mixed.rows]
    assert found["score_text"].holds == "number"


def test_a_data_set_has_the_same_rows(mixed):
    pytest.importorskip("datasets")
    found = mixed.dataset()
    assert found["id"][:] == [row["example"] for row in mixed.rows]
    assert [json.loads(target) for target in found["target"]] == [row["target"] for row in mixed.rows]


def test_csv_is_read_back_as_it_was(mixed, tmp_path):
    out = tmp_path / "a.csv"
    assert export(mixed, "csv", out) == [out]
    rows = list(csv.DictReader(io.StringIO(out.read_bytes().decode(), newline="")))
    assert [row["text"] for row in rows] == [row["text"] for row in mixed.rows]
    assert [row["ndcg@1"] for row in rows if row["outcome"] == "unscored"] == [""]
    assert [json.loads(row["target"]) for row in rows] == [row["target"] for row in mixed.rows]


def test_parquet_has_one_schema_whatever_the_rows_hold(mixed, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    gold = listeval.run(
        listeval.RunConfig(task="fashion", model="gold", backend="null", limit=3, out=str(tmp_path / "gold"))
    )
    for name, run in (("a", mixed), ("b", gold)):
        export(run, "parquet", tmp_path / name)
    one, other = (parquet.read_table(tmp_path / name) for name in "ab")
    assert one.schema == other.schema
    assert one["text"].to_pylist() == [row["text"] for row in mixed.rows]
    assert math.isclose(sum(x for x in one["mae"].to_pylist() if x is not None), mixed.frame()["mae"].sum())


def test_a_run_is_short_in_a_terminal_and_a_table_in_a_notebook(mixed):
    assert repr(mixed) == f"Run({str(mixed.path)!r}, task='fashion', model='noise', constraint='none')"
    page = mixed._repr_html_()
    assert "parse rate" in page and "24 samples: 22 scored, 1 unscored, 1 errors" in page


def test_what_a_notebook_shows_is_escaped(mixed):
    manifest = mixed.manifest.model_copy(deep=True)
    manifest.model.name = "<img src=x onerror=alert(1)>"
    assert "<img" not in listeval.Run(mixed.path, manifest)._repr_html_()


def test_without_pandas_it_is_one_line(mixed, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UserError, match=r"a frame needs the package 'pandas'"):
        mixed.frame()


def test_csv_needs_no_package_of_tables(mixed, tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\nfrom listeval.export import export\nfrom listeval import load_run\n"
        f"export(load_run({str(mixed.path)!r}), 'csv', Path({str(tmp_path / 'a.csv')!r}))\n"
        "print([m for m in ('pandas', 'pyarrow', 'datasets') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_opened_takes_runs_and_directories(mixed):
    assert [run.path for run in opened([mixed, mixed.path, str(mixed.path)])] == [mixed.path] * 3
