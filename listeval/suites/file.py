"""A suite's file: what runs are made of, validated before anything is loaded, with the line of what is wrong."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model

from listeval.errors import UserError, UserErrors, did_you_mean
from listeval.runs.config import RunConfig, listed
from listeval.suites.yaml_lines import YamlFile, read_yaml

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Settings = dict[str, Annotated[list[Any], Field(min_length=1)]]
"""Task options, each with the values that it takes in turn."""

_AXES = ("task", "model", "adapter", "constraint")
_NOT_FOR_SUITES = ("out", "clock", "places")


def _fields(*, without: tuple[str, ...] = (), required: tuple[str, ...] = ()) -> dict[str, Any]:
    """The fields of a run's configuration, none of which has to be given but those that are `required`."""
    found: dict[str, Any] = {}
    for name, field in RunConfig.model_fields.items():
        if name not in without and name not in _NOT_FOR_SUITES:
            rules = [*field.metadata, *([BeforeValidator(listed)] if name in ("seeds", "samples", "track") else [])]
            kind: Any = Annotated[field.annotation, *rules] if rules else field.annotation
            found[name] = (kind, ...) if name in required else (kind | None, None)
    return found


class SuitePart(BaseModel):
    """Some fields of a run's configuration, as a file gives them."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @property
    def given(self) -> dict[str, Any]:
        """Those that the file gives a value, by name."""
        return {
            name: value
            for name, value in self.model_dump(mode="json", exclude_unset=True).items()
            if value is not None and name in RunConfig.model_fields
        }


class _Named(SuitePart):
    name: Annotated[str, Field(min_length=1)] | None = None
    """What the runs with this entry are called after."""


class _WithSettings(_Named):
    settings: Settings = {}


def _entry(axis: str, base: type[SuitePart]) -> Any:
    """What a list of the file holds: a mapping, or a name that stands for `{axis: name}`."""
    others = tuple(name for name in _AXES if name != axis)
    model = create_model(f"{axis}_entry", __base__=base, **_fields(without=others, required=(axis,)))
    return Annotated[model, BeforeValidator(lambda value: {axis: value} if isinstance(value, str) else value)]


_Task, _Model = _entry("task", _WithSettings), _entry("model", _Named)
_Adapter, _Constraint = _entry("adapter", _Named), _entry("constraint", _Named)
_Top = create_model("_Top", __base__=SuitePart, **_fields(without=_AXES))


class SuiteFile(_Top):  # type: ignore[valid-type,misc]
    """The keys of a suite: axes, and any key of a configuration for all runs. An entry's own keys win over those.

    A run is made of one task, one model, one adapter and one constraint, with one value of each setting; seeds are of
    the same run.
    """

    tasks: Annotated[list[_Task], Field(min_length=1)]  # type: ignore[valid-type]
    models: Annotated[list[_Model], Field(min_length=1)]  # type: ignore[valid-type]
    adapters: Annotated[list[_Adapter], Field(min_length=1)] = ["none"]  # type: ignore[valid-type]
    constraints: Annotated[list[_Constraint], Field(min_length=1)] = ["none"]  # type: ignore[valid-type]
    settings: Settings = {}
    """For every task; a task's own `settings` win."""
    out: str | None = None

    model_config = ConfigDict(extra="forbid", validate_default=True)


class OpenedSuite(BaseModel):
    """A suite's file that is valid, and where its values stand."""

    model_config = ConfigDict(arbitrary_types_allowed=True, frozen=True)

    file: YamlFile
    content: SuiteFile


def read_suite(path: Path) -> OpenedSuite:
    """The suite in a YAML file. Raises UserError with the file's line and key for what is wrong with it."""
    file = read_yaml(path)
    try:
        return OpenedSuite(file=file, content=SuiteFile.model_validate(file.values))
    except ValidationError as error:
        raise _wrong(error, file) from None


def _wrong(error: ValidationError, file: YamlFile) -> UserErrors:
    """Every fault of the file, in the order of its lines; of what follows from another one, only that."""
    found = [(_keys(told, file), told) for told in error.errors()]
    strange = [keys for keys, told in found if told["type"] == "extra_forbidden"]
    lines: dict[str, UserError] = {}
    for keys, told in found:
        if told["type"] == "missing" and any(_meant(name) == keys for name in strange):
            continue
        own = keys if told["type"] in ("missing", "extra_forbidden") else file.known(keys)
        lines.setdefault(dotted(own), fault(told, keys, _known(keys), file))
    return UserErrors(sorted(lines.values(), key=line_of))


def _keys(told: ErrorDetails, file: YamlFile) -> list[str | int]:
    """The way to the value that is told of, without pydantic's own names for the forms that a value may have."""
    known = len(file.known(told["loc"]))
    return [key for at, key in enumerate(told["loc"]) if at < known or isinstance(key, int) or key.isidentifier()]


def _meant(keys: list[str | int]) -> list[str | int]:
    """The way to the known key that an unknown one was probably meant as."""
    return [*keys[:-1], *get_close_matches(str(keys[-1]), _known(keys), n=1, cutoff=0.5)]


def fault(told: ErrorDetails, keys: list[str | int], known: list[str], file: YamlFile) -> UserError:
    """What pydantic says of the value behind `keys`, with its line; `known` are the names that may stand there."""
    name, place = dotted(keys), file.place(keys)
    if told["type"] == "extra_forbidden":
        return UserError(f"unknown key '{name}'", place=place, fix=did_you_mean(str(keys[-1]), known))
    if told["type"] == "missing":
        return UserError(f"no {name} is given", place=place, fix=f"add {keys[-1]}: ...")
    if told["type"] == "model_type":
        return UserError(f"{name} is neither a name nor a mapping", place=place, fix=f"write '{keys[0]}: [NAME]'")
    said = told["msg"].removeprefix("Value error, ")
    _, _, wanted = said.partition("Input should be ")
    fix = f"give {wanted.partition(', unable')[0]}" if wanted else "give another value"
    return UserError(f"{name}: {said}, got {told.get('input')!r}", place=place, fix=fix)


def line_of(error: UserError) -> int:
    """The line in the place of a fault, to sort by."""
    return int(error.place.rpartition(":")[2])


def dotted(keys: list[str | int]) -> str:
    """`models[1].dtype`"""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".") or "suite"


def _known(keys: list[str | int]) -> list[str]:
    """The keys that a mapping may have where an unknown one stands."""
    fields = SuiteFile.model_fields
    if len(keys) == 1:
        return list(fields)
    own = ["name", *(["settings"] if keys[0] == "tasks" else [])]
    others = {*_NOT_FOR_SUITES, *_AXES} - {str(keys[0]).removesuffix("s")}
    return [*own, *(name for name in RunConfig.model_fields if name not in others)]


def parts(content: SuiteFile, axis: str) -> list[Any]:
    """The entries of `tasks`, `models`, `adapters` or `constraints`."""
    return cast("list[Any]", getattr(content, axis))
