"""Runs written for other tools: tables, and the logs and records of those who read evaluations. Computes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from listeval.errors import UserError

if TYPE_CHECKING:
    from listeval.runs.store import Run

FORMATS = ("csv", "parquet", "inspect", "lm-eval", "eee", "hf-eval-results", "model-index")
_FOLDER = "lm-eval"
"""The one format that is a folder of files."""


def export(run: Run, form: str, out: Path, *, dataset: str = "") -> Sequence[Path]:
    """Write `run` in the format `form` to `out` and name the files; `dataset` is the hub's data set that it is of.

    A file of that name is replaced. Raises UserError where `out` cannot be written or lies in the run's directory,
    where a package is missing, and where the run has nothing that the format could hold. ValueError for an unknown
    format.
    """
    _check_place(run, form, out)
    if form in ("csv", "parquet"):
        from listeval.export.row_tables import write_csv, write_parquet

        return (write_csv if form == "csv" else write_parquet)(run, out)
    if form == "inspect":
        from listeval.export.inspect_log import write_inspect

        return write_inspect(run, out)
    if form == _FOLDER:
        from listeval.export.lm_eval import write_lm_eval

        return write_lm_eval(run, out)
    if form == "eee":
        from listeval.export.eee import write_eee

        return write_eee(run, out)
    if form in ("hf-eval-results", "model-index"):
        from listeval.export.model_card import write_eval_results, write_model_index

        return (write_eval_results if form == "hf-eval-results" else write_model_index)(run, out, dataset)
    raise ValueError(f"unknown format '{form}'")


def _check_place(run: Run, form: str, out: Path) -> None:
    """An export never takes the place of a run's own file, nor of anything that is no file."""
    inside = run.path.resolve()
    if inside in (out.resolve(), *out.resolve().parents):
        fix = "name a place outside of it"
        raise UserError("an export stands beside the run, not in its directory", place=str(out), fix=fix)
    if form == _FOLDER:
        if out.exists() and not out.is_dir():
            raise UserError("lm-eval's output is a folder, and this is a file", place=str(out), fix="name a folder")
    elif out.is_dir() or not out.parent.is_dir():
        cause = "is a folder" if out.is_dir() else "its folder does not exist"
        raise UserError(f"cannot write the export: {cause}", place=str(out), fix="name a file in a folder that exists")
