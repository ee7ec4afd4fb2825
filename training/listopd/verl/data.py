"""A recipe's examples in the form that verl reads: a JSON line each, and the score of an answer that it asks for.

    python -m listopd.verl.data listopd-h100 data=PATH > train.jsonl

The score is only logged: the objective has no task reward. It says whether an answer keeps the JSON Schema of its
contract, which is less than the contract (a schema does not know that every id comes once).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from listeval.cli.say import say, say_json
from listeval.contract import Parsed
from listeval.contract.schema import Schema
from listeval.errors import UserError
from listeval.models.channels import split_channels

if TYPE_CHECKING:
    from listopd.recipe import Recipe


def rows(recipe: Recipe) -> Iterator[dict[str, Any]]:
    """The training part of the recipe's data. Raises UserError where there is none."""
    from listopd.questions import load_examples, training_task

    task = training_task(recipe)
    examples, *_ = load_examples(task, recipe)
    for place, example in enumerate(examples):
        schema = task.contract(example.target).json_schema()
        yield {
            "data_source": f"listeval/{recipe.task}",
            "prompt": [message._asdict() for message in example.messages],
            "reward_model": {"style": "rule", "ground_truth": json.dumps(schema, ensure_ascii=False)},
            "extra_info": {"index": place, "id": example.id},
        }


def compute_score(data_source: str, solution_str: str, ground_truth: str, extra_info: Any = None, **_: Any) -> float:
    """1 for an answer that keeps its schema, else 0; verl's signature (`reward.custom_reward_function`).

    Thinking is set apart by the marks of known families: a template is not at hand here.
    """
    reasoning, text = split_channels(solution_str)
    return float(isinstance(_schema(ground_truth).parse(text, "stop", reasoning), Parsed))


@lru_cache(maxsize=4096)
def _schema(text: str) -> Schema:
    return Schema(json.loads(text))


def main(arguments: Sequence[str]) -> int:
    """Write the rows of the recipe `arguments[0]`, changed by the rest, to stdout."""
    from listopd.recipe import read_recipe

    if not arguments:
        say("usage: python -m listopd.verl.data RECIPE [key=value ...] > train.jsonl", err=True)
        return 2
    try:
        for row in rows(read_recipe(arguments[0], arguments[1:])):
            say_json(row)
    except UserError as error:
        say(f"error: {error}", err=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
