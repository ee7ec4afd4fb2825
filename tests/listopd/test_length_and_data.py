"""How long a run is, what it keeps on the way, and which data it sees."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("accelerate", reason="needs accelerate")

from listeval.errors import UserError  # noqa: E402
from listopd import questions as data  # noqa: E402
from listopd import three_models  # noqa: E402
from listopd.networks import agree, open_model  # noqa: E402
from listopd.recipe import Recipe  # noqa: E402
from tests.listopd.conftest import weights_in  # noqa: E402
from tests.listopd.test_training_resume import assert_same, forget  # noqa: E402

EXACT = {"save_every": 2, "precision": {"save": "float32"}}


def length(recipe, **changes):
    section = "opd" if recipe.opd else "sft"
    return recipe.model_copy(update={section: getattr(recipe, section).model_copy(update=changes)})


@pytest.mark.parametrize("extrapolation", [{"kind": "constant", "value": 1.5}, {"kind": "guarded", "value": 1.5}])
def test_a_longer_budget_goes_on_to_the_bit_as_if_it_had_been_asked_for_at_once(
    opd_recipe, train, tmp_path, extrapolation
):
    recipe = opd_recipe(steps=3, extrapolation=extrapolation, shared=EXACT)
    whole = train(length(recipe, steps=5))
    forget()
    train(recipe, out=tmp_path / "run")
    assert json.loads((tmp_path / "run" / "state" / "step.json").read_text())["step"] == 3, "also at the end"
    forget()
    grown = train(length(recipe, steps=5), out=tmp_path / "run", resume=True)
    assert_same(grown, whole)
    assert grown.manifest["steps"] == 5


def test_a_warm_start_may_last_more_epochs(train, pairs, checkpoint, tmp_path):
    section = {"model": checkpoint(0), "epochs": 1, "batch": 4, "optimiser": {"lr": 1e-2, "warmup": 2}}
    recipe = Recipe.model_validate({"task": "pairs", "sft": section, **EXACT})
    whole = train(length(recipe, epochs=2), stage="sft")
    forget()
    train(recipe, stage="sft", out=tmp_path / "run")
    forget()
    assert_same(train(length(recipe, epochs=2), stage="sft", out=tmp_path / "run", resume=True), whole)


def test_a_schedule_that_depends_on_the_number_of_steps_is_not_stretched(opd_recipe, train, tmp_path):
    recipe = opd_recipe(steps=2, optimiser={"schedule": "cosine"}, shared=EXACT)
    train(recipe, out=tmp_path / "run")
    with pytest.raises(UserError, match="a cosine schedule of 2 steps has other learning rates than one of 3"):
        train(length(recipe, steps=3), out=tmp_path / "run", resume=True)


def test_fewer_steps_than_are_done_are_refused(opd_recipe, train, tmp_path):
    recipe = opd_recipe(steps=3, shared=EXACT)
    train(recipe, out=tmp_path / "run")
    with pytest.raises(UserError, match="3 steps are trained already, more than 2"):
        train(length(recipe, steps=2), out=tmp_path / "run", resume=True)


def test_checkpoints_on_the_way_are_those_of_shorter_runs(opd_recipe, train, tmp_path):
    recipe = opd_recipe(steps=5, shared={"keep_every": 2, "precision": {"save": "float32"}})
    run = train(recipe, out=tmp_path / "run")
    kept = sorted((run.out / "checkpoints").iterdir())
    assert [folder.name for folder in kept] == ["step-000002", "step-000004"]
    assert [file.name for file in (run.out).glob(".*")] == []
    short = train(length(recipe, steps=2))
    ours = weights_in(kept[0])
    assert all(torch.equal(tensor, ours[name]) for name, tensor in short.weights.items())
    agree(open_model(str(run.out / "checkpoint")), open_model(str(kept[1])), "teacher")


def test_another_seed_trains_on_the_same_data_in_another_order(opd_recipe, train, tmp_path, monkeypatch):
    from listeval.plugins import open as opening

    seen, asked, kept = [], [], opening.load

    def load(task, source, seed):
        asked.append(seed)
        return kept(task, source, seed)

    monkeypatch.setattr(opening, "load", load)
    whole = data.load_questions

    def load_questions(*args):
        found = whole(*args)
        seen.append([question.id for question in found.kept])
        return found

    from listopd import on_policy as opd

    monkeypatch.setattr(opd, "load_questions", load_questions)
    runs = [train(opd_recipe(steps=1, shared=shared)) for shared in ({"seed": 0}, {"seed": 1}, {"data_seed": 7})]
    assert asked == [0, 0, 7] and seen[0] == seen[1]
    assert runs[0].manifest["data"] == runs[1].manifest["data"]
    assert runs[0].figures != runs[1].figures


@pytest.mark.parametrize(
    ("extrapolation", "objective", "loaded"),
    [
        ({"kind": "constant", "value": 1.0}, {}, False),
        ({"kind": "constant", "value": 1.2}, {}, True),
        ({"kind": "per_position", "scaffold": 1.0, "values": 1.0}, {}, False),
        ({"kind": "per_position", "scaffold": 1.0, "values": 1.2}, {}, True),
        ({"kind": "guarded", "value": 1.0}, {}, False),
        ({"kind": "auto", "ceiling": 1.0}, {}, False),
        ({"kind": "auto"}, {}, True),
        ({"kind": "constant", "value": 1.0}, {"kl_to_base": 0.1}, True),
        ({"kind": "constant", "value": 1.0}, {"divergence": "rkl"}, False),
    ],
)
def test_at_lambda_1_there_is_no_base_to_load(opd_recipe, train, monkeypatch, extrapolation, objective, loaded):
    names, kept = [], three_models.load_network
    monkeypatch.setattr(three_models, "load_network", lambda *args, **more: names.append(1) or kept(*args, **more))
    run = train(opd_recipe(steps=1, extrapolation=extrapolation, objective=objective))
    assert len(names) == 2 + loaded
    assert (run.manifest["models"]["base"] is not None) is loaded


@pytest.mark.parametrize("objective", [{}, {"divergence": "rkl"}], ids=["sampled", "exact"])
def test_without_its_base_a_run_at_lambda_1_is_what_it_was_to_the_bit(opd_recipe, train, monkeypatch, objective):
    from listopd.recipe import Opd

    without = train(opd_recipe(objective=objective, shared={"precision": {"save": "float32"}}))
    monkeypatch.setattr(Opd, "needs_base", property(lambda self: True))
    with_base = train(opd_recipe(objective=objective, shared={"precision": {"save": "float32"}}))
    assert_same(without, with_base)
