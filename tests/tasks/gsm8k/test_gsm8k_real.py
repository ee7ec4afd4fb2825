"""All rows of the real data: every gold answer parses and is correct, and stops being so by one."""

from __future__ import annotations

from fractions import Fraction

import pytest

from listeval.contract import Parsed
from tasks.gsm8k.task import Gsm8k, Gsm8kOptions


@pytest.mark.parametrize(("split", "count"), [("test", 1_119), ("train", 7_473)])
def test_every_gold_answer_is_correct(shared_data, split, count):
    task = Gsm8k(Gsm8kOptions(split=split))
    examples = task.load(str(shared_data / "gsm8k"), 0).examples
    assert len({example.id for example in examples}) == count
    targets = [example.target for example in examples]
    parsed = [task.contract(target).parse(task.gold(target)) for target in targets]
    values = [one.value for one in parsed if isinstance(one, Parsed)]
    assert [verdict.name for verdict in task.score(targets, values)] == ["correct"] * count
    off = [{**target, "answer": str(Fraction(target["answer"]) + 1)} for target in targets]
    assert [verdict.name for verdict in task.score(off, values)] == ["wrong"] * count
    assert not any("<<" in message.content for example in examples for message in example.messages)


def test_eight_worked_examples(shared_data):
    examples = Gsm8k(Gsm8kOptions(shots=8)).load(str(shared_data / "gsm8k"), 0).examples
    assert {len(example.messages) for example in examples} == {17}
    assert len({example.messages[:-1] for example in examples}) == 1
