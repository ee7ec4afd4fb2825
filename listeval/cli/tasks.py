"""`listeval tasks`: what can be run, and what a task's prompt, contract and gold answer look like."""

from __future__ import annotations

from collections.abc import Mapping

import click

from listeval.errors import UserError


@click.group("tasks", short_help="List tasks, or show one: prompt, contract, gold answer.")
def command() -> None:
    """Tasks are found in ./tasks, $LISTEVAL_PATH, installed plug-ins and the bundled folder."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object to stdout.")
def list_tasks(as_json: bool) -> None:
    """Every task by name, with where it was found."""
    from listeval.registry import find_all

    found = find_all()
    if as_json:
        import json

        click.echo(json.dumps({name: ref.origin for name, ref in found.items()}))
        return
    for name, ref in found.items():
        click.echo(f"{name:<16} {ref.origin}")


@command.command("show")
@click.argument("name")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Task option, repeatable.")
@click.option("--data", metavar="PATH|hub", help="Data; default: the bundled sample.")
def show_task(name: str, settings: tuple[str, ...], data: str | None) -> None:
    """Options of NAME, then its first example: prompt, JSON Schema, gold answer."""
    import json

    from listeval.cli.run import parse_setting
    from listeval.runs.plan import make_task

    task = make_task(name, dict(map(parse_setting, settings)))
    dataset = task.load(data, 0)
    if not dataset.examples:
        raise UserError(f"task '{name}' has no example here", place=dataset.source, fix="give other --data or options")
    example = dataset.examples[0]
    click.echo(f"{task.name} (version {task.version}): {task.summary}")
    click.echo(f"metrics: {', '.join(metric.name for metric in task.metrics)}")
    for option, field in task.Options.model_fields.items():
        click.echo(f"  --set {option}={field.default}  {field.description or ''}")
    click.echo(f"data: {dataset.source}, {len(dataset.examples)} examples; {_counts(dataset.counts)}")
    for message in example.messages:
        click.echo(f"\n[{message.role}]\n{message.content}")
    click.echo(f"\n[contract]\n{json.dumps(task.contract(example.target).json_schema())}")
    click.echo(f"\n[gold answer]\n{task.gold(example.target)}")


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts.items())
