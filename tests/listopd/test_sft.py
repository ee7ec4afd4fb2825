"""The warm start: loss on the right answer's tokens only, from a checkpoint or from nothing."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("accelerate", reason="needs accelerate")

from listeval.errors import UserError  # noqa: E402
from listopd.networks import open_model  # noqa: E402
from listopd.questions import batches, load_questions, training_task  # noqa: E402
from listopd.recipe import Recipe  # noqa: E402
from tests.listopd.tiny import tiny_model  # noqa: E402

SCRATCH = {"hidden": 16, "layers": 1, "heads": 2, "intermediate": 16, "vocab": 300, "ids": "[ab][0-9]+"}


def recipe(model, **shared):
    section = {"model": model, "steps": 3, "batch": 8, "optimiser": {"lr": 1e-2}} | shared.pop("sft", {})
    return Recipe.model_validate({"task": "pairs", "sft": section, "precision": {"save": "float32"}} | shared)


@pytest.mark.parametrize("precision", [{}, {"tokens_per_pass": 64}, {"packing": "on"}], ids=["whole", "cut", "packed"])
def test_the_loss_is_the_mean_over_answer_tokens(pairs, train, checkpoint, precision):
    run = train(recipe(checkpoint(0), precision=precision), stage="sft")
    opened = open_model(checkpoint(0))
    questions = load_questions(training_task(recipe("x")), recipe("x"), opened, None).kept
    network, nll, tokens = tiny_model(0), 0.0, 0
    for prompt, gold in ((q.prompt, q.gold) for q in next(batches(questions, 8, seed=0))):
        logits = network(torch.tensor([prompt + gold])).logits[0, len(prompt) - 1 : -1]
        nll -= float(logits.detach().log_softmax(-1).gather(1, torch.tensor(gold)[:, None]).sum())
        tokens += len(gold)
    assert run.log[0]["loss"] == pytest.approx(nll / tokens, rel=1e-5)
    assert run.log[-1]["loss"] < run.log[0]["loss"]


def test_from_nothing_with_a_tokenizer_of_the_task_s_own_text(pairs, train):
    run = train(recipe(SCRATCH), stage="sft")
    opened = open_model(str(run.out / "checkpoint"))
    assert len(opened.renderer.tokenizer) <= 300 and opened.vocab_size == len(opened.renderer.tokenizer)
    assert run.manifest["models"]["start"]["name"] == "random weights", "no name of a folder that is gone"
    again = train(recipe(SCRATCH), stage="sft")
    assert all(torch.equal(tensor, again.weights[name]) for name, tensor in run.weights.items())
    other = train(recipe(SCRATCH, seed=1), stage="sft")
    assert not all(torch.equal(tensor, other.weights[name]) for name, tensor in run.weights.items())


def test_a_tokenizer_may_be_shared_so_that_models_can_be_distilled(pairs, train, checkpoint):
    small = {key: value for key, value in SCRATCH.items() if key not in ("vocab", "ids")}
    run = train(recipe(small | {"tokenizer": checkpoint(0)}), stage="sft")
    from listopd.networks import agree

    agree(open_model(checkpoint(0)), open_model(str(run.out / "checkpoint")), "student")


def test_the_wider_batch_needs_more_data(pairs, train, checkpoint):
    with pytest.raises(UserError, match="16 examples, a batch 32"):
        train(recipe(checkpoint(0), sft={"batch": 32}), stage="sft")


def test_epochs_drop_the_partial_batch(pairs, train, checkpoint):
    run = train(recipe(checkpoint(0), sft={"steps": None, "epochs": 2, "batch": 6}), stage="sft")
    assert len(run.log) == 4
