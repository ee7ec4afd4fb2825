"""Rubrics: what a judge grades a text by. A YAML file with criteria, a scale, anchors and the judge's prompt.

A rubric `NAME` is the file `NAME.yaml` in a folder `rubrics`. One rule says which folders: those beside the
folders that tasks are found in. So `./rubrics` first, then the folder `rubrics` beside each folder of
`$LISTEVAL_PATH`, then the bundled one; the first hit wins.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from listeval.bundled import bundled
from listeval.errors import UserError, did_you_mean
from listeval.runs.plain_yaml import load_plain

GRADE = "grade"
"""The field of a judge's answer that holds the overall grade."""

_Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
_Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Scale(_Part):
    """Lowest and highest grade, both whole numbers and both allowed."""

    low: int
    high: int

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        return self


class Criterion(_Part):
    """One thing that is graded on the scale; `name` is its key in the judge's answer."""

    name: _Name
    description: _Words


class Rubric(_Part):
    """A checked rubric. `prompt` is a jinja template over `text`, `context`, `scale`, `criteria` and `anchors`."""

    name: _Name
    version: int = Field(ge=1)
    summary: _Words
    scale: Scale
    criteria: tuple[Criterion, ...] = Field(min_length=1, strict=False)
    anchors: dict[int, _Words]
    prompt: _Words

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [criterion.name for criterion in self.criteria]
        if GRADE in names:
            raise ValueError(f"criteria: '{GRADE}' is the name of the overall grade")
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"criteria: '{min(twice)}' stands twice")
        outside = [level for level in self.anchors if not self.scale.low <= level <= self.scale.high]
        if outside:
            raise ValueError(f"anchors: {outside[0]} is outside the scale {self.scale.low}-{self.scale.high}")
        if absent := {self.scale.low, self.scale.high} - self.anchors.keys():
            raise ValueError(f"anchors: the end {min(absent)} of the scale has none")
        self._check_prompt()
        return self

    def _check_prompt(self) -> None:
        from jinja2 import TemplateError

        try:
            shown = self.render("\x02text\x03", "\x02context\x03")
        except TemplateError as error:
            line = getattr(error, "lineno", None)
            raise ValueError(f"prompt{f' (its line {line})' if line else ''}: {error}") from None
        except Exception as error:  # noqa: BLE001 - a template may divide by zero, or anything else
            raise ValueError(f"prompt: {type(error).__name__}: {error}") from None
        if "\x02text\x03" not in shown:
            raise ValueError("prompt: it does not show {{ text }}")

    def render(self, text: str, context: str) -> str:
        """The judge's prompt for one text; `context` is what it is about, empty where nothing is known."""
        return self._template(
            text=text, context=context, scale=self.scale, criteria=self.criteria, anchors=self.anchors
        ).strip()

    @cached_property
    def _template(self) -> Callable[..., str]:
        from jinja2 import StrictUndefined
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        # Rubrics are passed around; a template from elsewhere must reach nothing but what it is given.
        environment = ImmutableSandboxedEnvironment(
            autoescape=False, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        return environment.from_string(self.prompt).render

    @property
    def digest(self) -> str:
        """sha256 (hex) of everything in the rubric: labels of one digest were given for the same question."""
        return sha256(self.model_dump_json().encode()).hexdigest()


def load_rubric(name: str) -> Rubric:
    """The rubric called `name`. Raises UserError for an unknown one, and for a file that is none, naming the field."""
    known = find_rubrics()
    if name not in known:
        raise UserError(f"unknown rubric '{name}'", place="--rubric", fix=did_you_mean(name, list(known)))
    return read_rubric(known[name])


def find_rubrics() -> dict[str, Path]:
    """The file of every rubric by name, without reading any."""
    listed = [Path("tasks"), *(Path(p) for p in os.environ.get("LISTEVAL_PATH", "").split(os.pathsep) if p)]
    folders = [tasks.resolve().parent / "rubrics" for tasks in (*listed, bundled() / "tasks")]
    found: dict[str, Path] = {}
    for folder in folders:
        for file in sorted(folder.glob("*.yaml")):
            if file.is_file():  # opening a pipe would wait for its writer
                found.setdefault(file.stem, file)
    return dict(sorted(found.items()))


def read_rubric(file: Path) -> Rubric:
    """The rubric in `file`. Raises UserError naming the file, and the line or the field at fault."""
    fix = "correct the file; `listeval rubrics show helpfulness` prints a good one"
    try:
        values = load_plain(file.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UserError(f"not YAML: {error.problem}", place=f"{file}{line}", fix=fix) from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"not YAML: {' '.join(str(error).split())}", place=str(file), fix=fix) from None
    except OSError as error:
        raise UserError(f"the rubric cannot be read: {error.strerror}", place=str(file), fix="check the path") from None
    try:
        rubric = Rubric.model_validate(values)
    except ValidationError as error:
        raise UserError(f"not a rubric: {_first(error)}", place=str(file), fix=fix) from None
    if rubric.name != file.stem:
        fix = f"rename the file to {rubric.name}.yaml, or its name to {file.stem}"
        raise UserError(f"the rubric calls itself '{rubric.name}'", place=str(file), fix=fix)
    return rubric


def _first(error: ValidationError) -> str:
    """The first fault: the field's path and what is wrong with it."""
    first: Any = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"] if part != "[key]")
    words = str(first["msg"]).removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        return f"{field}: unknown field; {did_you_mean(field.rpartition('.')[2], _fields(first['loc']))}"
    return f"{field}: {words}" if field else words


def _fields(loc: tuple[int | str, ...]) -> list[str]:
    """What may stand where `loc` does."""
    parts: dict[str, type[BaseModel]] = {"scale": Scale, "criteria": Criterion}
    model = parts.get(str(loc[0]), Rubric) if len(loc) > 1 else Rubric
    return list(model.model_fields)
