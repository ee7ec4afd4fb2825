"""The table by field path of a whole run: how often each field was expected, given, right, wrong, left out, made up."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence

from listeval import Kind, Row

from .leaves import Path, Rule, compare_leaves, path_text

COLUMNS = ("expected", "present", "right", "wrong", "omitted", "invented")


def field_table(rows: Sequence[Row], rule: Rule) -> str:
    """CSV over the labelled answers that kept their contract; elements of a list are one field. Sorted by path.

    `expected` is `right` + `wrong` + `omitted`; `present` is `right` + `wrong`, the expected ones that were given.
    """
    counts: Counter[tuple[str, str]] = Counter()
    fields: set[str] = set()
    for row in rows:
        if row["outcome"] != "scored" or row["kind"] != Kind.OK or not row["target"]["labelled"]:
            continue
        found = compare_leaves(row["target"]["expected"], row["value"], rule)
        for name, paths in found._asdict().items():
            counts.update((field, name) for field in _fields(paths, fields))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("path", *COLUMNS))
    for field in sorted(fields):
        right, wrong, omitted, invented = (counts[field, name] for name in ("right", "wrong", "omitted", "invented"))
        table.writerow((field, right + wrong + omitted, right + wrong, right, wrong, omitted, invented))
    return text.getvalue()


def _fields(paths: Iterable[Path], seen: set[str]) -> list[str]:
    found = [path_text(path, positions=False) for path in paths]
    seen.update(found)
    return found
