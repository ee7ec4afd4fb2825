"""Training reads rollouts as an evaluation reads answers, also of a model with marks of its own around its thinking."""

from __future__ import annotations

import pytest

pytest.importorskip("transformers", reason="needs transformers")

from listeval.contract import Kind, Parsed
from listeval.models.channels import split_channels
from listeval.models.renderer import Renderer
from listopd.questions import Question, training_task
from listopd.recipe import Recipe
from listopd.rollout.protocol import Rollout
from listopd.step_figures import judge
from tests.listopd.tiny import tiny_tokenizer

TEMPLATE = (
    "{% for m in messages %}{{ m['role'] + '\n' }}"
    "{% if m.get('reasoning_content') %}BEGIN{{ m['reasoning_content'] }}CLOSE{% endif %}{{ m['content'] + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'assistant\n' }}OPENED{% endif %}"
)
MARKS = [("<musing>", "</musing>"), ("(((", ")))"), ("<think>", "</think>"), ("<musing-about-it-all-at-length>", "|||")]
"""The last opens in more tokens than the end of a prompt is often cut to."""


@pytest.fixture(params=MARKS, ids=lambda marks: marks[0])
def marks(request):
    return request.param


@pytest.fixture(params=[False, True], ids=["", "opened"])
def asked(request, marks, pairs):
    """A renderer whose template writes these marks, a question, a right answer, and what a thought begins with."""
    opened = marks[0] if request.param else ""
    template = TEMPLATE.replace("BEGIN", marks[0]).replace("CLOSE", marks[1]).replace("OPENED", opened)
    renderer, task = Renderer(tiny_tokenizer(template)), training_task(Recipe(task="pairs"))
    example = task.load(None, 0).examples[0]
    prompt = renderer.render(example.messages)
    contract, gold = task.contract(example.target), task.gold(example.target)
    question = Question(example.id, prompt.token_ids, tuple(renderer.encode(gold)), contract, 0)
    return renderer, question, prompt.text, gold, "" if request.param else marks[0]


def rollout(renderer, question, text, finish="stop"):
    stop = renderer.tokenizer.eos_token_id
    ids = (*renderer.encode(text), *([stop] if finish == "stop" else []))
    return Rollout(question, ids, (0.0,) * len(ids), finish), (stop,)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("{begin}Maybe [..]{close}{gold}", Kind.OK),
        ("{begin}Maybe {gold}, or not{close}\n{gold}", Kind.OK),
        ("{begin}Maybe [..]{close}", Kind.WRONG_CHANNEL),
        ("{begin}{gold}", Kind.WRONG_CHANNEL),
        ("{begin}Maybe.{close}[1, 2", Kind.MALFORMED_JSON),
    ],
)
def test_what_a_model_thinks_is_no_part_of_its_answer(asked, marks, said, kind):
    renderer, question, prompt, gold, begin = asked
    text = said.format(begin=begin, close=marks[1], gold=gold)
    answer, stops = rollout(renderer, question, text)
    reasoning, rest = split_channels(text, prompt, renderer.own_marks)
    evaluated = question.contract.parse(rest, "stop", reasoning)
    expected = Kind.OK if isinstance(evaluated, Parsed) else evaluated.kind
    assert expected is kind, "what an evaluation says"
    assert {name: n for name, n in judge([answer], renderer, stops).items() if n} == {kind.value: 1}


def test_the_text_of_a_prompt_s_ids_is_what_was_rendered(asked):
    renderer, question, prompt, *_ = asked
    assert renderer.text_of(question.prompt) == prompt
