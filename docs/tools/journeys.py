"""The five ways that data takes through the house, each a list of the functions that it passes.

Functions are imported, not spelled: their places move with the code, and one that is gone fails the import. A test
follows real runs and sees that each journey passes its steps in this order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from docs.tools.imports import room
from listeval.backends.canary import ask
from listeval.backends.hf.hf_engine import HFBackend
from listeval.backends.null import NullBackend
from listeval.comparison import compare
from listeval.comparison.arms import open_arms
from listeval.comparison.pairing import pair
from listeval.comparison.verdict import recommend
from listeval.contract.base import Contract
from listeval.decoding.bind import bind
from listeval.decoding.constraint import resolve
from listeval.decoding.decoder import Decoder
from listeval.decoding.hf_processor import PermutationProcessor
from listeval.decoding.proof.audit import audit
from listeval.plugins.registry import load_task
from listeval.report.comparison.page import comparison_page
from listeval.runs.execute import run
from listeval.runs.make_rows import make_rows
from listeval.runs.metrics import summarise
from listeval.runs.preparation import load_data, render, row_key
from listeval.runs.prove import prove
from listeval.runs.rows import RowWriter
from listeval.runs.run_loop import RunLoop
from listeval.stats.paired import paired_rate
from listeval.task import Task
from listopd.distillation import prepare, with_lambda
from listopd.objective.advantage import extrapolated_advantage
from listopd.objective.aggregate import aggregate
from listopd.objective.policy import policy_loss
from listopd.on_policy import train_opd
from listopd.rollout.hf import HFSampler
from listopd.trainee import Trainee


class Step(NamedTuple):
    """One function on the way. `anyones`: a plug-in or an adapter has its own in place of this one."""

    function: Callable[..., Any]
    does: str
    anyones: bool = False

    @property
    def name(self) -> str:
        """Where it stands today: module and qualified name."""
        return f"{self.function.__module__}.{self.function.__qualname__}"

    @property
    def room(self) -> str:
        """The part of the house that it is in; of the trainer, its room there."""
        module = self.function.__module__
        return ".".join(module.split(".")[:2]) if module.startswith("listopd.") else room(module)


class Journey(NamedTuple):
    """A way through the house, and what to keep in mind on it."""

    title: str
    note: str
    steps: Sequence[Step]

    @property
    def rooms(self) -> list[str]:
        """Rooms in the order of entering."""
        return [name for name, _ in groupby(step.room for step in self.steps)]


JOURNEYS = (
    Journey(
        "From an example to a request",
        "Nothing is sent before task, data and constraint are known to be sound. A row's key is the hash of all that "
        "determines it, so what is there already is never asked for again.",
        (
            Step(run, "checks the configuration and holds the order of everything that follows"),
            Step(load_task, "finds the plug-in by its name, hashes its code, imports it"),
            Step(load_data, "asks the plug-in for the examples of each seed and refuses ids that repeat"),
            Step(Task.load, "the plug-in's own reading of the data", anyones=True),
            Step(RunLoop.work, "asks for what is owed, and only for that"),
            Step(
                NullBackend.generate,
                "the engine, here the one without a model, takes requests one by one",
                anyones=True,
            ),
            Step(row_key, "names the row by its content, before anything is rendered"),
            Step(render, "turns messages into the exact token ids, by the one renderer of all engines"),
        ),
    ),
    Journey(
        "From a completion to a row",
        "A failed parse goes through the same lines as a right answer. Scores are asked for only where the contract "
        "was kept. The ledger is written before the row, so that no kill leaves a row that looks like another run's.",
        (
            Step(RunLoop.work, "takes completions as they finish, in batches of what has arrived"),
            Step(make_rows, "makes the rows of one batch"),
            Step(Contract.parse, "reads the text, or says by which kind it fails", anyones=True),
            Step(Task.score, "the plug-in's score of what parsed, a batch at a time", anyones=True),
            Step(RowWriter.append, "appends the rows; a kill can tear only the last line"),
            Step(summarise, "recomputes every metric from all rows"),
        ),
    ),
    Journey(
        "From a flag to a mask",
        "A constraint is a wish until an engine has shown that it follows it. The audit says what the engine ignores; "
        "the canary proves that it constrains at all.",
        (
            Step(resolve, "turns `--constraint`, `--engine` and `--spacing` into one specification"),
            Step(bind, "the form of this constraint for one contract: a grammar, an expression, an automaton"),
            Step(prove, "holds the order: audit, then canary, both recorded"),
            Step(audit, "measures which keywords the engine keeps, ignores and refuses"),
            Step(ask, "sends a request whose free answer cannot match"),
            Step(HFBackend.generate, "decodes a batch with one processor", anyones=True),
            Step(Decoder.processor, "binds the contracts of the batch and times it"),
            Step(PermutationProcessor.__call__, "masks what may not come next, after every token"),
        ),
    ),
    Journey(
        "From rows to a page",
        "A comparison is data. Words and pictures are made from it, and no figure is computed a second time.",
        (
            Step(compare, "holds the order"),
            Step(open_arms, "opens each run; `RUN+permutation` is a run repaired from its rows"),
            Step(pair, "joins the arms on the example, and counts what is left out and why"),
            Step(paired_rate, "differences of rates with their intervals and exact tests"),
            Step(comparison_page, "one page that loads nothing"),
            Step(recommend, "the verdict, when a report first asks for it: which way is shown to be better"),
        ),
    ),
    Journey(
        "From a rollout to a gradient",
        "Teacher and base score the student's own tokens. λ is set only after the rollouts were seen, because a policy "
        "may look at how many of them parse. The loss is a pure function of log-probabilities.",
        (
            Step(train_opd, "opens the three models, the data and the sampler"),
            Step(HFSampler.sample, "the student answers", anyones=True),
            Step(prepare, "teacher, base and, where needed, the old student score the rollouts, without gradients"),
            Step(with_lambda, "gives every token its λ"),
            Step(Trainee.update, "one optimiser step over the passes of a minibatch"),
            Step(extrapolated_advantage, "A = (T − S) + (λ − 1)(T − B)"),
            Step(policy_loss, "advantage, ratio and clips become a loss a token"),
            Step(aggregate, "tokens or sequences are averaged"),
        ),
    ),
)


def written() -> Iterator[str]:
    """The journeys as Markdown."""
    for journey in JOURNEYS:
        yield f"### {journey.title}\n\n{journey.note}\n"
        yield from (f"{at}. `{step.name}`: {step.does}{_own(step)}." for at, step in enumerate(journey.steps, 1))
        yield f"\nRooms: {' → '.join(journey.rooms)}.\n"


def _own(step: Step) -> str:
    return " (each plug-in or adapter has its own)" if step.anyones else ""
