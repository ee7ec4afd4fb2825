"""Labelling from start to end: attempts, each a run of its own, until every text has a grade or none are left.

`DIR/attempt-1` asks for every text, greedily unless told otherwise. Each further attempt asks again for the texts
whose last answer broke the contract: with another seed, at a temperature of at least `RETRY_TEMPERATURE` (a greedy
judge would only repeat itself) and with twice the budget (half a thought does not parse either), up to
`MOST_BUDGET` times the first and as far as the judge's length goes. What the engine failed stays owed to its attempt,
and the same command goes on with it; with more attempts it goes on after those that are spent.

The directory is a store: rows are keyed by what the judge reads, not by file or place, so one judge is never paid
twice for a text under one rubric, whatever data it comes in. `labels.jsonl` holds all labels of the store.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from listeval.contract import Kind
from listeval.errors import UserError, first_line
from listeval.labelling.grading import Grading
from listeval.labelling.judge_server import Judge
from listeval.labelling.labels import Label, write_labels
from listeval.labelling.rubric import GRADE, Rubric
from listeval.runs.config import build_config
from listeval.runs.execute import run_task
from listeval.runs.manifest import has_rows, hash_json, read_manifest
from listeval.runs.observer import Observer
from listeval.runs.row_decoder import read_rows
from listeval.runs.rows import TOO_LONG, Row
from listeval.runs.store import Run, load_run
from listeval.task import Piece, Pieces

RETRY_TEMPERATURE = 0.7
MOST_BUDGET = 8
_SLACK = 16
"""Tokens that a chat template may add to what was counted before."""

Watching = Callable[[], AbstractContextManager[Observer]]
"""A fresh observer for each attempt."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """A judge, a rubric, and how hard to try. `wire` holds what else the run's configuration needs, by its names."""

    rubric: Rubric
    judge: Judge
    attempts: int
    temperature: float
    max_tokens: int
    wire: dict[str, Any]
    out: str | None = None

    @property
    def directory(self) -> Path:
        """`out`, or `labels/<rubric>-<model>-<hash>`: the same judge, rubric and sampling find their store again."""
        if self.out:
            return Path(self.out)
        parts = [self.rubric.digest, self.judge, self.temperature, self.max_tokens]
        return Path("labels") / f"{self.rubric.name}-{self.judge.short}-{hash_json(parts)[:8]}"

    def label(self, texts: Pieces, watching: Watching) -> dict[str, str]:
        """Ask for every grade that `texts` still lack; returns the request fields that the server did not take.

        Raises UserError for anything a user can put right; KeyboardInterrupt passes through. The answers so far
        are on disk either way.
        """
        left: Sequence[Piece] = texts.pieces
        left_out: dict[str, str] = {}
        for attempt in range(1, self.attempts + 1):
            with watching() as watch:
                if attempt > 1:
                    watch.note(f"attempt {attempt}: {len(left)} texts whose last answer broke the contract")
                _refuse_link(_attempt(self.directory, attempt))
                run = run_task(Grading(self.rubric, texts._replace(pieces=left)), self._config(attempt), watch)
            left_out |= run.manifest.backend.left_out
            broken = {row["example"] for row in run.rows if _is_broken(row, attempt)}
            left = [piece for piece in left if piece.key in broken]
            if not left:
                break
        return left_out

    def _config(self, attempt: int) -> Any:
        again = attempt > 1
        return build_config(
            {
                **self.wire,
                "task": Grading.name,
                "model": self.judge.model,
                "backend": "openai",
                "base_url": self.judge.url,
                "structured": True,
                "seeds": (attempt - 1,),
                "temperature": max(self.temperature, RETRY_TEMPERATURE) if again else self.temperature,
                "max_tokens": self._budget(attempt),
                "out": str(_attempt(self.directory, attempt)),
            }
        )

    def _budget(self, attempt: int) -> int:
        """Tokens of an answer: an attempt that has begun goes on as it did, a new one takes what there is room for."""
        if attempt == 1:
            return self.max_tokens
        if (_attempt(self.directory, attempt) / "manifest.json").exists():
            begun: int | None = read_manifest(_attempt(self.directory, attempt)).config.max_tokens
            return begun or self.max_tokens
        first = _attempt(self.directory, 1)
        doubled: int = self.max_tokens * min(2 ** (attempt - 1), MOST_BUDGET)
        length = read_manifest(first).model.max_length
        if not isinstance(length, int):
            return doubled
        longest = max((row["n_prompt_tokens"] for row in read_rows(first / "samples.jsonl")), default=0)
        return max(self.max_tokens, min(doubled, length - longest - _SLACK))

    def answers(self) -> Iterator[tuple[int, Row]]:
        """Every answer in the store with the attempt that asked for it, first attempts first."""
        for attempt, run in self.runs():
            for row in run.every:
                yield attempt, row

    def runs(self) -> Iterator[tuple[int, Run]]:
        """Every attempt in the store that has begun, as a run. Raises UserError where one is damaged."""
        attempt = 1
        while (path := _attempt(self.directory, attempt)).is_dir():
            _refuse_link(path)
            if os.path.lexists(path / "manifest.json") or has_rows(path):
                yield attempt, load_run(path)
            attempt += 1

    def labels(self) -> dict[str, Label]:
        """The label of every text in the store that has one: its first answer that kept the contract."""
        found: dict[str, Label] = {}
        for attempt, row in self.answers():
            if row["kind"] == Kind.OK:
                found.setdefault(row["example"], self._label(attempt, row))
        return found

    def write(self) -> Path:
        """Replace `labels.jsonl` by the labels of the store and return its path."""
        return write_labels(self.labels().values(), self.directory)

    def _label(self, attempt: int, row: Row) -> Label:
        """Raises UserError where the row's value is no set of grades, which only damage can make it."""
        try:
            grades = dict(row["value"])
            return Label(
                key=row["example"],
                product=row["target"]["product"],
                id=row["target"]["id"],
                grade=grades.pop(GRADE),
                criteria=grades,
                rubric=self.rubric.name,
                rubric_version=self.rubric.version,
                judge=str(self.judge),
                attempt=attempt,
            )
        except (ValueError, TypeError, KeyError) as error:
            cause = f"the grades of text '{row['example']}' are damaged: {first_line(error)}"
            fix = "delete its row from samples.jsonl; the same command asks for it again"
            raise UserError(cause, place=str(_attempt(self.directory, attempt)), fix=fix) from None


def _refuse_link(path: Path) -> None:
    """A store may come from elsewhere: its attempts are folders in it, not links that lead out of it."""
    if path.is_symlink():
        raise UserError(
            "a link, not a folder", place=str(path), fix="put the attempt itself there, or use another --out"
        )


def is_refused(row: Row, attempt: int) -> bool:
    """Whether a text has no room beside the budget of a first answer, which no further attempt makes smaller."""
    return row["reason"] == TOO_LONG and attempt == 1


def _is_broken(row: Row, attempt: int) -> bool:
    """Whether a text is to be asked for once more; also one that a retry refused for the budget that it asked for."""
    if row["reason"] == TOO_LONG:
        return not is_refused(row, attempt)
    return row["outcome"] == "scored" and row["kind"] != Kind.OK


def _attempt(directory: Path, number: int) -> Path:
    return directory / f"attempt-{number}"
