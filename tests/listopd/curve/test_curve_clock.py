"""A curve whose template prints the date prints one date, on whatever day it goes on."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import yaml

pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("accelerate", reason="needs accelerate")

from listeval.errors import UserError
from listopd.curve import run_curve
from listopd.curve.stored_answers import stored_clock
from listopd.probe.probe_config import build_config
from listopd.probe.recipe_settings import read_plan
from listopd.probe.run_probe import probe
from tests.listopd.dated import DATED, FIRST, set_day
from tests.listopd.tiny import CHAT

QUICK = {"limit": 6, "lambdas": (1.5,), "max_tokens": 8, "bootstrap": 100, "on": "gold", "curve": True}


@pytest.fixture
def curve(pairs, checkpoint, monkeypatch):
    """`curve(day)`: the probe with its curve on that day; `recipe` in the place of models and task."""

    def go(day, answers=None, chat=DATED, recipe=None):
        set_day(monkeypatch, day)
        models = {"base": checkpoint(0, chat=chat), "teacher": checkpoint(1, chat=chat), "task": "pairs"}
        asked = QUICK if recipe is not None else QUICK | models
        return probe(build_config(asked if recipe is None else read_plan(str(recipe), asked)), answers=answers)

    return go


def said(found):
    """All but what a manifest says of the day and the place."""
    return json.dumps(found.curve.to_dict(), default=float), [part.bounds for part in found.parts]


def stop_after(monkeypatch, groups):
    """Decoding is stopped after so many groups of two prompts."""
    decode, calls = run_curve._decode, []

    def stops(*args):
        calls.append(1)
        if len(calls) > groups:
            raise KeyboardInterrupt
        return decode(*args)

    monkeypatch.setattr(run_curve, "_ROWS", {"cpu": 6, "cuda": 6})
    monkeypatch.setattr(run_curve, "_decode", stops)
    return lambda: monkeypatch.setattr(run_curve, "_decode", decode)


@pytest.mark.parametrize("groups", [0, 2])
def test_another_day_goes_on_with_the_same_prompts(curve, tmp_path, monkeypatch, groups):
    answers, whole_file = tmp_path / "cut.jsonl", tmp_path / "whole.jsonl"
    go_on = stop_after(monkeypatch, groups)
    with pytest.raises(KeyboardInterrupt):
        curve(0, answers)
    go_on()
    resumed, whole = curve(40, answers), curve(0, whole_file)
    assert said(resumed) == said(whole) and answers.read_bytes() == whole_file.read_bytes()
    assert resumed.manifest["clock"] == FIRST.isoformat()
    assert curve(40).manifest["clock"] == (FIRST + timedelta(days=40)).isoformat()
    assert whole_file.read_bytes() != _fresh(curve, tmp_path, 40), "the date is part of the prompts"


def _fresh(curve, tmp_path, day):
    curve(day, tmp_path / "fresh.jsonl")
    return (tmp_path / "fresh.jsonl").read_bytes()


def test_the_prompts_of_a_training_are_those_that_its_directory_tells(curve, opd_recipe, checkpoint, train, tmp_path):
    recipe = opd_recipe(student=checkpoint(0, chat=DATED), teacher=checkpoint(1, chat=DATED))
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    first = curve(0, recipe=file)
    out = train(recipe, out=tmp_path / "run").out
    later = curve(40, recipe=out)
    assert said(later) == said(first) and later.manifest["clock"] == FIRST.isoformat()
    assert curve(40, recipe=file).manifest["clock"] != FIRST.isoformat(), "a file tells no date"
    answers = tmp_path / "later.jsonl"
    curve(40, answers, recipe=file)
    with pytest.raises(UserError, match=r"answers of another curve: .* date"):
        curve(41, answers, recipe=out)


def test_answers_that_tell_no_date_are_not_mixed_with_dated_ones(curve, tmp_path):
    answers = tmp_path / "a.jsonl"
    curve(0, answers)
    head, *lines = answers.read_bytes().splitlines(keepends=True)
    answers.write_bytes(b"".join([json.dumps({"curve": json.loads(head)["curve"]}).encode() + b"\n", *lines]))
    with pytest.raises(UserError, match=r"answers of another curve: .* date"):
        curve(0, answers)


def test_a_template_without_a_clock_has_none(curve, tmp_path):
    answers = tmp_path / "a.jsonl"
    assert curve(0, answers, chat=CHAT).manifest["clock"] is None
    assert list(json.loads(answers.read_bytes().splitlines()[0])) == ["curve"]
    assert curve(40, answers, chat=CHAT).manifest["clock"] is None


@pytest.mark.parametrize("text", ["", "{}\n", '{"curve":"x","clock":"soon"}\n', "[1]\n", '{"clock":3}\n', '{"clock":'])
def test_what_tells_no_time_tells_none(tmp_path, text):
    (tmp_path / "a.jsonl").write_text(text)
    assert stored_clock(tmp_path / "a.jsonl") is None and stored_clock(tmp_path / "none") is None
