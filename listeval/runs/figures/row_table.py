"""Rows turned on their side, once: what all figures of rows are made from.

Rows lie scattered in memory: to look at each again for every figure takes far longer than what is done with the values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from listeval.contract import Kind
from listeval.runs.reask import SampleAttempt, read, written
from listeval.runs.stored_row import JudgedRow
from listeval.runs.token_counts import read_tokens, total, written_tokens
from listeval.stats.intervals import Floats

KINDS = tuple(kind.value for kind in Kind)
ABSENT = len(KINDS)
"""Stands in `kinds` where there is no row."""
_CODES: Mapping[str, int] = {kind: at for at, kind in enumerate(KINDS)}
_OK, _MISSING = _CODES[Kind.OK], _CODES[Kind.MISSING_ID]
_NOTHING: tuple[Any, ...] = ("", 0, None, {}, -1, 0, None, (), None)
"""The fields of no row."""
_FIELDS = attrgetter(
    "kind", "missing", "bare", "scores", "n_tokens", "n_prompt_tokens", "masked", "flags", "attempts"
)  # fmt: skip


@dataclass(frozen=True)
class RowTable:
    """(n,) each, of the same n rows in their order."""

    kinds: NDArray[np.uint8]
    """Places in `KINDS`, `ABSENT` where there is no row."""
    missing: NDArray[np.int64]
    """Ids that the answer lacks."""
    bare: Floats
    """1 where the text is the JSON itself, else 0; NaN where that is not known."""
    judged: NDArray[np.bool_]
    """Whether the row has scores of its own, be they undefined."""
    scores: Mapping[str, Floats]
    """By every metric that any row has; NaN where a row has no score."""
    tokens: Floats
    """Generated tokens of the last answer; NaN where they are unknown, -1 where there is no row."""
    spent: Floats
    """Generated tokens of all attempts; NaN where those of one are unknown."""
    prompt_spent: Floats
    """Prompt tokens of all attempts; NaN where those of one are unknown."""
    masked: Floats
    """Mean probability mass that a constraint took away from a step; NaN where unknown."""
    flags: Sequence[Sequence[str]]

    @classmethod
    def of(cls, rows: Sequence[JudgedRow | None]) -> RowTable:
        """The table of rows, None where there is none."""
        found = [_NOTHING if row is None else _FIELDS(row) for row in rows]
        columns = zip(*found, strict=True) if found else [()] * len(_NOTHING)
        kinds, missing, bare, given, tokens, asked, masked, flags, attempts = columns
        last_written = list(map(written_tokens, kinds, tokens, asked))
        last_read = list(map(read_tokens, kinds, asked))
        # None becomes NaN.
        return cls(
            kinds=np.array([_CODES.get(kind, ABSENT) for kind in kinds], dtype=np.uint8),
            missing=np.array(missing, dtype=np.int64),
            bare=np.array(bare, dtype=np.float64),
            judged=np.array(list(map(bool, given)), dtype=bool),
            scores=_scores(given),
            tokens=np.array(last_written, dtype=np.float64),
            spent=_of_all_attempts(last_written, attempts, written),
            prompt_spent=_of_all_attempts(last_read, attempts, read),
            masked=np.array(masked, dtype=np.float64),
            flags=flags,
        )

    def __len__(self) -> int:
        return len(self.kinds)

    @property
    def parsed(self) -> NDArray[np.bool_]:
        """(n,): the answer keeps its contract."""
        ok: NDArray[np.bool_] = self.kinds == _OK
        return ok

    @property
    def lacks_one(self) -> NDArray[np.bool_]:
        """(n,): all ids real, exactly one missing."""
        one: NDArray[np.bool_] = (self.kinds == _MISSING) & (self.missing == 1)
        return one

    def counts(self) -> dict[str, int]:
        """How many rows are of each kind, zeros included."""
        return dict(zip(KINDS, np.bincount(self.kinds, minlength=ABSENT + 1).tolist(), strict=False))


def _of_all_attempts(
    last: Sequence[int | None],
    attempts: Sequence[Sequence[SampleAttempt] | None],
    took: Callable[[SampleAttempt], int | None],
) -> Floats:
    """What each sample took, whose `last` attempt took that; None becomes NaN."""
    if not any(attempts):
        return np.array(last, dtype=np.float64)
    tried = zip(last, attempts, strict=True)
    return np.array([total(map(took, own)) if own else n for n, own in tried], dtype=np.float64)


def _scores(given: Sequence[Mapping[str, float | None]]) -> dict[str, Floats]:
    names = list(dict.fromkeys(chain.from_iterable(given)))
    # Row by row, since what one row was given lies together.
    values = [own.get(name) for own in given for name in names]
    table = np.array(values, dtype=np.float64).reshape(len(given), len(names))
    return dict(zip(names, np.ascontiguousarray(table.T), strict=True))
