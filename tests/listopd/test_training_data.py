"""Prompts and right answers as ids: those of the harness, never cut, ended by the template's own stop token."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("transformers", reason="needs transformers")

from listeval.errors import UserError
from listopd.networks import open_model
from listopd.questions import batches, load_examples, load_questions, stop_token, training_task
from listopd.recipe import Recipe
from tests.listopd.tiny import END

THINK = (
    "{% for m in messages %}{{ m['content'] }}\n{% endfor %}"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>{% endif %}"
)
TURNS = (
    "{% for m in messages %}{{ m['content'] }}{% if m['role'] == 'assistant' %}<|turn|>{% else %}\n{% endif %}"
    "{% endfor %}"
)


def questions(recipe, opened, max_length=None, budget=None):
    return load_questions(training_task(recipe), recipe, opened, max_length, budget)


@pytest.mark.parametrize("thinking", [None, True, False])
def test_prompts_are_those_that_an_evaluation_sends(pairs, checkpoint, thinking):
    from listeval.backends.protocol import BackendOptions
    from listeval.models.checkpoint import open_checkpoint

    recipe = Recipe(task="pairs", thinking=thinking)
    path = checkpoint(0, chat=THINK)
    task = training_task(recipe)
    harness = open_checkpoint(path, BackendOptions(enable_thinking=thinking)).renderer
    sent = [harness.render(example.messages).token_ids for example in task.load(None, 0).examples]
    opened = open_model(path, thinking)
    sft, opd = questions(recipe, opened), questions(recipe, opened, 2048, budget=8)
    assert [q.prompt for q in sft.kept] == [q.prompt for q in opd.kept] == sent
    assert ("</think>" in harness.decode(sent[0])) == (thinking is False)


def test_training_takes_the_training_part(pairs):
    assert training_task(Recipe(task="pairs")).options.split == "train"
    assert training_task(Recipe(task="pairs", options={"split": "test"})).options.split == "test"


def test_the_right_answer_ends_with_the_stop_token(pairs, checkpoint):
    opened = open_model(checkpoint(0))
    for question in questions(Recipe(task="pairs"), opened).kept:
        text = opened.renderer.decode(question.gold)
        assert question.gold[-1] == opened.renderer.tokenizer.convert_tokens_to_ids(END)
        assert question.contract.parse(text, "stop").__class__.__name__ == "Parsed"


def test_the_template_s_end_of_turn_goes_before_the_tokenizer_s_end_of_sequence(pairs, tmp_path):
    from tests.listopd.tiny import save, tiny_tokenizer

    tokenizer = tiny_tokenizer.__wrapped__(TURNS)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|turn|>"]})
    opened = open_model(str(save(tmp_path / "m", tokenizer, width=300)))
    turn, end = tokenizer.convert_tokens_to_ids(["<|turn|>", END])
    assert opened.stops == tuple(sorted((turn, end))), "both end an answer"
    assert stop_token(opened) == turn, "and one is what a right one ends with"


def test_long_prompts_are_left_out_whole_and_counted(pairs, checkpoint):
    recipe = Recipe(task="pairs", options={"longest": 100})
    opened = open_model(checkpoint(0))
    everything = questions(recipe, opened)
    short = questions(recipe, opened, max_length=100, budget=20)
    assert short.counts == {"groups": 16, "used": 12, "too_long": 4}
    assert {q.prompt for q in short.kept} < {q.prompt for q in everything.kept}, "none was cut"
    by_length = questions(recipe.model_copy(update={"max_prompt": 100}), opened)
    assert by_length.counts["too_long"] == 4
    assert [q.key for q in short.kept] == [i for i in range(16) if i % 4 != 3]


def test_the_answer_s_budget_needs_room_too(pairs, checkpoint):
    opened = open_model(checkpoint(0))
    longest = max(len(q.prompt) for q in questions(Recipe(task="pairs"), opened).kept)
    assert questions(Recipe(task="pairs"), opened, longest + 20, budget=20).counts["too_long"] == 0
    assert questions(Recipe(task="pairs"), opened, longest + 19, budget=20).counts["too_long"] > 0


def test_nothing_that_fits_is_an_error_in_one_line(pairs, checkpoint):
    with pytest.raises(UserError, match=r"none of 16 prompts fits.*models 30.*answer 20") as error:
        questions(Recipe(task="pairs"), open_model(checkpoint(0)), 30, budget=20)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("task", "options", "data", "said"),
    [
        ("fashion", {"k": 40}, None, "Fix: options.k="),
        ("fashion", {"k": 1}, None, "options.k: Input should be greater"),
        ("fashion", {"labels": "nowhere"}, None, "give options.labels an existing path"),
        ("mbpp", {"tests_shown": 0}, None, "options.tests_shown: Input should be greater"),
        ("mbpp", {"split": "validation"}, None, "choose another options.split"),
        ("gsm8k", {"shots": 99}, None, "lower options.shots"),
        ("json", {"schema": "nowhere"}, None, "give options.schema an existing path"),
        ("json", {"schema": "a", "contract": "b:C"}, None, "a model (options.contract)"),
        ("json", {}, "hub", "are in no data set of the hub (data). Fix: fetch the rows and give data=FILE"),
        ("fashion", {}, "nowhere", "give data an existing path"),
        ("fashoin", {}, None, "unknown task 'fashoin' (task)"),
    ],
)
def test_what_a_task_says_of_its_options_names_keys_of_the_recipe(task, options, data, said):
    """A task knows the flags of `listeval run`, which a training does not have."""
    recipe = Recipe(task=task, options=options, data=data)
    with pytest.raises(UserError) as refused:
        load_examples(training_task(recipe), recipe)
    assert said in str(refused.value)
    assert not re.search(r"--(set|data|task)\b", str(refused.value))


def test_also_what_a_task_says_of_a_right_answer(pairs, checkpoint, monkeypatch):
    recipe = Recipe(task="pairs")
    task = training_task(recipe)

    def gold(target):
        raise UserError("no answer", place="--set contract", fix="leave out --set contract=a:B, or --set")

    monkeypatch.setattr(task, "gold", gold)
    with pytest.raises(UserError) as refused:
        load_questions(task, recipe, open_model(checkpoint(0)), None)
    assert str(refused.value) == "no answer (options.contract). Fix: leave out options.contract=a:B, or options"


OPENED = "{% for m in messages %}{{ m['content'] }}\n{% endfor %}{% if add_generation_prompt %}<think>\n{% endif %}"
OWN = (
    "{% for m in messages %}{% if m.get('reasoning_content') %}<musing>{{ m['reasoning_content'] }}</musing>{% endif %}"
    "{{ m['content'] + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant\n' }}<musing>{% endif %}"
)
CHOICE = OPENED.replace(
    "<think>\n", "<think>{% if enable_thinking is defined and not enable_thinking %}\n</think>{% endif %}\n"
)
OPENING = {
    "always": (OPENED, None, "a model whose template opens none"),
    "marks of its own": (OWN, None, "a model whose template opens none"),
    "unless told": (CHOICE, None, "thinking: false, or a model"),
    "as told": (CHOICE, True, "thinking: false, or a model"),
}


@pytest.mark.parametrize(("chat", "thinking", "fix"), OPENING.values(), ids=OPENING)
def test_right_answers_are_not_trained_as_thoughts(pairs, train, checkpoint, tmp_path, chat, thinking, fix):
    section = {"model": checkpoint(0, chat=chat), "steps": 1, "batch": 4, "optimiser": {"lr": 1e-3}}
    recipe = Recipe.model_validate({"task": "pairs", "thinking": thinking, "sft": section})
    with pytest.raises(UserError, match="a right answer behind it is a thought") as refused:
        train(recipe, stage="sft", out=tmp_path / "run")
    assert refused.value.fix.startswith(fix) and "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("chat", "thinking"), [(CHOICE, False), (THINK, None), (THINK, False), (TURNS, None)])
def test_prompts_that_leave_no_block_open_are_trained_on(pairs, train, checkpoint, chat, thinking):
    section = {"model": checkpoint(0, chat=chat), "steps": 1, "batch": 4, "optimiser": {"lr": 1e-3}}
    assert train(Recipe.model_validate({"task": "pairs", "thinking": thinking, "sft": section}), stage="sft").log


def test_a_right_answer_that_breaks_its_contract_is_the_task_s_fault(pairs, checkpoint, monkeypatch):
    recipe, task = Recipe(task="pairs"), training_task(Recipe(task="pairs"))
    monkeypatch.setattr(task, "gold", lambda target: "[]")
    with pytest.raises(UserError, match=r"breaks its own contract \(missing_id\)"):
        load_questions(task, recipe, open_model(checkpoint(0)), None)
    # What only rolls out does not read it.
    assert load_questions(task, recipe, open_model(checkpoint(0)), None, budget=8).kept


def test_rollouts_of_a_model_that_thinks_are_distilled_without_a_look_at_right_answers(
    opd_recipe, train, checkpoint, caplog
):
    """They begin inside the block, where the model may think; a right answer there says nothing of the teacher."""
    models = {"student": checkpoint(0, chat=OPENED), "teacher": checkpoint(1, chat=OPENED)}
    run = train(opd_recipe(**models))
    assert len(run.log) == 2 and run.manifest["gold_log_prob"] is None
    assert [r for r in caplog.records if "not compared on right answers" in r.message]


def test_batches_shuffle_each_epoch_and_drop_the_rest():
    stream = batches(list(range(10)), 4, seed=3)
    epochs = [[next(stream), next(stream)] for _ in range(3)]
    for epoch in epochs:
        assert len({item for batch in epoch for item in batch}) == 8
    assert epochs[0] != epochs[1]
    again = batches(list(range(10)), 4, seed=3)
    assert [next(again), next(again)] == epochs[0]
    assert next(batches(list(range(10)), 4, seed=4)) != epochs[0][0]


def test_less_data_than_a_batch_is_refused():
    with pytest.raises(UserError, match="3 examples, a batch 4"):
        next(batches([1, 2, 3], 4, seed=0))
