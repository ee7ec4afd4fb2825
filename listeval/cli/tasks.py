"""`listeval tasks`: what can be run, what a task looks like, a new one, and whether one keeps its own rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import click

from listeval.cli.completion import options_of
from listeval.cli.live_line import LiveLine
from listeval.cli.say import say, say_block, say_json, say_wrapped
from listeval.errors import ExitCode, UserError
from listeval.visible import inline

if TYPE_CHECKING:
    from listeval.plugins.check import CheckResult, Template
    from listeval.task import Task

_DEFAULT_MODEL = "smollm2"


@click.group("tasks", short_help="List tasks, show, make or check one.")
def command() -> None:
    """Tasks are found in ./tasks, $LISTEVAL_PATH, installed plug-ins and the bundled folder."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object to stdout.")
def list_tasks(as_json: bool) -> None:
    """Every task by name, with where it was found."""
    from listeval.plugins.registry import find_all

    found = find_all()
    if as_json:
        say_json({name: refs[0].origin for name, refs in found.items()})
        return
    for name, refs in found.items():
        for ref in refs:
            say(f"{name:<16} {ref.origin}")


@command.command("show")
@click.argument("name", **options_of("--task"))
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Task option, repeatable.")
@click.option("--data", metavar="PATH|hub", help="Data; default: the bundled sample.", **options_of("--data"))
def show_task(name: str, settings: tuple[str, ...], data: str | None) -> None:
    """Options of NAME, then its first example: prompt, JSON Schema, gold answer."""
    import json

    from listeval.cli.consent import allow_options
    from listeval.cli.run import parse_setting
    from listeval.plugins.blame import blame
    from listeval.plugins.open import load, make_task

    options = dict(map(parse_setting, settings))
    allow_options(name, options)
    task = make_task(name, options)
    dataset = load(task, data, 0)
    if not dataset.examples:
        raise UserError(f"task '{name}' has no example here", place=dataset.source, fix="give other --data or options")
    example = dataset.examples[0]
    # Worked out within, said outside: a reader that goes away is no fault of the task.
    with blame(task, f"cannot show its example '{example.id}'"):
        schema, gold = json.dumps(task.contract(example.target).json_schema()), str(task.gold(example.target))
    say_wrapped(f"{task.name} (version {task.version}): {task.summary}", 2)
    say_wrapped(f"metrics: {', '.join(metric.name for metric in task.metrics)}", 2)
    for option, field in zip(task.Options.option_names(), task.Options.model_fields.values(), strict=True):
        say_wrapped(f"  --set {option}={field.default}  {field.description or ''}", 6)
    say_wrapped(f"data: {dataset.source}, {len(dataset.examples)} examples; {_counts(dataset.counts)}", 2)
    for message in example.messages:
        say_block(f"\n[{inline(message.role)}]\n{message.content}")
    say_block(f"\n[contract]\n{schema}")
    say_block(f"\n[gold answer]\n{gold}")


@command.command("new")
@click.argument("name")
def make_task_folder(name: str) -> None:
    """Write a task plug-in to ./tasks/NAME that runs and passes its checks; then make it yours."""
    from pathlib import Path

    from listeval.plugins.new import new_task

    folder = new_task(name, Path("tasks"))
    for file in sorted(folder.iterdir()):
        say(f"wrote {file}")
    say()
    say(f"next: listeval tasks check {name}")


@command.command("check")
@click.argument("name", **options_of("--task"))
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Task option, repeatable.")
@click.option("--data", metavar="PATH|hub", help="Data; default: the bundled sample.", **options_of("--data"))
@click.option(
    "--model",
    metavar="CKPT",
    help="Whose chat template and length prompts must fit (default smollm2).",
    **options_of("--model"),
)
@click.option("--allow-code-execution", is_flag=True, help="Let the task run code, sandboxed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object to stdout.")
def check(
    name: str,
    settings: tuple[str, ...],
    data: str | None,
    model: str | None,
    allow_code_execution: bool,
    as_json: bool,
) -> ExitCode:
    """Check NAME without running a model; exit code 1 where a check fails.

    Gold answers parse and score 1.0, known-bad answers land in their kinds, ids are unique, prompts
    render with a real chat template and fit, and the version was raised if the prompts changed.
    """
    from listeval.cli.consent import allow_options
    from listeval.cli.run import parse_setting
    from listeval.plugins.check import CheckState
    from listeval.plugins.open import make_task, permit

    options = dict(map(parse_setting, settings))
    allow_options(name, options)
    task = make_task(name, options)
    permit(task, allow_code_execution)
    found = []
    colours = {CheckState.OK: "green", CheckState.FAILED: "red", CheckState.SKIPPED: "yellow"}
    with LiveLine() as line:
        for finding in _findings(task, data, model, lambda check: line.show(f"checking {name}: {check}")):
            line.clear()
            found.append(finding)
            if not as_json:
                click.secho(f"{finding.state:<8}", fg=colours[finding.state], nl=False)
                say_wrapped(f"{finding.check:<9}{finding.text}", 17, after=8)
    if as_json:
        say_json({"task": name, "checks": [finding._asdict() for finding in found]})
    return ExitCode.SAMPLES_ERRORED if any(f.state is CheckState.FAILED for f in found) else ExitCode.OK


def _findings(task: Task, data: str | None, model: str | None, begin: Callable[[str], object]) -> Iterator[CheckResult]:
    """`begin` is told what is done next."""
    from listeval.plugins.check import CheckState, check_task
    from listeval.plugins.open import load, ready
    from listeval.plugins.registry import find
    from listeval.plugins.version import record_version

    with ready(task):
        begin("loading")
        # Loaded again by another of its kind: this one may remember what it read.
        again = load(type(task)(task.options), data, 0)
        sound = True
        for result in check_task(task, load(task, data, 0), again, _template(model), begin):
            sound &= result.state is not CheckState.FAILED
            yield result
        begin("version")
        yield record_version(task, find(task.name).home, sound=sound)


def _template(model: str | None) -> Template | None:
    """The template of `model`; without one SmolLM2's, or None where its package is not installed."""
    from listeval.backends.protocol import BackendOptions
    from listeval.models.checkpoint import open_checkpoint
    from listeval.plugins.check import Template

    try:
        checkpoint = open_checkpoint(model or _DEFAULT_MODEL, BackendOptions())
    except UserError:
        if model is not None:
            raise
        return None
    return Template(checkpoint.info.name, checkpoint.renderer, checkpoint.info.max_length)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts.items())
