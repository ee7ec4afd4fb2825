"""Which rows of several runs answer the same question, and why the others are left out.

Rows are joined on (example, seed). A pair needs the same target (ids, labels, K) and the same prompt. Chat templates
differ between models, so a rendered prompt may differ where task, options, system turn and data are the same: the
messages are the same then. Everything that is not paired is counted with its reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import starmap
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from listeval.comparison.arms import Arm
from listeval.errors import UserError
from listeval.runs.damage import located
from listeval.runs.figures.row_table import RowTable
from listeval.runs.file_contents import same_task, without_paths
from listeval.runs.stored_row import StoredRow
from listeval.stats.intervals import cluster_index


class Key(NamedTuple):
    """What two rows are joined on."""

    example: str
    seed: int


@dataclass(frozen=True)
class Pairing:
    """The samples that every arm answered, in the baseline's order, and what was left out."""

    keys: Sequence[Key]
    rows: Sequence[Sequence[StoredRow]]
    """(arms, samples)"""
    tables: Sequence[RowTable]
    """Of each arm's rows."""
    clusters: NDArray[np.intp]
    """(samples,): the number of each one's cluster."""
    left_out: dict[str, int]
    """Reason -> samples, zeros left out."""
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def n_clusters(self) -> int:
        """Independent units: examples, or what several of them share."""
        return int(self.clusters.max()) + 1

    @property
    def seeds(self) -> list[int]:
        """Seeds of the paired samples."""
        return sorted({key.seed for key in self.keys})


def pair(arms: Sequence[Arm], *, across_prompts: bool = False) -> Pairing:
    """Join the arms; `across_prompts` keeps pairs whose prompts differ.

    Raises UserError where the runs are of different tasks, share no example, or share none that can be paired.
    """
    for arm in arms[1:]:
        _refuse_other_task(arms[0], arm)
    with located([arm.run.path for arm in arms]):
        return _paired(arms, across_prompts)


def _paired(arms: Sequence[Arm], across_prompts: bool) -> Pairing:
    tables = [{(row.example, row.seed): row for row in arm.rows} for arm in arms]
    everywhere = set(tables[0]).intersection(*tables[1:])
    if not everywhere:
        raise _nothing_shared(arms, tables)
    views = [_View.of(arm) for arm in arms]
    kept: list[tuple[str, int]] = []
    left_out: dict[str, int] = {}
    for arm, table in zip(arms, tables, strict=True):
        _count(left_out, f"not in every run (in {arm.name})", len(table) - len(everywhere))
    for key in (key for key in tables[0] if key in everywhere):
        rows = [table[key] for table in tables]
        reason = _unlike(rows, views, across_prompts) or _unanswered(rows, arms)
        if reason:
            _count(left_out, reason, 1)
        else:
            kept.append(key)
    if not kept:
        reasons = "; ".join(f"{reason}: {n}" for reason, n in left_out.items())
        fix = "compare runs of the same task options" + (", or add --across-prompts" if "prompt" in reasons else "")
        raise UserError(f"no sample can be paired ({reasons})", place=str(arms[1].run.path), fix=fix)
    paired = [[table[key] for key in kept] for table in tables]
    clusters = cluster_index([row.unit for row in paired[0]], len(kept))
    tables_of_paired = [RowTable.of(rows) for rows in paired]
    keys = list(starmap(Key, kept))
    return Pairing(keys, paired, tables_of_paired, clusters, left_out, _notes(arms, paired, views))


class _Rendering(NamedTuple):
    """What turns one example's messages into one prompt."""

    tokenizer: Any
    template: Any
    backend: str
    arguments: tuple[Any, ...]
    """What the template is told: whether to think, and whatever else."""


class _View(NamedTuple):
    """What decides how a run's prompts come about: from what, and rendered how."""

    task: dict[str, Any]
    """Its name, code and options: besides the data and the system turn, what an example's messages are made of."""
    system: Any
    data: dict[str, str]
    """Fingerprints by seed."""
    rendering: _Rendering

    @classmethod
    def of(cls, arm: Arm) -> _View:
        manifest = arm.run.manifest
        identity = manifest.identity
        data = {seed: entry.fingerprint for seed, entry in manifest.data.items()}
        model = identity.get("model", {})
        rendering = _Rendering(
            tokenizer=model.get("tokenizer"),
            template=model.get("template"),
            backend=manifest.backend.name,
            arguments=(identity.get("enable_thinking"), identity.get("chat_template_arg")),
        )
        task = without_paths(identity.get("task", {}), manifest.task.files)
        return cls(task, identity.get("system"), data, rendering)

    def same_messages(self, other: _View, seed: int) -> bool:
        """Whether both render the same messages for one example of this seed."""
        data = [view.data.get(str(seed)) for view in (self, other)]
        same = self.system == other.system and same_task(self.task, other.task)
        return same and data[0] == data[1] and data[0] is not None

    def rendered_otherwise(self, other: _View) -> str:
        """What makes two prompts of the same messages, in words."""
        own, others = (view.rendering._replace(arguments=()) for view in (self, other))
        return "other arguments to the chat template" if own == others else "another chat template"


def _unlike(rows: Sequence[StoredRow], views: Sequence[_View], across_prompts: bool) -> str:
    """Why rows of one key are not answers to one question; empty where they are."""
    first = rows[0]
    for row, view in zip(rows[1:], views[1:], strict=True):
        if not row.same_target(first):
            return "different target (K, ids or labels)"
        if across_prompts or row.same_prompt(first):
            continue
        rendered_alike = view.rendering == views[0].rendering
        if rendered_alike or not view.same_messages(views[0], first.seed):
            return "different prompt"
    return ""


def _unanswered(rows: Sequence[StoredRow], arms: Sequence[Arm]) -> str:
    """Which row is no scored answer, and why; empty where all are."""
    for row, arm in zip(rows, arms, strict=True):
        if row.outcome != "scored":
            return f"{row.outcome} in {arm.name}"
    return ""


def _refuse_other_task(base: Arm, arm: Arm) -> None:
    names = [a.run.manifest.task.name for a in (base, arm)]
    if names[0] != names[1]:
        cause = f"the runs are of different tasks: {names[0]} and {names[1]}"
        raise UserError(cause, place=str(arm.run.path), fix="compare runs of one task")


def _nothing_shared(arms: Sequence[Arm], tables: Sequence[Mapping[tuple[str, int], StoredRow]]) -> UserError:
    """Names the first run that has nothing in common with the baseline, and what differs."""
    at = next((at for at, table in enumerate(tables) if at and not tables[0].keys() & table.keys()), 1)
    seeds = [sorted({seed for _, seed in table}) for table in (tables[0], tables[at])]
    sources = [next(iter(arm.run.manifest.data.values())).source for arm in (arms[0], arms[at])]
    why = ""
    if not set(seeds[0]) & set(seeds[1]):
        why = f": seeds {seeds[0]} and {seeds[1]}"
    elif sources[0] != sources[1]:
        why = f": their data are {sources[0]} and {sources[1]}"
    fix = "run both on the same --data with the same --seeds, --limit and task options"
    return UserError(f"the runs share no example{why}", place=str(arms[at].run.path), fix=fix)


def _notes(arms: Sequence[Arm], rows: Sequence[Sequence[StoredRow]], views: Sequence[_View]) -> list[str]:
    """What a reader must know of the pairs that were made."""
    notes = [f"{arm.name}: {arm.run.lost_ledger}" for arm in arms if arm.run.lost_ledger]
    for arm, own, view in zip(arms[1:], rows[1:], views[1:], strict=True):
        differ = sum(not a.same_prompt(b) for a, b in zip(rows[0], own, strict=True))
        if differ:
            same = view.same_messages(views[0], own[0].seed)
            how = f"same messages, {view.rendered_otherwise(views[0])}"
            why = how if same else "another prompt, kept by --across-prompts"
            notes.append(f"{arm.name}: {differ} rendered prompts differ ({why})")
        if view.data != views[0].data:
            notes.append(f"{arm.name}: the data's fingerprint differs; targets and prompts of the pairs are equal")
        if not same_task(_scored_by(arm), _scored_by(arms[0])):
            notes.append(f"{arm.name}: the task's code or options differ; `listeval score` brings runs to one code")
    return notes


def _scored_by(arm: Arm) -> dict[str, Any]:
    """The task's code and options behind the scores that stand in the rows now."""
    return arm.run.manifest.task.behind_rows()


def _count(counts: dict[str, int], reason: str, n: int) -> None:
    if n:
        counts[reason] = counts.get(reason, 0) + n
