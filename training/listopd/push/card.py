"""The model card of a trained checkpoint, by huggingface_hub's own classes: its origin, what was measured, what not."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from listeval.errors import UserError
from listeval.export.evaluated import evaluated, limits, shown
from listeval.export.hub_upload import hub
from listeval.export.model_card import results
from listeval.report.heading import run_title
from listeval.report.markdown import escape, table
from listopd.push.training_facts import base_of, data_set_of, facts, part

if TYPE_CHECKING:
    from listeval.runs.store import Run
    from listopd.push.origin import Origin

_TEMPLATE = Path(__file__).with_name("card.md.jinja")
_NOT_MEASURED = (
    "Not measured: other tasks, data, languages, prompts and decoding than those above; whether answers are true, fair"
    " or safe beyond what the task scores."
)


class CardDetails(NamedTuple):
    """What only the user can say for the card."""

    repository: str
    licence: str = ""
    base: str | None = None
    """The hub's model that training began from; None for what the training's record is sure of."""


def check_runs(origin: Origin, runs: Sequence[Run]) -> None:
    """Raises UserError for a run of another checkpoint, one that is named twice, and one that answered nothing."""
    seen: set[Path] = set()
    for run in runs:
        made = run.manifest.model
        if made.weights != origin.fingerprint:
            cause = f"this run is of another model ({made.title}, {made.weights}) than {origin.fingerprint}"
            fix = f"evaluate this one: listeval run --model {shlex.quote(str(origin.checkpoint))}"
            raise UserError(cause, place=str(run.path), fix=fix)
        if run.path.resolve() in seen:
            raise UserError("this run is named twice", place=str(run.path), fix="name it once")
        seen.add(run.path.resolve())


def make_card(origin: Origin, runs: Sequence[Run], said: CardDetails) -> Any:
    """The card as huggingface_hub's `ModelCard`. Raises UserError where a run has no figure."""
    client = hub()
    name = said.repository.rpartition("/")[2]
    data_set = data_set_of(origin)
    data = client.ModelCardData(
        model_name=name,
        license=said.licence or None,
        base_model=said.base or base_of(origin),
        datasets=[data_set] if data_set else None,
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=["listeval", *(["listopd"] if origin.manifest else [])],
        eval_results=[one for run in runs for one in results(run)] or None,
    )
    known = [(escape(label), value) for label, value in facts(origin)] if origin.manifest else []
    return client.ModelCard.from_template(
        data,
        template_path=str(_TEMPLATE),
        title=escape(name),
        repository=said.repository,
        facts=table(["what", "value"], known) if known else "",
        runs=[{"title": escape(run_title(run)), "body": evaluated(run, said.repository)} for run in runs],
        limits="\n".join(f"- {escape(line)}" for line in dict.fromkeys(_limits(origin, runs))),
        task=_command(origin, said.repository) if not runs else "",
        licence=escape(said.licence) if said.licence else "Its owner has stated none yet.",
    )


def _limits(origin: Origin, runs: Sequence[Run]) -> Iterator[str]:
    for run in runs:
        made = run.manifest
        yield (
            f"Measured: {run.summary.n} samples of {made.task.name}, constraint {made.constraint}. The intervals say"
            " how well the figures are known from these samples, not how another training or other data would come out."
        )
        yield from limits(run)
        yield from _overlap(origin, run)
    if runs and origin.manifest:
        yield "One training with one seed; what another seed would give is not known from it."
    yield _NOT_MEASURED if runs else "Not measured: anything."


def _overlap(origin: Origin, run: Run) -> Iterator[str]:
    """What training and evaluation share."""
    trained = part(origin.manifest, "data")
    same = [data for data in run.manifest.data.values() if data.fingerprint == trained.get("fingerprint")]
    if not same:
        return
    before, now = part(part(origin.manifest, "task"), "options"), run.manifest.task.options
    apart = [f"{k} {shown(before.get(k))} and {shown(now.get(k))}" for k in now if before.get(k) != now[k]]
    if apart:
        # A part that left nothing to other parts is all of the file, whatever it is called.
        counts = [part(trained, "counts"), *(data.counts for data in same)]
        whole = any(read.get("other_splits") == 0 for read in counts)
        shared = ", but one of them read all of it: the figures are of data that was trained on" if whole else ""
        yield f"Training and evaluation read the same file; their options differ ({'; '.join(apart)}){shared}."
    else:
        yield "The evaluation's data is what the model was trained on: the figures say nothing of other data."


def _command(origin: Origin, repository: str) -> str:
    task = part(origin.manifest, "task").get("name")
    return f"listeval run --task {shlex.quote(task)} --model {repository}" if isinstance(task, str) else ""
