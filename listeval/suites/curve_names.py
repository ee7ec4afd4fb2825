"""What curves are called: what their runs have in common, and what tells apart two curves of the same words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from listeval.runs.told_apart import data_words, ends, short

if TYPE_CHECKING:
    from listeval.runs.store import Run

_NOT_TOLD = ("task", "options", "model", "data", "adapter", "constraint", "base_url", "api_key_env", "clock", "out")
"""Fields of a configuration that are told otherwise, differ along a curve, or are nothing for a page."""


def name_curves(option: str, found: Sequence[Sequence[Run]]) -> list[str]:
    """Names of curves by `option`, of which `found` has the runs: no two of them are called alike."""
    firsts = [runs[0] for runs in found]
    names = [_name(run, option) for run in firsts]
    traits = _traits(found)
    for name in [name for name, n in Counter(names).items() if n > 1]:
        own = [at for at, other in enumerate(names) if other == name]
        differing = [key for key in traits[own[0]] if len({traits[at].get(key) for at in own}) > 1]
        for at in own:
            names[at] = ", ".join([name, *(f"{key} {traits[at][key]}" for key in differing)])
    twice = {name for name, n in Counter(names).items() if n > 1}
    return [f"{name}, {run.path}" if name in twice else name for name, run in zip(names, firsts, strict=True)]


def _name(run: Run, option: str) -> str:
    made = run.manifest
    rest = [f"{name}={value}" for name, value in made.config.options.items() if name != option]
    way = [] if made.constraint == "none" else [made.constraint]
    return ", ".join([" ".join([made.task.name, *rest]), Path(made.model.title.rstrip("/")).name, *way])


def _traits(found: Sequence[Sequence[Run]]) -> list[Mapping[str, str]]:
    """What a curve may differ in from others, in words. A budget that is not one along a curve follows its option."""
    firsts = [runs[0] for runs in found]
    models = ends(run.manifest.model.name for run in firsts)
    adapters = ends(run.manifest.config.adapter or "none" for run in firsts)
    traits: list[Mapping[str, str]] = []
    for runs, data in zip(found, data_words(firsts), strict=True):
        made = runs[0].manifest
        budgets = {run.manifest.config.max_tokens for run in runs}
        told = {name: value for name, value in made.config if name not in _NOT_TOLD}
        told["seeds"] = ",".join(map(str, made.config.seeds))
        told["samples"] = ",".join(made.config.samples) or None
        told["max_tokens"] = budgets.pop() if len(budgets) == 1 else "by default"
        own = {"model": models[made.model.name], "adapter": adapters[made.config.adapter or "none"], "data": data}
        traits.append(own | {name.replace("_", " "): "none" if x is None else short(x) for name, x in told.items()})
    return traits
