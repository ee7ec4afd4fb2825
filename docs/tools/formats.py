"""JSON Schemas of a run's files, and the tables of their keys for the documentation."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import GenericAlias
from typing import Any, Final, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model

from docs.tools.file_models import Comparison, Metrics
from docs.tools.meanings import ENTRIES, MANIFEST, ROW
from listeval.cli.config_page import docstrings
from listeval.contract import Flag, Kind
from listeval.runs.config import RunConfig
from listeval.runs.manifest import Manifest
from listeval.runs.reask import SampleAttempt
from listeval.runs.rows import Row

Schema = dict[str, Any]

_ELSEWHERE: Final = ("Interval", RunConfig.__name__)
"""Definitions whose keys are told in words, or on another page."""


def schemas() -> dict[str, Schema]:
    """By file name."""
    return {
        "manifest": _titled(_manifest(), "manifest.json of a run"),
        "row": _titled(_row(), "One line of samples.jsonl"),
        "metrics": _titled(_kept(Metrics), "metrics.json of a run"),
        "comparison": _titled(_kept(Comparison), "What compare --json prints"),
    }


def rendered(schema: Schema) -> str:
    """A schema as its file."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def table(schema: Schema) -> Iterator[str]:
    """The keys as a Markdown table, those of inner objects below the key that holds them."""
    yield "| key | holds | meaning |\n| --- | --- | --- |"
    for name, part in schema["properties"].items():
        yield _line(schema, name, part)
        inner, suffix = _inner(part)
        if inner not in ("", *_ELSEWHERE):
            for key, node in schema["$defs"][inner]["properties"].items():
                yield _line(schema, f"{name}{suffix}.{key}", node)


def _line(schema: Schema, name: str, part: Schema) -> str:
    """A key's row; one without words of its own has those of what it holds."""
    held = schema["$defs"].get(_inner(part)[0], {})
    words = part.get("description") or held.get("description", "")
    meaning = " ".join(words.split()).replace("|", "\\|")
    return f"| `{name}` | {_kind(part)} | {meaning} |"


def _inner(part: Schema) -> tuple[str, str]:
    """Name of the definition that a key holds, if it holds one; `[]` where it holds a list of them, `.*` a mapping."""
    for node in (part, *part.get("anyOf", ())):
        for target, suffix in ((node, ""), (node.get("items"), "[]"), (node.get("additionalProperties"), ".*")):
            if isinstance(target, dict) and "$ref" in target:
                return str(target["$ref"]).rpartition("/")[2], suffix
    return "", ""


def _titled(schema: Schema, title: str) -> Schema:
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, **_untitled(schema)}


def _untitled(node: Any) -> Any:
    """Without the titles that pydantic makes of names."""
    if isinstance(node, dict):
        drop = isinstance(node.get("title"), str)
        return {name: _untitled(part) for name, part in node.items() if not (drop and name == "title")}
    return [_untitled(part) for part in node] if isinstance(node, list) else node


def _kept(model: type[BaseModel]) -> Schema:
    return model.model_json_schema(mode="validation")


def _manifest() -> Schema:
    schema = _kept(Manifest)
    for model in _models(Manifest):
        _describe(schema if model is Manifest else schema["$defs"][model.__name__], _own_words(model))
    _describe(schema, MANIFEST)
    for name, words in ENTRIES.items():
        entry = schema["$defs"].get(_inner(schema["properties"][name])[0], {"properties": {}})
        _describe(entry, {key: meaning for key, meaning in words.items() if key in entry["properties"]})
    _describe(schema["$defs"]["Attempt"], {"started": "When, in UTC.", "rows": "Rows that it made."})
    return schema


def _own_words(model: type[BaseModel]) -> dict[str, str]:
    """What the classes that a model is made of say of its fields."""
    made = [class_ for class_ in reversed(model.__mro__) if class_ is not BaseModel and issubclass(class_, BaseModel)]
    return {
        field: words for class_ in made for field, words in docstrings(class_).items() if field in model.model_fields
    }


def _models(annotation: Any) -> set[type[BaseModel]]:
    """The models in an annotation, and those of their fields."""
    found = set().union(*map(_models, get_args(annotation)))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        found |= {annotation}.union(*(_models(field.annotation) for field in annotation.model_fields.values()))
    return found


def _row() -> Schema:
    # Pydantic reads the standard library's typed dictionaries only from Python 3.12 on.
    tried = _closed("SampleAttempt", get_type_hints(SampleAttempt))
    attempts: Any = GenericAlias(list, (tried,))
    schema = _kept(_closed("Row", get_type_hints(Row) | {"attempts": attempts | None}))
    _describe(schema, ROW)
    _describe(
        schema["$defs"]["SampleAttempt"],
        {name: ROW[name] for name in SampleAttempt.__annotations__ if name != "attempt"},
    )
    _describe(schema["$defs"]["SampleAttempt"], {"attempt": "Its number, from 1."})
    schema["properties"]["kind"]["enum"] = [kind.value for kind in Kind]
    schema["properties"]["flags"]["items"]["enum"] = [flag.value for flag in Flag]
    return schema


def _closed(name: str, fields: Mapping[str, Any]) -> Any:
    """A model of required fields and no others."""
    wanted: dict[str, Any] = {field: (annotation, ...) for field, annotation in fields.items()}
    return create_model(name, __config__=ConfigDict(extra="forbid"), **wanted)


def _describe(schema: Schema, meanings: Mapping[str, str]) -> None:
    """Give each property its meaning, unless it has one. KeyError for a meaning of what is not there."""
    for name, meaning in meanings.items():
        schema["properties"][name].setdefault("description", " ".join(meaning.split()))


def _kind(part: Schema) -> str:
    if "anyOf" in part:
        return " or ".join(dict.fromkeys(map(_kind, part["anyOf"])))
    if "$ref" in part:
        name = str(part["$ref"]).rpartition("/")[2]
        return "interval" if name == "Interval" else "object"
    if part.get("type") == "array":
        return "list"
    return str(part.get("type", "any value"))
