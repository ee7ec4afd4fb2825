"""A training's record in words for a card. The record may come from anywhere, so nothing in it is relied on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from listeval.export.evaluated import local_name
from listeval.report.markdown import code, escape

if TYPE_CHECKING:
    from listopd.push.origin import Origin

_STAGES = {"sft": "supervised warm start (SFT)", "opd": "on-policy distillation with reward extrapolation (ListOPD)"}
_MODELS = {
    "start": "started from",
    "student": "started from",
    "teacher": "teacher",
    "base": "base of the extrapolation",
}
_PATHS = ("data", "model", "student", "teacher", "base", "curve", "tokenizer", "name", "source", "path", "reference")
_REVISION = re.compile(r"[0-9a-f]{40}")
_HUB_DATA = re.compile(r"hf://datasets/([^@]+)@")


def facts(origin: Origin) -> Iterator[tuple[str, str]]:
    """Names with values in Markdown."""
    made, recipe = origin.manifest, origin.recipe
    stage = str(made.get("stage", ""))
    section = part(recipe, stage)
    yield "stage", escape(_STAGES.get(stage, stage or "unknown"))
    steps = made.get("steps")
    yield "optimiser steps", escape(f"{origin.step} of {steps}" if origin.step is not None else steps)
    models = part(made, "models")
    yield from ((said, _model(part(models, role))) for role, said in _MODELS.items() if part(models, role))
    objective = part(made, "objective")
    if objective:
        clips = words({k: v for k, v in part(objective, "clips").items() if v is not None}) or "none"
        yield "objective", escape(f"{objective.get('kind')}, divergence {objective.get('divergence')}; clips: {clips}")
        yield "λ", escape(words(part(objective, "extrapolation")))
    if lora := part(section, "lora"):
        yield "adapters", escape(f"LoRA, merged into these weights: {words(lora)}")
    yield from _data(made)
    yield "batch, optimiser", escape(f"{section.get('batch')}; {words(part(section, 'optimiser'))}")
    yield "seed", escape(f"{recipe.get('seed')}, of the data {recipe.get('data_seed')}")
    yield "weights", f"fingerprint {code(origin.fingerprint)}"
    packages = part(part(made, "environment"), "packages")
    versions = {name: packages[name] for name in ("torch", "transformers") if name in packages}
    yield "trained with", escape(f"listeval {made.get('listeval')}; {words(versions)}; on {made.get('device')}")


def base_of(origin: Origin) -> str | None:
    """The hub's model that training began from, where the record is sure that it came from there."""
    models = part(origin.manifest, "models")
    start = part(models, "student") or part(models, "start")
    sure = _REVISION.fullmatch(str(start.get("revision"))) is not None
    return str(start.get("name")) if sure else None


def data_set_of(origin: Origin) -> str | None:
    """The hub's data set that it was trained on, if that is where the data came from."""
    found = _HUB_DATA.match(str(part(origin.manifest, "data").get("source")))
    return found[1] if found else None


def portable(value: Any, key: str = "") -> Any:
    """A record's JSON value for others to read: paths of this machine by their last name."""
    if isinstance(value, dict):
        return {name: portable(one, str(name)) for name, one in value.items()}
    if isinstance(value, list):
        return [portable(one, key) for one in value]
    if isinstance(value, str) and (key in _PATHS or value.startswith(("/", "~/"))):
        return local_name(value)
    return value


def part(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The mapping under `name`; empty where there is none."""
    found = record.get(name)
    return found if isinstance(found, dict) else {}


def words(values: Mapping[str, Any]) -> str:
    """`a 1, b 2`."""
    return ", ".join(f"{name} {portable(value, name)}" for name, value in values.items())


def _model(model: Mapping[str, Any]) -> str:
    revision = f" at revision {model['revision'][:12]}" if isinstance(model.get("revision"), str) else ""
    return f"{escape(local_name(str(model.get('name'))))}{escape(revision)}, fingerprint {_short(model)}"


def _data(made: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    task, data = part(made, "task"), part(made, "data")
    if not data:
        return
    options = words({k: v for k, v in part(task, "options").items() if v is not None})
    yield "task", escape(f"{task.get('name')}{f' ({options})' if options else ''}")
    used = part(data, "counts").get("used")
    count = f", {used:,} examples used" if isinstance(used, int) else ""
    yield "data", f"{escape(local_name(str(data.get('source'))))}{count}, fingerprint {_short(data)}"


def _short(entry: Mapping[str, Any]) -> str:
    return code(str(entry.get("fingerprint")).removeprefix("sha256:")[:12])
