"""The manifest's entries: what is known of task, data, model, engine, constraint and machine, each with its own fields.

An entry is open: a field that nobody reads may hold anything, and what another version wrote is kept as it was. What
a run writes of an entry is what it sets, so that a manifest which is read and written again stays the same JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from listeval.runs.fields import MOST
from listeval.runs.file_contents import without_paths
from listeval.task import Metric

_Real = Annotated[float, Field(allow_inf_nan=False, ge=-MOST, le=MOST)]


class Entry(BaseModel):
    """Fields by name; `entry["name"]` reads one too, as in the JSON."""

    model_config = ConfigDict(extra="allow", strict=True)

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self, name)
        except AttributeError:
            raise KeyError(name) from None

    @model_serializer(mode="wrap")
    def _as_set(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in write(self).items() if name in self.model_fields_set}


class MetricEntry(Entry):
    """A metric of the task, as `listeval.task.Metric` has it."""

    model_config = ConfigDict(extra="forbid", strict=False)

    name: str
    useful: bool = False
    bounds: tuple[_Real | None, _Real | None] | None = None
    """Lowest and highest possible value; null for a side that is open."""
    at: list[Annotated[int, Field(ge=1, le=MOST)]] = []
    less_is_better: bool = False
    """Whether less of it is better; absent where that is not said."""
    more_is_better: bool = False
    """Whether more of it is better; absent where that is not said."""

    @property
    def metric(self) -> Metric:
        """The metric itself."""
        return Metric(self.name, self.useful, self.bounds, self.at, self.less_is_better, self.more_is_better)


class TaskEntry(Entry):
    """The task behind the scores that stand in the rows now."""

    name: str
    version: int
    options: dict[str, Any]
    code: str
    """Names its code and prompts."""
    metrics: list[MetricEntry]
    verdicts: list[str] = []
    contract: str = ""
    """Shape of its answers: `KeyedList`, `Record`, `Calls`, ...; empty where it is not known."""
    files: list[str] = []
    """Options that name a file whose content is in the data's fingerprint; none in runs from before it was noted."""

    @property
    def has_ids(self) -> bool:
        """Whether an answer is a list by id, or that is not known: only those can fall short of one id."""
        return self.contract in ("", "KeyedList")

    def behind_rows(self) -> dict[str, Any]:
        """The part that determines prompts and scores, for a run's identity; files are told by their content."""
        kept = self.model_dump(mode="json", exclude={"metrics", "verdicts", "contract", "files"})
        return without_paths(kept, self.files)


class DataEntry(Entry):
    """The examples of one seed."""

    name: str = ""
    """What reports call the data; empty in runs from before it was noted."""
    source: str
    fingerprint: str
    counts: dict[str, Any] = {}
    asked: Annotated[int, Field(ge=0, le=MOST)] | None = None
    """Samples of this seed that a complete run has; null in runs from before it was noted."""


class AdapterEntry(Entry):
    """A LoRA adapter on top of a model, and the model that it says it was trained on."""

    name: str
    fingerprint: str
    path: Any = None
    rank: Any = None
    base: Any = None


class ModelEntry(Entry):
    """The model behind the answers; of a server's, what the server says of itself."""

    name: str
    fingerprint: Any = None
    path: Any = None
    tokenizer_hash: Any = None
    template_hash: Any = None
    max_length: Any = None
    adapter: AdapterEntry | None = None

    @property
    def title(self) -> str:
        """What reports call the model: `base+adapter` where there is one."""
        return self.name if self.adapter is None else f"{self.name.rstrip('/')}+{self.adapter.name}"

    @property
    def weights(self) -> str:
        """Tells weights apart, an adapter's too."""
        own = "" if self.adapter is None else f"+{self.adapter.fingerprint}"
        # As text: a damaged manifest may hold anything here.
        return f"{self.fingerprint or self.name}{own}"


class BackendEntry(Entry):
    """The engine that made the answers. `settings` are its own, JSON values by the engine's names."""

    name: str
    settings: dict[str, Any]
    versions: dict[str, str] = {}

    @property
    def left_out(self) -> dict[str, str]:
        """Request fields that a server did not take, and what it said."""
        return _mapping(self.settings.get("left_out"))

    @property
    def finish_reasons(self) -> dict[str, int]:
        """How often a server ended an answer with each of its words."""
        return _counts(self.settings.get("finish_reasons"))

    @property
    def not_planted(self) -> dict[str, int]:
        """How often an example had no answer of the kind of fault drawn for it, by kind."""
        return _counts(self.settings.get("not_planted"))

    @property
    def not_replayed(self) -> dict[str, Any]:
        """`rows` of recorded answers that were left out, and the `first_line` of them; empty where none was."""
        return _mapping(self.settings.get("not_replayed"))

    @property
    def unmet(self) -> dict[str, Any]:
        """Of recorded answers: `rows` that name no example of the data and the `first` name, or `rows` in order and the
        `examples` that they were to answer; empty where all met.
        """
        return _mapping(self.settings.get("unmet"))

    def meeting(self, settings: Mapping[str, Any]) -> BackendEntry:
        """The same, with what other `settings` say of `unmet`: that is of the run's data, whoever made its answers."""
        own = {name: value for name, value in self.settings.items() if name != "unmet"}
        met = {name: value for name, value in settings.items() if name == "unmet"}
        return self.model_copy(update={"settings": own | met})

    @property
    def constraint(self) -> dict[str, Any]:
        """What the engine recorded of its constraint; empty where there is none."""
        return _mapping(self.settings.get("constraint"))


class ConstraintEntry(Entry):
    """What the decoder was held to, as a run's identity has it."""

    kind: str
    engine: str
    spacing: str = "unknown"


class SpacingEntry(Entry):
    """How freely an answer may be spaced: as asked, and as measured."""

    asked: str = ""
    measured: str = ""


class AuditEntry(Entry):
    """What an engine was measured to keep, ignore and refuse of the first example's constraint, each by its fate."""

    engine: str = ""
    form: Any = None
    """By what the engine is told of the constraint."""
    valid: Any = None
    spacing: SpacingEntry | None = None
    keywords: dict[str, Any] = {}
    """Of a schema."""
    rules: dict[str, Any] = {}
    """Of a permutation or a scaffold."""
    numbers: Any = None
    unique_items_asked: Any = None

    @property
    def ignored(self) -> frozenset[str]:
        """Keywords that the engine does not keep."""
        return frozenset(name for name, fate in self.keywords.items() if fate == "ignored")


class SentEntry(Entry):
    """What a server's ways made of a constraint."""

    field: str = ""
    wrapped: str = ""
    """The key of the object into which lists went, for a server that takes no other root."""
    left_out: dict[str, Any] | list[str] = []
    """Keywords of the schema that the server does not take."""


class CanaryEntry(Entry):
    """A request whose free answer cannot match, and what came of it."""

    passed: bool = False
    why: str = ""
    text: str = ""
    finish_reason: str = ""
    spacing: str = ""
    sent: SentEntry = SentEntry()


class EnvironmentEntry(Entry):
    """The machine and its software."""

    python: Any = None
    platform: Any = None
    cpu: Any = None
    cores: Any = None
    gpu: Any = None
    memory_gib: Any = None
    packages: dict[str, Any] = {}
    git: Any = None


class IdentityEntry(Entry):
    """The parts of a run's identity that are read; the identity itself is hashed and compared whole."""

    task: dict[str, Any] = {}
    model: dict[str, Any] = {}
    sampling: dict[str, Any] = {}
    constraint: ConstraintEntry | str = "none"


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _counts(value: Any) -> dict[str, int]:
    return {name: count for name, count in _mapping(value).items() if type(count) is int and count > 0}
