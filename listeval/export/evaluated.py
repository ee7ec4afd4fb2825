"""What a card on the hub says of a run: figures with intervals, failures, how to repeat it, and what it does not show.

Cards are read by others: folders of this machine stand there by their last name, addresses of servers not at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from listeval.report.constrained import constraint_words, notes
from listeval.report.markdown import code, escape, table
from listeval.report.page.repeat import not_in_command, run_command, without_password
from listeval.report.shown import kinds_to_show, metrics_to_show
from listeval.runs.figures.as_text import interval, share
from listeval.runs.figures.words import counts, population, title
from listeval.visible import inline

if TYPE_CHECKING:
    from listeval.runs.config import RunConfig
    from listeval.runs.store import Run

_OF_THIS_MACHINE = (
    "base_url", "api_key_env", "device", "batch_size", "concurrency", "timeout_s", "tokenizer", "track", "adapter",
)  # fmt: skip
"""What a run was given that is of no use to others."""
_LOCAL = ("hf", "vllm")
_SHORT = 12
_GENERIC = ("checkpoint", "adapter")
"""Folders whose name says nothing without that of the folder around them."""


def evaluated(run: Run, model: str) -> str:
    """The figures of `run` as Markdown; `model` is what the command that repeats it calls the model."""
    found, made = run.summary, run.manifest
    names = [name for name in metrics_to_show([run]) if name in found.metrics]
    figures = ([escape(title(n)), interval(n, found.metrics[n]), population(n, found, run.metrics)] for n in names)
    kinds = ([kind.value, str(found.kinds[kind]), share(found.kinds[kind], found.n)] for kind in kinds_to_show([run]))
    data = next(iter(made.data.values()))
    facts = [
        f"{counts(found)}; {len(made.config.seeds)} seed(s): {', '.join(map(str, made.config.seeds))}",
        f"data: {escape(_data(data.name, data.source))}, fingerprint {code(data.fingerprint[:_SHORT])}",
        f"engine: {escape(_engine(run))}",
        f"decoding: {'greedy' if not made.config.temperature else f'temperature {made.config.temperature:g}'}, "
        f"at most {made.config.max_tokens} tokens, constraint: {escape(constraint_words(made) or 'none')}",
        f"listeval {escape(made.listeval)}, {escape(made.created[:10])}",
        *(escape(line) for line in (*notes(run), *run.notices)),
    ]
    parts = [
        "\n".join(f"- {fact}" for fact in facts),
        table(["figure", "value [95 % interval]", "over"], figures),
        table(["answer", "count", "share"], kinds),
        f"```\n{command(run, model)}\n```",
    ]
    if besides := not_in_command(_for_others(run, model)):
        parts.append(f"To be typed {escape(inline(besides))}.")
    return "\n\n".join(parts)


def limits(run: Run) -> Iterator[str]:
    """What the figures of `run` leave out, a sentence each."""
    config, found = run.manifest.config, run.summary
    if config.limit is not None or config.samples or config.places or run.hidden:
        yield "Only a part of the data was asked for, so the figures are of that part."
    if run.without_row:
        n = run.without_row
        yield f"The run is not complete: {n} of {found.n + n} samples that were asked for have no row, and no figure."
    if found.errors:
        yield f"The engine failed {found.errors} samples; no rate counts them."
    if found.prompt_too_long:
        yield f"{found.prompt_too_long} prompts left no room for an answer and were not asked; no figure counts them."
    if unscored := found.unscored - found.prompt_too_long:
        yield f"{unscored} answers are unscored, which is not wrong: no mean counts them."
    if run.strays:
        yield f"{len(run.strays)} rows in the run's file are not its own and are left out."
    if config.attempts > 1:
        yield f"An answer that broke its contract was asked for again: a sample has up to {config.attempts} answers."


def command(run: Run, model: str) -> str:
    """What to type for the same evaluation of `model`; the data is named where others can have it, too."""
    return inline(run_command(_for_others(run, model)))


def _for_others(run: Run, model: str) -> RunConfig:
    """The configuration without what is of this machine alone."""
    config = run.manifest.config
    source = next(iter(run.manifest.data.values())).source
    fields = type(config).model_fields
    found: dict[str, Any] = {name: field.get_default() for name, field in fields.items() if name in _OF_THIS_MACHINE}
    found["options"] = {name: shown(value) for name, value in config.options.items()}
    if config.data is not None:
        found["data"] = "hub" if source.startswith("hf://") else local_name(config.data)
    if config.backend not in _LOCAL:
        found["backend"] = "auto"
    return config.model_copy(update=found | {"model": model})


def shown(value: Any) -> Any:
    """An option's value for others to read: of a path on this machine only its end."""
    return local_name(value) if isinstance(value, str) else value


def local_name(text: str) -> str:
    """The last name of a path on this machine, with its folder's where it says nothing alone; other texts as they are.

    A path begins like one (`/`, `~`, `.`) or has more than the one slash that a name on the hub has. An address loses
    what may be a password or a signature in it.
    """
    if "://" in text:
        return without_password(text).partition("?")[0].partition("#")[0]
    if not (text.startswith(("/", "~", ".")) or text.count("/") > 1):
        return text
    parts = [part for part in PurePath(text).parts if part not in ("/", "..", "~")]
    generic = bool(parts) and (parts[-1] in _GENERIC or parts[-1].startswith("step-"))
    return "/".join(parts[-2:] if generic else parts[-1:]) or text


def _data(name: str, source: str) -> str:
    return f"{name} ({local_name(source)})" if name and name != source else local_name(source)


def _engine(run: Run) -> str:
    made = run.manifest.backend
    return " ".join(
        [made.name, *(f"{name} {version}" for name, version in made.versions.items() if name != "listeval")]
    )
