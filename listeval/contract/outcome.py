"""What a parse gives: a value, or a failure with its one kind."""

from typing import Generic, NamedTuple, TypeVar

from listeval.contract.extract import Span
from listeval.contract.taxonomy import Flag, Kind

V = TypeVar("V")


class Parsed(NamedTuple, Generic[V]):
    """A valid answer: its value, what else was seen, and the [start, end) of its block in the text."""

    value: V
    flags: tuple[Flag, ...]
    span: Span


class Failure(NamedTuple):
    """A broken contract: the one kind, a sentence that explains it, and the [start, end) to point at.

    `missing` counts the input ids that a list lacks; it is 0 for every kind but `missing_id`.
    `raised` names the exception of a contract whose own code broke, which says nothing of the answer.
    """

    kind: Kind
    detail: str
    flags: tuple[Flag, ...] = ()
    span: Span | None = None
    missing: int = 0
    raised: str = ""

    @property
    def fmc(self) -> bool:
        """Format-manifold collapse: all ids real, none twice, exactly one input id missing (arXiv 2605.08737)."""
        return self.kind is Kind.MISSING_ID and self.missing == 1


class Fault(NamedTuple):
    """A rule that schema-valid JSON breaks; becomes a Failure once the flags are known.

    `pointer` is a pattern of what to point at (its first group), and which match from the front.
    """

    kind: Kind
    detail: str
    missing: int = 0
    pointer: tuple[str, int] | None = None
    flags: tuple[Flag, ...] = ()
