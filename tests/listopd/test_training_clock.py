"""A template that prints the date prints one date throughout a training, on whatever day it goes on."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("accelerate", reason="needs accelerate")

from listopd import clock as clocks  # noqa: E402
from listopd import state as states  # noqa: E402
from listopd.clock import keep_clock  # noqa: E402
from listopd.journal import recorded_clock  # noqa: E402
from listopd.recipe import Recipe  # noqa: E402
from tests.listopd.conftest import Trained  # noqa: E402
from tests.listopd.dated import DATED, FIRST, set_day  # noqa: E402


@pytest.fixture
def on(monkeypatch):
    """`on(days)`: it is so many days after the first."""

    return lambda days: set_day(monkeypatch, days)


@pytest.fixture
def go(on, opd_recipe, train, checkpoint, tmp_path):
    """`go(stage, days, steps)`: train, or go on, on a later day."""
    models = {"student": checkpoint(0, chat=DATED), "teacher": checkpoint(1, chat=DATED)}

    def run(stage, days, steps, out="run", resume=False):
        on(days)
        if stage == "opd":
            recipe = opd_recipe(steps=steps, shared={"save_every": 1}, **models)
        else:
            section = {"model": models["student"], "steps": steps, "batch": 4, "optimiser": {"lr": 1e-2}}
            recipe = Recipe.model_validate({"task": "pairs", "sft": section, "save_every": 1})
        return train(recipe, stage=stage, out=tmp_path / out, resume=resume)

    return run


def forget_clock(out, *, state, manifest):
    """As earlier versions wrote them."""
    if state:
        saved = states.unseal(out / "state")._replace(clock=None)
        states.seal(out / "state", saved)
        content = json.loads((out / "state" / "step.json").read_text())
        del content["clock"], content["digest"]
        (out / "state" / "step.json").write_text(json.dumps(content | {"digest": states._digest(content)}))
    if manifest:
        told = json.loads((out / "manifest.json").read_text())
        del told["clock"]
        (out / "manifest.json").write_text(json.dumps(told | {"created": FIRST.isoformat()}))


@pytest.mark.parametrize("stage", ["sft", "opd"])
def test_another_day_goes_on_with_the_same_prompts(go, stage):
    whole = go(stage, 0, 3, out="whole")
    assert go(stage, 1, 3, out="other").figures != whole.figures, "the date is part of the prompts"
    go(stage, 0, 1)
    resumed = go(stage, 40, 3, resume=True)
    assert resumed.figures == whole.figures
    assert resumed.manifest["clock"] == FIRST.isoformat()
    assert states.unseal(resumed.out / "state").clock == FIRST.isoformat()


@pytest.mark.parametrize(("state", "manifest"), [(True, False), (False, True), (True, True)])
def test_the_clock_is_found_wherever_it_was_written_down(go, state, manifest):
    whole = go("sft", 0, 3, out="whole")
    out = go("sft", 0, 1).out
    forget_clock(out, state=state, manifest=manifest)
    assert go("sft", 40, 3, resume=True).figures == whole.figures


def test_a_lost_manifest_takes_no_clock_away(go):
    whole = go("sft", 0, 3, out="whole")
    out = go("sft", 0, 1).out
    (out / "manifest.json").unlink()
    (out / "state").rename(out / ".state.old")  # a kill in the middle of saving
    assert go("sft", 40, 3, resume=True).figures == whole.figures


def test_a_template_without_a_clock_has_none(opd_recipe, train):
    run = train(opd_recipe(shared={"save_every": 1}))
    assert run.manifest["clock"] is None and states.unseal(run.out / "state").clock is None


@pytest.mark.parametrize("text", ["", "[]", '"x"', '{"clock": 3, "created": []}', '{"clock": "soon"}'])
def test_what_tells_no_time_tells_none(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    assert recorded_clock(tmp_path) is None


def test_all_processes_print_the_first_one_s_clock(checkpoint, monkeypatch, tmp_path):
    from listopd.networks import open_model

    theirs = FIRST - timedelta(days=1)
    monkeypatch.setattr(clocks, "gathered", lambda own, accelerator: [theirs, own])
    renderer = open_model(checkpoint(0, chat=DATED)).renderer
    keep_clock(renderer, None, None)
    assert renderer.clock == theirs


@pytest.mark.parametrize("stage", ["sft", "opd"])
def test_a_training_that_is_repeated_from_its_directory_has_its_date(go, on, tmp_path, stage):
    from listopd.recipe import read_recipe
    from listopd.stages import train

    whole = go(stage, 0, 2)
    on(40)
    train(read_recipe(whole.out), stage, tmp_path / "again", lambda *_: None, place=str(whole.out))
    again = Trained(tmp_path / "again")
    assert again.figures == whole.figures and again.manifest["clock"] == FIRST.isoformat()
