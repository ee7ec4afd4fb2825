"""A comparison as a pandas DataFrame (arms x figures with intervals), and as the table that a notebook shows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from listeval.runs.data_frames import data_frame
from listeval.runs.figures import as_text, words
from listeval.runs.figures.html_table import html_table
from listeval.runs.row_columns import ColumnType, TypedColumn

if TYPE_CHECKING:
    import pandas

    from listeval.comparison.result import Comparison, Contrast

_COLUMNS: dict[str, ColumnType] = {
    "arm": "text",
    "baseline": "truth",
    "figure": "text",
    "value": "number",
    "low": "number",
    "high": "number",
    "difference": "number",
    "difference_low": "number",
    "difference_high": "number",
    "p": "number",
    "p_holm": "number",
    "test": "text",
    "pairs": "number",
}


def comparison_frame(c: Comparison) -> pandas.DataFrame:
    """One row an arm and figure, in the order of arms and figures. Raises UserError where pandas is not installed."""
    lines = [
        {"arm": arm.name, "baseline": contrast is None, "figure": name, **value_ | _paired(contrast, name)}
        for (arm, contrast), values in zip(c.sides, c.values, strict=True)
        for name, value in values.items()
        for value_ in [value._asdict()]
    ]
    return data_frame({name: TypedColumn(holds, [line[name] for line in lines]) for name, holds in _COLUMNS.items()})


def _paired(contrast: Contrast | None, name: str) -> dict[str, Any]:
    found = None if contrast is None else contrast.differences.get(name)
    if contrast is None or found is None:
        blank = ("difference", "difference_low", "difference_high", "p", "p_holm", "pairs")
        return {"test": "", **dict.fromkeys(blank, math.nan)}
    change = found.difference
    return {
        "difference": change.value,
        "difference_low": change.low,
        "difference_high": change.high,
        "p": found.p,
        "p_holm": contrast.adjusted.get(name, math.nan),
        "test": found.test,
        "pairs": found.n,
    }


def headline_table(c: Comparison) -> str:
    """HTML: a line an arm, with the headline figures and their differences from the baseline."""
    rows = []
    for (arm, contrast), values in zip(c.sides, c.values, strict=True):
        cells = [arm.name]
        for name in c.headline:
            cells.append(as_text.interval(name, values[name]))
            cells.append("baseline" if contrast is None else _change(contrast, name))
        rows.append(cells)
    head = ["arm", *(cell for name in c.headline for cell in (words.title(name), f"change of {words.title(name)}"))]
    return html_table(f"{c.base.run.manifest.task.name}: {len(c.pairing.keys)} paired samples", head, rows)


def _change(contrast: Contrast, name: str) -> str:
    found = contrast.differences.get(name)
    return "" if found is None else as_text.change(name, found.difference) + as_text.points(name)
