"""A row as its line has it: what figures are made from, and the texts that few readers look at still as JSON.

Most prompts, targets and values of a large run are only compared, or not looked at at all; as objects they would take
most of the time and of the memory that reading takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from operator import attrgetter
from typing import Any, cast

import msgspec
from msgspec import Raw

from listeval.contract.taxonomy import Kind
from listeval.errors import UserError, first_line
from listeval.runs.fields import Count, Name, Number, Seed, Span
from listeval.runs.reask import SampleAttempt
from listeval.runs.rows import Outcome, Row, encode, is_owed, unit

_KINDS = frozenset(kind.value for kind in Kind)
_QUOTE, _BRACE = b'"{'


class JudgedRow(msgspec.Struct, kw_only=True, frozen=True, gc=False):
    """What became of a sample: the fields of `Row` from which figures are made.

    Rows written before a field was added have its default.
    """

    key: Name
    outcome: Outcome
    reason: str | None
    example: str
    index: Count
    seed: Seed
    cluster: str
    kind: str
    detail: str
    flags: Sequence[str]
    missing: Count
    bare: bool | None = None
    scores: dict[str, Number | None]
    verdict: str | None = None
    reasoning: str | None
    finish_reason: str
    n_tokens: Count
    n_prompt_tokens: Count
    masked: Number | None = None
    attempts: Sequence[SampleAttempt] | None = None

    @classmethod
    def of(cls, row: Row) -> JudgedRow:
        """That of a row in memory."""
        return JudgedRow(**{name: row[name] for name in JudgedRow.__struct_fields__})  # type: ignore[literal-required]

    @property
    def unit(self) -> str:
        """What the answer depends on, whatever the seed."""
        return unit(self.cluster, self.example)

    @property
    def owed(self) -> bool:
        """Whether the sample is asked again when the run goes on."""
        return is_owed(self.outcome, self.reason)

    def contradiction(self) -> str:
        """The first field that is of its type and yet not what a run writes there; empty where there is none."""
        if self.kind not in _KINDS:
            return "kind"
        attempts = self.attempts
        if attempts and any(one["attempt"] != at or one["kind"] not in _KINDS for at, one in enumerate(attempts, 1)):
            return "attempts"
        return ""


class StoredRow(JudgedRow, kw_only=True, frozen=True, gc=False):
    """All of a `Row`; what `_json` stands after is JSON text, and is decoded each time it is asked for."""

    span: Span | None
    value_json: Raw = msgspec.field(name="value")
    target_json: Raw = msgspec.field(name="target")
    text: str
    latency_s: Number
    prompt_json: Raw = msgspec.field(name="prompt")
    error: str | None

    @classmethod
    def of(cls, row: Row) -> StoredRow:
        """The row as it would be read back."""
        return msgspec.json.decode(encode(row), type=StoredRow)

    @property
    def prompt(self) -> str:
        """As `Row` has it. Raises UserError where the line is damaged."""
        return str(self._decoded("prompt", self.prompt_json))

    @property
    def target(self) -> Mapping[str, Any]:
        """As `prompt`."""
        return cast("Mapping[str, Any]", self._decoded("target", self.target_json))

    def same_prompt(self, other: StoredRow) -> bool:
        """Whether both were asked the same, however their lines spell it."""
        return self.prompt_json == other.prompt_json or self.prompt == other.prompt

    def same_target(self, other: StoredRow) -> bool:
        """Whether the same is right for both."""
        return self.target_json == other.target_json or self.target == other.target

    def row(self) -> Row:
        """The row with everything decoded. Raises as `prompt` does."""
        row = cast("Row", dict(zip(Row.__annotations__, _IN_ORDER(self), strict=True)))
        row["value"] = self._decoded("value", self.value_json)
        row["prompt"], row["target"] = self.prompt, self.target
        return row

    def contradiction(self) -> str:
        if self.span is not None and self.span[0] > self.span[1]:
            return "span"
        if memoryview(self.prompt_json)[0] != _QUOTE:
            return "prompt"
        if memoryview(self.target_json)[0] != _BRACE:
            return "target"
        return super().contradiction()

    def _decoded(self, name: str, json: Raw) -> Any:
        try:
            return msgspec.json.decode(json)
        except ValueError as error:
            raise DamagedRow(self, f"the row's '{name}' is damaged: {first_line(error)}") from None


class DamagedRow(UserError):
    """A text of `row` that cannot be read. A row does not know its file: `listeval.runs.damage.located` does."""

    def __init__(self, row: StoredRow, cause: str) -> None:
        fix = "restore its line in samples.jsonl or delete it, then run again"
        super().__init__(cause, place=f"example '{row.example}', seed {row.seed}", fix=fix)
        self.row, self.known = row, False

    def stands(self, place: str) -> None:
        """It is known where its line stands."""
        self.place, self.known = f"{place}, {self.place}", True


def digest(rows: Iterable[JudgedRow]) -> str:
    """Tells sets of judged rows apart (sha256, hex): which samples, in which order, and what became of each."""
    encoder, found = msgspec.json.Encoder(), sha256()
    for row in rows:
        judged = (
            row.example,
            row.seed,
            row.outcome,
            row.reason,
            row.kind,
            row.flags,
            row.missing,
            row.scores,
            row.verdict,
        )
        found.update(encoder.encode(judged))
    return found.hexdigest()


_ATTRIBUTES = dict(zip(StoredRow.__struct_encode_fields__, StoredRow.__struct_fields__, strict=True))
_IN_ORDER = attrgetter(*(_ATTRIBUTES[name] for name in Row.__annotations__))
