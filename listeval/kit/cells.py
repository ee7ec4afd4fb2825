"""Values of a table's cells: what says that there is none, whatever wrote the table.

JSON has null, CSV an empty cell, pandas NaN, NaT or None, Parquet null; and any of them may have become text on the
way. In a field of numbers or ids such a text stands for a missing value; in a field of text it is text.
"""

from __future__ import annotations

from typing import Any

_SPELLED = frozenset({"", "nan", "-nan", "nat", "none", "null", "nil", "<na>", "n/a", "#n/a", "#n/a n/a", "#na"})
_SPELLED |= {"1.#qnan", "-1.#qnan", "1.#ind", "-1.#ind", "\\n"}
"""As pandas, R, spreadsheets and dumps of data bases (`\\N`) write it, case folded."""
_NO_NUMBER = _SPELLED | {"na", "-", "--", "—"}


def is_missing(value: Any) -> bool:
    """Whether a value of any field is none: null, NaN, NaT."""
    return value is None or bool(value != value)


def is_missing_id(value: Any) -> bool:
    """As `is_missing`, or text that spells it, such as `nan`."""
    return is_missing(value) or (isinstance(value, str) and value.strip().casefold() in _SPELLED)


def is_missing_number(value: Any) -> bool:
    """As `is_missing`, or text that spells it, such as `nan`, `NA` or `-`."""
    return is_missing(value) or (isinstance(value, str) and value.strip().casefold() in _NO_NUMBER)
