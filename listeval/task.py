"""The task protocol: what a plug-in says so that any model can be run against its contract.

A task turns data into `Example`s. Everything that parsing and scoring need is in the
example's `target`, a JSON object that is stored with every row, so a run is re-scored
from its rows alone: no model, no data, only the task's code.

`Task[MyTarget, MyAnswer]` tells type checkers and editors what the targets (a TypedDict) and the parsed answers of a
task are; `Task` alone takes any.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar, Concatenate, Generic, NamedTuple, ParamSpec

from pydantic import BaseModel, ConfigDict
from typing_extensions import TypeVar

from listeval.chat import Message
from listeval.errors import UserError

if TYPE_CHECKING:
    from listeval.contract import Contract, Kind
    from listeval.runs.rows import Row

MOST = 2**53
"""No number of a run (a score, a bound, a count) is larger: so far they are exact, and no sum of them overflows."""

Target = Mapping[str, Any]
"""A JSON object: ids, labels, function documents, tests, ... whatever contract and score need."""

TargetT = TypeVar("TargetT", default=Any)
"""What the targets of a task are: a TypedDict, or any `Target`."""

ValueT = TypeVar("ValueT", default=Any)
"""What the contracts of a task parse an answer to."""

Owner = TypeVar("Owner")
Returned = TypeVar("Returned")
Given = ParamSpec("Given")


class Example(NamedTuple):
    """One question. `id` is unique in the data set and seed; runs are compared by joining on it.

    `cluster` names what examples have in common (the product of a group of reviews):
    intervals resample whole clusters. Empty means the example stands alone.
    """

    id: str
    messages: tuple[Message, ...]
    target: Target
    cluster: str = ""


class Dataset(NamedTuple):
    """What `Task.load` found. `counts` names what was kept and what was skipped, and why.

    `name` is what reports call the data; without one, the last part of `source` is.
    """

    examples: Sequence[Example]
    source: str
    fingerprint: str
    counts: Mapping[str, int]
    name: str = ""


class Metric(NamedTuple):
    """A number that `Task.score` gives for a parsed answer, of at most `MOST` in size; NaN where it is undefined.

    With `useful`, a second mean `useful_<name>` counts every contract failure as zero.
    `bounds` are the lowest and highest possible value, None for a side that is open (a count: `(0, None)`): no limit of
    an interval lies beyond them, and they give equal values an honest interval.
    `at` is for a metric that is 1 for a right answer: a run with k or more seeds also gets
    `<name>@<k>`, how often one of k samples of an example is right (contract failures are wrong).
    `less_is_better` is for errors and for counts of faults; a metric with `useful` is never one of them.
    `more_is_better` says the other way of a metric without `useful` or `at`, which say it themselves; where neither is
    said, no export states a direction.
    """

    name: str
    useful: bool = False
    bounds: tuple[float | None, float | None] | None = None
    at: Sequence[int] = ()
    less_is_better: bool = False
    more_is_better: bool = False


class Verdict(NamedTuple):
    """What became of one parsed answer, where a task says more than numbers.

    `name` is one of the task's `verdicts`, `detail` one line on what was wrong.
    """

    scores: Mapping[str, float]
    name: str
    detail: str = ""


class Unscored(NamedTuple):
    """The instrument failed, not the answer (a sandbox broke): the sample is in no mean."""

    reason: str


class Appendix(NamedTuple):
    """What only a whole run shows: text files kept in its directory, by name, and figures over all its rows.

    A figure is at most `MOST` in size, and NaN where it is undefined.
    """

    files: Mapping[str, str] = {}
    figures: Mapping[str, float] = {}


class Piece(NamedTuple):
    """One text of a data set that a judge can grade, with what it is about.

    `product` names what its texts compete for, `id` the text within the data; `votes` counts the readers who
    found it good, None where the data has no votes.
    """

    text: str
    context: str = ""
    product: str = ""
    id: str = ""
    votes: int | None = None

    @property
    def key(self) -> str:
        """Content hash (32 hex digits) of what a judge reads: equal texts in equal context are one piece."""
        return sha256(f"{self.context}\0{self.text}".encode("utf-8", "replace")).hexdigest()[:32]


class Pieces(NamedTuple):
    """What `Task.pieces` found: distinct pieces in data order."""

    source: str
    pieces: Sequence[Piece]


class TaskOptions(BaseModel):
    """Base of a task's options, set on the command line by `--set name=value`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    imports: ClassVar[tuple[str, ...]] = ()
    """Options whose value names code (`module:Class`) that the task imports: from a file they need the user's word."""

    @classmethod
    def option_names(cls) -> list[str]:
        """The options as a user writes them: a field's alias where it has one."""
        return [field.alias or name for name, field in cls.model_fields.items()]


def read_once(
    method: Callable[Concatenate[Owner, Given], Returned],
) -> Callable[Concatenate[Owner, Given], Returned]:
    """A method of a task that is called once for the same arguments, however many seeds ask; an error is not kept.

    For what no seed changes: reading the data, merging, splitting. What it gives must not be changed.
    """
    kept = f"_{method.__name__}_once"

    @wraps(method)
    def remembered(self: Owner, /, *args: Given.args, **kwargs: Given.kwargs) -> Returned:
        found: dict[Any, Returned] = vars(self).setdefault(kept, {})
        key = (args, tuple(sorted(kwargs.items())))
        if key not in found:
            found[key] = method(self, *args, **kwargs)
        return found[key]

    return remembered


class Task(ABC, Generic[TargetT, ValueT]):
    """Base class of a plug-in: `tasks/<name>/task.py` defines exactly one subclass."""

    name: ClassVar[str]
    version: ClassVar[int]
    """Raised whenever prompt, contract or labels change."""
    summary: ClassVar[str]
    metrics: ClassVar[tuple[Metric, ...]]
    verdicts: ClassVar[tuple[str, ...]] = ()
    """Every name that a `Verdict` of this task may have, in the order of the table."""
    executes_code: ClassVar[bool] = False
    """Whether scoring runs code that a model wrote: then nothing runs before the user allows it."""
    seeded: ClassVar[bool] = True
    """Whether another seed draws other examples. Where it does not, the data are loaded once for all seeds of a run."""
    Options: ClassVar[type[TaskOptions]] = TaskOptions
    _code: ClassVar[Any] = staticmethod(str)
    """Called without arguments for what `code` says; set by the registry."""

    def __init__(self, options: TaskOptions | None = None) -> None:
        self.options = options if options is not None else self.Options()

    @property
    def code(self) -> str:
        """Names the code and prompts behind the task in a run's identity; empty unless the registry found the task."""
        return str(self._code())

    @property
    def max_tokens(self) -> int:
        """Budget of one answer in tokens where the user names none: ample for a good answer, short for a loop."""
        return 512

    @abstractmethod
    def load(self, data: str | None, seed: int) -> Dataset:
        """Examples of `data` (a path, `hub`, or None for the bundled sample), deterministic in (data, seed).

        Called once a seed; a run of more examples than it holds at once calls it again when a seed's turn comes.
        Raises UserError where the data cannot be read or yields no example.
        """

    @abstractmethod
    def contract(self, target: TargetT) -> Contract[ValueT]:
        """The contract bound to this example."""

    @abstractmethod
    def gold(self, target: TargetT) -> str:
        """The text of an answer that parses and scores best."""

    @abstractmethod
    def score(
        self, targets: Sequence[TargetT], values: Sequence[ValueT]
    ) -> Sequence[Mapping[str, float] | Verdict | Unscored]:
        """What parsed answers are worth: for each (target, parsed value) pair, in order, a value for every metric.

        Called with the answers that arrived together, so work may be shared between them. Whatever it raises, and a
        value beyond ±`MOST`, leaves the answer at fault unscored with the reason.
        """

    def labelled(self, target: TargetT) -> bool:
        """Whether an answer to this example can be right or wrong. Where it cannot, its metrics are NaN, and a broken
        contract counts in none of their means: the rates and the failure table alone know of it.
        """
        return True

    def prepare(self) -> None:
        """Get ready to score; called once, before the model is opened.

        Raises UserError where scoring cannot work on this machine.
        """

    def close(self) -> None:
        """Release what `prepare` or `score` hold; called once after the last row."""

    def appendix(self, rows: Sequence[Row]) -> Appendix:
        """Files and figures of a finished run, a function of its rows."""
        return Appendix()

    def pieces(self, data: str | None) -> Pieces:
        """The distinct texts of `data` for `listeval label`, whatever the task's options choose from it.

        Raises UserError where the data cannot be read, and for a task whose data has no texts to grade.
        """
        cause = f"task '{self.name}' has nothing to label"
        raise UserError(cause, place="--task", fix="use a task that ranks texts, such as fashion")

    def bad(self, target: TargetT) -> Mapping[Kind, str]:
        """Known-bad answers and the kind that each must land in, for `listeval tasks check`."""
        return {}
