"""The manifest: what made the rows of a run, complete enough to repeat it and to refuse to mix it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import from_json

from listeval.decoding.promise import Promise
from listeval.disk import read_regular, write_atomic
from listeval.errors import UserError, first_line
from listeval.runs.config import RunConfig
from listeval.runs.entries import (
    AuditEntry,
    BackendEntry,
    CanaryEntry,
    ConstraintEntry,
    DataEntry,
    EnvironmentEntry,
    IdentityEntry,
    ModelEntry,
    TaskEntry,
)
from listeval.runs.fields import LONGEST_S, MOST, Moment
from listeval.runs.file_contents import like

SCHEMA = 1


class Attempt(BaseModel):
    """One process that worked on the run to its end or to Ctrl-C. A killed one leaves none."""

    model_config = ConfigDict(extra="forbid")

    started: Moment
    seconds: float = Field(ge=0, le=LONGEST_S, allow_inf_nan=False)
    """From the first request to the last row."""
    rows: int = Field(ge=0, le=MOST)
    tokens: int = Field(ge=0, le=MOST)
    """Generated tokens."""
    versions: dict[str, str]
    """listeval's and the engine's packages, as they were for these rows."""


class Manifest(BaseModel):
    """Contents of `manifest.json`; the field set is frozen by a test.

    `identity` is everything that determines a row besides its example; two runs with one
    identity hash are the same run. `data` is keyed by seed.
    """

    model_config = ConfigDict(extra="forbid")

    schema_version: int = SCHEMA
    listeval: str
    created: Moment
    config: RunConfig
    identity: dict[str, Any]
    task: TaskEntry
    data: Annotated[dict[str, DataEntry], Field(min_length=1)]
    model: ModelEntry
    backend: BackendEntry
    constraint: str = "none"
    canary: CanaryEntry | None = None
    audit: AuditEntry | None = None
    control_text: dict[str, int] = {}
    """How many prompts hold data that spells control tokens, by what becomes of them."""
    environment: EnvironmentEntry
    attempts: list[Attempt] = []
    ledger: bool = False
    """Whether the samples that were asked for are noted in a ledger; false in runs from before there was one."""

    @field_validator("identity")
    @classmethod
    def _can_be_read(cls, value: dict[str, Any]) -> dict[str, Any]:
        try:
            IdentityEntry.model_validate(value)
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        return value

    @model_validator(mode="after")
    def _with_unproven(self) -> Self:
        # Earlier versions stamped a schema that `structured` sent along into the identity alone.
        if self.constraint == "none" and self.identity.get("constraint") == "schema":
            self.constraint = "schema"
        return self

    @property
    def identity_hash(self) -> str:
        """Names the run among others of the same task and model."""
        return hash_json(self.identity)

    @property
    def promise(self) -> Promise:
        """What the run's engine promised of every answer; nothing where nothing showed that it keeps its word."""
        if self.unproven:
            return Promise("none")
        ignored = frozenset() if self.audit is None else self.audit.ignored
        return Promise(self.constraint, ignored.union(() if self.canary is None else self.canary.sent.left_out))

    @property
    def held_to(self) -> ConstraintEntry | None:
        """What the run's identity says that the decoder was held to; None where it was free."""
        found = IdentityEntry.model_validate(self.identity).constraint
        if self.unproven:
            return ConstraintEntry(kind="schema", engine="server")
        return found if isinstance(found, ConstraintEntry) else None

    @property
    def unproven(self) -> bool:
        """Whether the schema was only sent along (`structured`): neither audit nor canary say what the server does."""
        return self.identity.get("constraint") == "schema" and self.canary is None

    def write(self, directory: Path) -> None:
        """Replace `manifest.json` atomically."""
        write_atomic(directory / "manifest.json", self.model_dump_json(indent=1).encode())


def hash_json(value: Any) -> str:
    """sha256 (hex) of canonical JSON."""
    return sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a run directory. Raises UserError where there is none or it is of another schema."""
    path = directory / "manifest.json"
    fix = "restore the file from a copy; without one, run again with another --out"
    try:
        values = from_json(read_regular(path))
    except OSError as error:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise UserError(f"cannot be read: {error.strerror}", place=str(path), fix="check the file") from None
        if has_rows(directory):
            raise no_manifest(directory) from None
        raise UserError(
            "not a run: no manifest.json", place=str(directory), fix="name the directory that `listeval run` printed"
        ) from None
    except ValueError as error:
        raise UserError(f"manifest.json is not JSON: {first_line(error)}", place=str(path), fix=fix) from None
    version = values.get("schema_version") if isinstance(values, dict) else None
    if version != SCHEMA:
        raise UserError(
            f"manifest schema {version}, this listeval reads {SCHEMA}",
            place=str(path),
            fix="use the listeval that wrote it",
        )
    try:
        return Manifest.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(f"manifest.json: {where}: {first['msg']}", place=str(path), fix=fix) from None


def no_manifest(directory: Path) -> UserError:
    """Rows without the manifest that says what they are of."""
    fix = "restore its manifest.json, or use another directory"
    return UserError("there are rows, but no manifest.json", place=str(directory), fix=fix)


def has_rows(directory: Path) -> bool:
    """Whether `directory` holds rows, of whatever run."""
    try:
        return (directory / "samples.jsonl").lstat().st_size > 0
    except OSError:
        return False


def check_same_run(old: Manifest, new: Manifest, directory: Path) -> None:
    """Refuse to add rows of another configuration to a run. Raises UserError naming what differs."""
    check_same_identity(old.identity, new.identity, directory)


def check_unopened(old: Manifest, identity: Mapping[str, Any], directory: Path) -> None:
    """`check_same_run` of the part of an identity that is known before a model is opened."""
    known = {name: value for name, value in old.identity.items() if name not in ("model", "dtype")}
    check_same_identity(known, identity, directory)


def check_same_identity(old: Mapping[str, Any], new: Mapping[str, Any], directory: Path) -> None:
    """`check_same_run` of identities, or of the same part of both."""
    before = _flat({**old, "task": like(old.get("task", {}), new.get("task", {}))})
    after = _flat(new)
    changed = [name for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name)]
    if changed:
        shown = "; ".join(f"{n}: {_short(before.get(n))} -> {_short(after.get(n))}" for n in changed[:3])
        fix = "choose another --out, or leave it out"
        if "data" in changed:
            shown += "; data are all files that decide what is asked and what is right, a schema among them"
        if changed == ["data"]:
            fix += f"; --backend replay --model {directory} judges the answers that are there by these files"
        raise UserError(f"this directory holds another run ({shown})", place=str(directory), fix=fix)


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, item in value.items():
        if isinstance(item, Mapping):
            out.update(_flat(item, f"{prefix}{name}."))
        else:
            out[prefix + name] = item
    return out


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 24 else text[:21] + "..."
