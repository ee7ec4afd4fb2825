"""A run on disk, read back: manifest, rows, and metrics recomputed from all rows every time."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, groupby, islice, starmap
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field
from pydantic_core import from_json

from listeval.disk import read_regular, write_atomic
from listeval.errors import UserError, first_line
from listeval.plugins.blame import blame
from listeval.runs.collector import collector_paused
from listeval.runs.completing import completing
from listeval.runs.config import WITHOUT_MODEL, RunConfig
from listeval.runs.damage import located
from listeval.runs.fields import MOST, recorded
from listeval.runs.figures.order_figures import OrderEffect, is_shuffled, order_effect
from listeval.runs.ledger import FILE, is_lost, lost
from listeval.runs.manifest import Manifest, read_manifest
from listeval.runs.metrics import Summary, summarise
from listeval.runs.notices import notices
from listeval.runs.places import holds, ranges_of
from listeval.runs.reask import written
from listeval.runs.row_decoder import Shape
from listeval.runs.rows import Row
from listeval.runs.scope import planned
from listeval.runs.stored_row import JudgedRow, StoredRow, digest
from listeval.runs.stored_rows import StoredRows, StrayRow, read_stored
from listeval.runs.token_counts import total, written_tokens
from listeval.stats.intervals import Interval
from listeval.task import Appendix, Metric, Task

if TYPE_CHECKING:
    import pandas
    from datasets import Dataset

_OURS = ("manifest.json", "samples.jsonl", "metrics.json", FILE)

_MANY_TEXTS = 256 * 2**20
"""Bytes of `samples.jsonl` above which figures are made without its texts in memory: rows take twice that there."""

_Known = Annotated[float, Field(allow_inf_nan=False, ge=-MOST, le=MOST)] | None


class _Estimate(BaseModel):
    """A figure with its interval, as `metrics.json` has it."""

    value: _Known
    low: _Known
    high: _Known

    @property
    def interval(self) -> Interval:
        return Interval(*(math.nan if end is None else end for end in (self.value, self.low, self.high)))


class _StoredMetrics(BaseModel):
    """The part of `metrics.json` that does not follow from the rows alone, and what says which rows it is of."""

    n: int | None = None
    scored: int | None = None
    unscored: int | None = None
    errors: int | None = None
    kinds: dict[str, int] = {}
    rows_digest: str | None = None
    """As `digest`; absent in files from before it was noted, of which the counts have to tell."""
    figures: dict[str, _Known] = {}
    order: dict[str, _Estimate | list[_Estimate]] = {}
    files: list[str] = []


@dataclass(frozen=True, repr=False)
class Run:
    """A run directory and its manifest. Rows and summary are read on first use."""

    path: Path
    manifest: Manifest

    def __repr__(self) -> str:
        made = self.manifest
        words = f"task={made.task.name!r}, model={made.model.title!r}, constraint={made.constraint!r}"
        return f"Run({str(self.path)!r}, {words})"

    def _repr_html_(self) -> str:
        """What a notebook shows: the figures with their intervals, and what they are over."""
        from listeval.runs.figures import as_text, words
        from listeval.runs.figures.html_table import html_table

        found = self.summary.metrics.items()
        rows = [
            (words.title(name), as_text.interval(name, value), words.population(name, self.summary, self.metrics))
            for name, value in found
        ]
        return html_table(f"{self!r}: {words.counts(self.summary)}", ("figure", "95 % interval", "over"), rows)

    def frame(self) -> pandas.DataFrame:
        """One row a sample: `id`, `seed`, `outcome`, `kind`, `flags`, a column a metric, `prompt`, `text` and more.

        A score is NaN where an answer has none: broken contracts and unscored samples are not zeros. A metric that is
        called as another column is has `score_` before its name. Raises UserError where pandas is not installed.
        """
        from listeval.runs.data_frames import data_frame
        from listeval.runs.row_columns import table

        return data_frame(table([self]))

    def dataset(self) -> Dataset:
        """The same columns as a Dataset of `datasets`; `value` and `target` are JSON text. Raises UserError."""
        from listeval.runs.data_frames import dataset

        return dataset(self)

    @cached_property
    def rows(self) -> list[Row]:
        """The latest row of every sample that the configuration asks for, by seed and place.

        The order is the data's, not that of arrival, so sums are the same however a run was interrupted.
        """
        stored = self.stored
        with located([self.path]):
            return _decoded(stored)

    @cached_property
    def stored(self) -> list[StoredRow]:
        """`rows` as their lines have them, which is quicker to read where few prompts and targets are looked at."""
        return _asked_for(self.manifest.config, self._whole.rows.values())

    @property
    def hidden(self) -> int:
        """How many samples of an earlier, larger configuration the rows leave out."""
        return len(self._light.rows) - len(self.judged)

    @cached_property
    def without_row(self) -> int:
        """How many samples that were asked for have no row: of a run that was killed, or is still being made."""
        whole = planned(self.manifest.config, self.manifest.data)
        if whole is None:
            return lost(self.path, self.manifest.created, self._light.rows.values())
        return max(0, whole - len(self.judged))

    @property
    def strays(self) -> list[StrayRow]:
        """Lines that are whole rows but not of this run; no figure counts them."""
        return self._light.strays

    @property
    def lost_ledger(self) -> str:
        """What to say of a run whose ledger is gone; empty where it is there, or never was."""
        if not is_lost(self.path, self.manifest):
            return ""
        fix = completing(self.path, self.manifest.config)
        return f"its ledger is lost, so a row of another run may count: `{fix}` makes it anew"

    @property
    def every(self) -> list[Row]:
        """The latest row of every sample, whatever the configuration asks for now, in the order of the file."""
        stored = self._whole.rows.values()
        with located([self.path]):
            return _decoded(stored)

    @cached_property
    def _whole(self) -> StoredRows[StoredRow]:
        return read_stored(self.path, self.manifest, StoredRow)

    @cached_property
    def _light(self) -> StoredRows[StoredRow] | StoredRows[JudgedRow]:
        """The rows, without their texts where these are many: no figure of the run needs them."""
        if "_whole" in vars(self) or _size(self.path / "samples.jsonl") < _MANY_TEXTS:
            return self._whole
        return read_stored(self.path, self.manifest, JudgedRow)

    @cached_property
    def judged(self) -> Sequence[JudgedRow]:
        """What all figures of the run are made from, in the order of `rows`."""
        light = self._light
        whole = light is vars(self).get("_whole")
        return self.stored if whole else _asked_for(self.manifest.config, light.rows.values())

    @cached_property
    def summary(self) -> Summary:
        """Rates, metrics with intervals, the failure table and the verdicts."""
        task, asks_again = self.manifest.task, self.manifest.config.attempts > 1
        return summarise(self.judged, self.metrics, task.verdicts, asks_again=asks_again, has_ids=task.has_ids)

    @property
    def metrics(self) -> list[Metric]:
        """What the task scored the rows by."""
        return [entry.metric for entry in self.manifest.task.metrics]

    @cached_property
    def notices(self) -> list[str]:
        """Where the answers contradict what the run asked for, and figures that are not shown."""
        found = notices(self.manifest, self.judged)
        if self.lost_ledger:
            found.append(self.lost_ledger)
        if self.is_outdated:
            found.append(f"figures over the whole run are of earlier rows, so not shown: listeval score {self.path}")
        return found

    @cached_property
    def figures(self) -> dict[str, float | None]:
        """What the task's appendix found over the whole run; empty while `metrics.json` is not of these rows."""
        return dict(self._current.figures)

    @cached_property
    def order(self) -> OrderEffect | None:
        """What the order of the items did, for a run with `order=shuffled`; None for others, and as with `figures`."""
        kept = self._current.order
        figures = {name: value.interval for name, value in kept.items() if isinstance(value, _Estimate)}
        places = [one.interval for value in kept.values() if isinstance(value, list) for one in value]
        return OrderEffect(figures, places) if kept else None

    @property
    def estimates(self) -> dict[str, Interval]:
        """`figures` with their intervals; the ends are NaN where a figure has none."""
        known = {} if self.order is None else self.order.figures
        alone = {name: Interval(math.nan if x is None else x, math.nan, math.nan) for name, x in self.figures.items()}
        return alone | {name: known[name] for name in alone.keys() & known.keys()}

    @property
    def is_concluded(self) -> bool:
        """Whether `metrics.json` is of the rows as they are now. Raises UserError where it is damaged."""
        return self._is_of_rows(self._metrics())

    @property
    def is_outdated(self) -> bool:
        """Whether `metrics.json` keeps an appendix's figures that are not of the rows as they are now."""
        try:
            kept = self._metrics()
        except UserError:
            return False  # Whoever asks for its figures is told.
        return bool(kept.figures or kept.order) and not self._is_of_rows(kept)

    @cached_property
    def _current(self) -> _StoredMetrics:
        """What `metrics.json` keeps, where it is of these rows."""
        kept = self._metrics()
        vouched = not (kept.figures or kept.order) or self._is_of_rows(kept)
        return kept if vouched else _StoredMetrics()

    def _is_of_rows(self, kept: _StoredMetrics) -> bool:
        if kept.n != len(self.judged):
            return False
        if kept.rows_digest is not None:
            return kept.rows_digest == digest(self.judged)
        now = self.summary
        if (kept.scored, kept.unscored, kept.errors) != (now.scored, now.unscored, now.errors):
            return False
        # A kind that is newer than the file has no row.
        return +Counter(kept.kinds) == +Counter(now.kinds)

    def _metrics(self) -> _StoredMetrics:
        """What is read of `metrics.json`; empty where it is not there. Raises UserError where it is damaged."""
        path = self.path / "metrics.json"
        try:
            return _StoredMetrics.model_validate(from_json(read_regular(path)))
        except FileNotFoundError:
            return _StoredMetrics()
        except OSError as error:
            raise UserError(f"cannot be read: {error.strerror}", place=str(path), fix="check the file") from None
        except ValueError as error:
            # pydantic's ValidationError too; the figures follow from the rows.
            fix = f"`listeval score {self.path}` makes it anew from the rows"
            raise UserError(f"metrics.json is damaged: {first_line(error)}", place=str(path), fix=fix) from None

    @property
    def tokens_per_second(self) -> float | None:
        """Generated tokens over generation time, all finished attempts together.

        None before one finished, where no model generates, and where the tokens of an answer are unknown.
        """
        if self.manifest.backend.name in WITHOUT_MODEL or not self._tells_tokens:
            return None
        seconds = sum(a.seconds for a in self.manifest.attempts)
        return round(sum(a.tokens for a in self.manifest.attempts) / seconds, 1) if seconds else None

    @cached_property
    def _tells_tokens(self) -> bool:
        """Whether the generated tokens of every answer are known."""
        answers = ((one.kind, one.n_tokens, one.n_prompt_tokens) for one in self.judged)
        tried = (written(one) for row in self.judged for one in row.attempts or ())
        return total(chain(starmap(written_tokens, answers), tried)) is not None

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints: one object, metric names as in the task."""
        audit = self.manifest.audit
        return {
            "task": self.manifest.task.name,
            "model": self.manifest.model.title,
            "backend": self.manifest.backend.name,
            "constraint": self.manifest.identity.get("constraint", "none"),
            "spacing": audit.spacing.model_dump() if audit is not None and audit.spacing is not None else None,
            **self.summary.to_json(),
            "left_out": len(self.strays),
            "figures": self.figures,
            **({} if self.order is None else {"order": self.order.to_json()}),
            "tokens_per_second": self.tokens_per_second,
            "notices": self.notices,
            "run": str(self.path),
        }

    def conclude(self, task: Task) -> None:
        """Replace `metrics.json` and the files of the task's appendix; a function of the rows alone.

        Raises UserError where the task's appendix does; the metrics are written all the same.
        """
        files: dict[str, bytes] = {}
        figures: dict[str, float | None] = {}
        order: OrderEffect | None = None
        try:
            with blame(task, "has no appendix", fix=f"correct the task, then `listeval score {self.path}`"):
                # Where the task has none of its own, no row is read for it.
                appendix = Appendix() if type(task).appendix is Task.appendix else task.appendix(self.rows)
                files = {_plain(name): text.encode() for name, text in appendix.files.items()}
                effect = order_effect(task, self.rows) if is_shuffled(task) else None
                own = {} if effect is None else {name: x.value for name, x in effect.figures.items()}
                figures = {name: _figure(name, x) for name, x in {**own, **appendix.figures}.items()}
                order = _within(effect)
        finally:
            metrics = self.summary.to_json() | {"figures": figures, "files": sorted(files)}
            metrics |= {} if order is None else {"order": order.to_json()}
            metrics["rows_digest"] = digest(self.judged)
            for stale in set(self._files_before()) - files.keys():
                (self.path / stale).unlink(missing_ok=True)
            for name, data in files.items():
                write_atomic(self.path / name, data)
            write_atomic(self.path / "metrics.json", json.dumps(metrics, indent=1).encode())

    def _files_before(self) -> list[str]:
        """Files of an earlier appendix; none where nobody can tell any more, and none that an appendix cannot have."""
        try:
            return [name for name in self._metrics().files if _is_plain(name)]
        except UserError:
            return []


def _figure(name: str, value: float) -> float | None:
    try:
        return recorded(value)
    except ValueError as error:
        raise ValueError(f"its figure '{name}': {error}") from None


def _within(effect: OrderEffect | None) -> OrderEffect | None:
    """The same, whose numbers `metrics.json` can hold. Raises ValueError."""
    if effect is not None:
        for one in (*effect.figures.values(), *effect.places):
            for end in one:
                _figure("order", end)
    return effect


@collector_paused()
def _decoded(rows: Iterable[StoredRow]) -> list[Row]:
    return [row.row() for row in rows]


def _size(path: Path) -> int:
    """Bytes of a file; 0 where there is none to be read, which reading it will say."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _asked_for(config: RunConfig, found: Iterable[Shape]) -> list[Shape]:
    """Those of the latest rows that `config` asks for, by seed and place."""
    wanted = set(config.samples)
    # By place and then, in a stable sort, by seed: tuples of both would be as many objects for the collector.
    rows = sorted(sorted(found, key=attrgetter("index")), key=attrgetter("seed"))
    rows = [row for row in rows if row.seed in config.seeds and (not wanted or row.example in wanted)]
    if config.places is not None:
        asked = {seed: ranges_of(places) for seed, places in config.places.items()}
        rows = [row for row in rows if holds(asked[row.seed], row.index)]
    if config.limit is None:
        return rows
    if not wanted:
        return [row for row in rows if row.index < config.limit]
    by_seed = groupby(rows, key=attrgetter("seed"))
    return [row for _, of_seed in by_seed for row in islice(of_seed, config.limit)]


def _plain(name: str) -> str:
    """`name`, if it is a file name of its own in the run's directory. Raises ValueError."""
    if not _is_plain(name):
        raise ValueError(f"an appendix cannot be called '{name}'")
    return name


def _is_plain(name: str) -> bool:
    return (
        bool(name) and Path(name).name == name and not name.startswith(".") and "\0" not in name and name not in _OURS
    )


def load_run(path: str | Path) -> Run:
    """Open a run directory. Raises UserError where it is none."""
    directory = Path(path)
    return Run(directory, read_manifest(directory))
