"""`listeval rubrics`: what judges grade by, and how far two sets of labels agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from listeval.cli.completion import options_of
from listeval.cli.say import say, say_block, say_json
from listeval.errors import UserError

if TYPE_CHECKING:
    from listeval.labelling.labels import Label
    from listeval.stats.intervals import Interval
    from listeval.task import Piece


@click.group("rubrics", short_help="List rubrics, show one, or measure how far labels agree.")
def command() -> None:
    """Rubrics are NAME.yaml in ./rubrics, in the folder `rubrics` beside one of $LISTEVAL_PATH, or bundled."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object to stdout.")
def list_rubrics(as_json: bool) -> None:
    """Every rubric by name, with where it was found."""
    from listeval.labelling.rubric import find_rubrics

    found = find_rubrics()
    if as_json:
        say_json({name: str(file) for name, file in found.items()})
        return
    for name, file in found.items():
        say(f"{name:<16} {file}")


@command.command("show")
@click.argument("name", **options_of("--rubric"))
def show_rubric(name: str) -> None:
    """Criteria, anchors and contract of NAME, and the prompt that a judge gets."""
    import json

    from pydantic import TypeAdapter

    from listeval.labelling.grading import answer_model
    from listeval.labelling.rubric import load_rubric

    rubric = load_rubric(name)
    say(f"{rubric.name} (version {rubric.version}): {rubric.summary}")
    say(f"scale: {rubric.scale.low}-{rubric.scale.high}, whole grades")
    say()
    say("criteria")
    for criterion in rubric.criteria:
        say(f"  {criterion.name}: {criterion.description}")
    say()
    say("anchors")
    for level, meaning in sorted(rubric.anchors.items()):
        say(f"  {level}: {meaning}")
    say_block(f"\n[prompt]\n{rubric.render('TEXT', 'CONTEXT')}")
    say_block(f"\n[contract]\n{json.dumps(TypeAdapter(answer_model(rubric)).json_schema())}")


@command.command("agree")
@click.argument("first", metavar="A")
@click.argument("second", metavar="[B]", required=False)
@click.option("--votes", "data", metavar="DATA", help="Also compare with readers' votes in this data (path or hub).")
@click.option("--task", "task_name", default="fashion", show_default=True, metavar="NAME", help="Reads DATA.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object to stdout.")
def agree(first: str, second: str | None, data: str | None, task_name: str, as_json: bool) -> None:
    """How far labels A agree with labels B, or with readers' votes.

    A and B are labels.jsonl files or the folders that hold them. Weighted kappa (quadratic), Kendall's tau-b
    over all texts and within products, mean absolute difference; 95 % intervals resample products.
    Votes are compared within products only: they grow with a product's readers.
    """
    from listeval.labelling.labels import read_labels

    if second is None and data is None:
        raise UserError(
            "nothing to compare with", place="rubrics agree", fix="give a second label set, or --votes DATA"
        )
    one = read_labels(first, option="A")
    found: dict[str, Any] = {}
    if second is not None:
        found["labels"] = _labels(one, read_labels(second, option="B"), f"{first} and {second}")
    if data is not None:
        found["votes"] = _votes(one, _voted(task_name, data), first)
    if as_json:
        say_json({name: _json(values) for name, values in found.items()})
        return
    from listeval.report.labelling_summary import print_agreement

    print_agreement(found)


def _labels(one: dict[str, Label], other: dict[str, Label], place: str) -> dict[str, Any]:
    from listeval.labelling.labels import in_common
    from listeval.stats.agreement import agreement

    keys = in_common(one, other)
    if not keys:
        raise UserError("the two label sets share no text", place=place, fix="label the same data with both judges")
    products = [one[key].product or other[key].product for key in keys]
    try:
        found = agreement([one[key].grade for key in keys], [other[key].grade for key in keys], products)
    except ValueError as error:
        raise UserError(str(error), place=place, fix="round the grades to those of a scale") from None
    return {**found._asdict(), "only_a": len(one) - len(keys), "only_b": len(other) - len(keys)}


def _voted(task_name: str, data: str) -> dict[str, Piece]:
    from listeval.plugins.blame import blame
    from listeval.plugins.open import make_task

    task = make_task(task_name, {})
    with blame(task, "cannot list its texts"):
        found = task.pieces(data)
    voted = {piece.key: piece for piece in found.pieces if piece.votes is not None}
    if not any(piece.votes for piece in voted.values()):
        raise UserError("no text of this data has a vote", place=found.source, fix="give data with readers' votes")
    return voted


def _votes(one: dict[str, Label], voted: dict[str, Piece], place: str) -> dict[str, Any]:
    from listeval.stats.agreement import against_votes

    keys = [key for key in one if key in voted]
    if not keys:
        raise UserError("no label is of a text in the data", place=place, fix="give the data that was labelled")
    pieces = [voted[key] for key in keys]
    found = against_votes(
        [one[key].grade for key in keys], [float(piece.votes or 0) for piece in pieces], [p.product for p in pieces]
    )
    return {**found._asdict(), "labelled": len(keys), "only_a": len(one) - len(keys)}


def _json(values: dict[str, Any]) -> dict[str, Any]:
    def plain(value: int | Interval) -> Any:
        if isinstance(value, int):
            return value
        return {name: None if limit != limit else limit for name, limit in value._asdict().items()}

    return {name: plain(value) for name, value in values.items()}
