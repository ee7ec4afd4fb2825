"""The table by field path of a whole run: how often a field was right, wrong, left out, made up, or broken."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from listeval import Kind, Row, Schema

from .broken import KINDS, broken_paths
from .leaves import Path, Rule, compare_leaves, path_text

COLUMNS = ("expected", "present", "right", "wrong", "omitted", "invented", *(kind.value for kind in KINDS))


def field_table(rows: Sequence[Row], rule: Rule, bind: Callable[[Any], Schema]) -> str:
    """CSV by field path, sorted; elements of a list are one field. `bind` gives a target's contract.

    The first six columns are over the labelled answers that kept their contract: `expected` is `right` + `wrong` +
    `omitted`; `present` is `right` + `wrong`, the expected ones that were given. The others are over the answers that
    broke it though they are JSON, labelled or not: how often a key was missing, unknown, or a value wrong there.
    """
    counts: Counter[tuple[str, str]] = Counter()
    fields: set[str] = set()
    for row in rows:
        if row["outcome"] != "scored":
            continue
        for path, kind in broken_paths(row, bind(row["target"])) if row["kind"] in KINDS else ():
            counts.update((field, kind.value) for field in _fields([path], fields))
        if row["kind"] == Kind.OK and row["target"]["labelled"]:
            found = compare_leaves(row["target"]["expected"], row["value"], rule)
            for name, paths in found._asdict().items():
                counts.update((field, name) for field in _fields(paths, fields))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("path", *COLUMNS))
    for field in sorted(fields):
        right, wrong, omitted, invented = (counts[field, name] for name in ("right", "wrong", "omitted", "invented"))
        broken = (counts[field, kind.value] for kind in KINDS)
        table.writerow((field, right + wrong + omitted, right + wrong, right, wrong, omitted, invented, *broken))
    return text.getvalue()


def _fields(paths: Iterable[Path], seen: set[str]) -> list[str]:
    found = [path_text(path, positions=False) for path in paths]
    seen.update(found)
    return found
