"""A whole target curve on tiny checkpoints: its self-test, going on after a stop, and what the command line does."""

from __future__ import annotations

import json
import math
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch

from listeval.cli.main import main
from listeval.errors import UserError
from listopd import target_curve
from listopd.curve import run_curve
from listopd.curve.breaks import Break, Mechanism, find_breaks, leaves
from listopd.curve.locked import FLOOR, GRID
from listopd.curve.run_curve import arms_of
from listopd.probe.answers import ProbeAnswer, ProbeQuestion
from listopd.probe.observations import Observations
from listopd.probe.probe_config import build_config
from listopd.probe.vocabulary import Vocabulary
from listopd.probe.walk import reference
from listopd.tokens import TokenClass

LAMS = (1.5, 3.0)


@pytest.fixture
def pair(pairs, taught):
    """A teacher that writes most right answers, and a base that has begun to; the words of a curve of both."""
    return {"teacher": taught(40), "base": taught(20), "task": "pairs"}


@pytest.fixture
def quick():
    return {"limit": 6, "lambdas": LAMS, "max_tokens": 48, "bootstrap": 100, "on": "gold"}


def test_the_curve_gives_back_both_models_and_judges_every_lambda(pair, quick):
    said: list[str] = []
    found = target_curve(**pair, **quick, say=said.append)
    assert [point.lam for point in found.points] == [0.0, 1.0, *LAMS]
    assert found.self_test.held and (found.self_test.base, found.self_test.teacher) == (6, 6)
    for own, models in ((found.self_test.base_parsed, 0), (found.self_test.teacher_parsed, 1)):
        assert own[0] == own[1] == found.points[models].kinds.get("ok", 0)
    for point in found.points:
        assert point.n == sum(point.kinds.values()) == 6
        assert point.parse_rate.value == pytest.approx(point.kinds.get("ok", 0) / 6)
    assert found.cliff.lams == (1.0, *LAMS) and np.shape(found.outcomes.good) == (1, 3, 6)
    assert found.advice and any("decoding at 4 λ" in line for line in said)
    assert json.loads(json.dumps(found.to_dict(), default=float))["floor"] == FLOOR


def test_a_curve_of_one_model_against_itself_is_flat(pair, quick):
    same = pair | {"base": pair["teacher"]}
    points = target_curve(**same, **quick).points
    assert all(point.kinds == points[0].kinds for point in points)


def test_a_stopped_curve_goes_on_and_says_the_same(pair, quick, tmp_path, monkeypatch):
    file = tmp_path / "curve.answers.jsonl"
    monkeypatch.setattr(run_curve, "_ROWS", {"cpu": 8, "cuda": 8})
    whole, decode, calls = target_curve(**pair, **quick), run_curve._decode, []

    def stops(prompts, *rest):
        calls.append(len(prompts))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return decode(prompts, *rest)

    monkeypatch.setattr(run_curve, "_decode", stops)
    with pytest.raises(KeyboardInterrupt):
        target_curve(**pair, **quick, answers=file)
    assert len(file.read_bytes().splitlines()) == 1 + 4
    file.write_bytes(file.read_bytes() + b'["0/3",[[[1,2')
    calls[:] = [0, 0, 0]
    found = target_curve(**pair, **quick, answers=file)
    assert sum(calls) == 2, "what was known is decoded again"
    assert json.dumps(found.to_dict(), default=float) == json.dumps(whole.to_dict(), default=float)
    calls[:] = [0, 0, 0]
    target_curve(**pair, **quick, answers=file)
    assert sum(calls) == 0


@pytest.mark.parametrize("change", [{"lambdas": (1.5, 2.0)}, {"floor": 0.01}, {"max_tokens": 47}])
def test_the_answers_of_another_curve_are_refused(pair, quick, tmp_path, change):
    file = tmp_path / "curve.answers.jsonl"
    target_curve(**pair, **quick, answers=file)
    before = file.read_bytes()
    with pytest.raises(UserError, match="answers of another curve"):
        target_curve(**pair, **(quick | change), answers=file)
    assert file.read_bytes() == before
    lines = before.splitlines(keepends=True)
    file.write_bytes(lines[0] + b"[1, 2]\n")
    with pytest.raises(UserError, match="no prompt's answers"):
        target_curve(**pair, **quick, answers=file)


def test_memory_that_runs_out_halves_the_prompts(pair, quick, monkeypatch):
    whole, decode, sizes = target_curve(**pair, **quick), run_curve.decode, []

    def full(teacher, base, prompts, *rest):
        sizes.append(len(prompts))
        if len(prompts) > 2:
            raise torch.OutOfMemoryError("full")
        return decode(teacher, base, prompts, *rest)

    monkeypatch.setattr(run_curve, "decode", full)
    found = target_curve(**pair, **quick)
    assert [point.kinds for point in found.points] == [point.kinds for point in whole.points]
    assert max(sizes) == 6 and min(sizes) <= 2
    monkeypatch.setattr(run_curve, "decode", lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError("full")))
    with pytest.raises(UserError, match="memory runs out on one prompt"):
        target_curve(**pair, **quick)


def test_what_filled_the_memory_is_gone_before_half_of_it_is_tried(pair, quick, monkeypatch):
    decode, live, seen = run_curve.decode, weakref.WeakSet(), []

    def full(teacher, base, prompts, *rest):
        live.update((teacher, base))
        seen.append(len(live))
        if len(prompts) > 2:
            raise torch.OutOfMemoryError("full")
        return decode(teacher, base, prompts, *rest)

    monkeypatch.setattr(run_curve, "decode", full)
    target_curve(**pair, **quick)
    assert len(seen) > 2 and set(seen) == {2}, "earlier attempts still hold their caches"


def test_answers_that_nobody_could_judge_are_null(pair, quick):
    found = target_curve(**pair, **quick)
    good = np.asarray(found.outcomes.good, dtype=float)
    good[0, 1, 2] = np.nan
    told = replace(found, outcomes=replace(found.outcomes, good=good)).to_dict()["good"]
    assert told[1][2] is None and {type(value) for row in told for value in row} == {int, type(None)}


def test_the_grid_has_its_self_test_and_needs_something_above_1(pair):
    def grid(*lams):
        return [arm.lam for arm in arms_of(build_config(pair | {"lambdas": lams}))]

    assert grid(2, 1.5) == [0.0, 1.0, 1.5, 2.0]
    assert [arm.lam for arm in arms_of(build_config(pair))] == [0.0, *GRID]
    with pytest.raises(UserError, match="no λ above 1"):
        grid(0.5, 1)
    with pytest.raises(UserError, match="λ must be"):
        grid(1.5, -2)


def command(pair, *more):
    words = [word for name, value in pair.items() for word in (f"--{name}", value)]
    common = ["--limit", "6", "--max-tokens", "48", "--bootstrap", "100", "--lambdas", "1.5,3", "--on", "gold"]
    with pytest.raises(SystemExit) as ended:
        main(["probe", *words, *common, "--quiet", *more])
    return ended.value.code or 0


def test_the_command_writes_result_answers_and_figure(pair, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="needs matplotlib")
    out, drawing = tmp_path / "probe.json", tmp_path / "curve.svg"
    assert command(pair, "--curve", "--out", str(out), "--curve-figure", str(drawing)) == 0
    told = " ".join(capsys.readouterr().out.split())
    result = json.loads(out.read_text())
    assert "Target curve, untrained: 6 prompts" in told and result["curve"]["advice"] in told
    assert len((tmp_path / "probe.answers.jsonl").read_bytes().splitlines()) == 7
    assert "parse rate" in drawing.read_text()
    first = drawing.read_bytes()
    assert command(pair, "--curve", "--out", str(out), "--curve-figure", str(drawing)) == 0
    assert drawing.read_bytes() == first
    assert command(pair, "--curve", "--json") == 0


def test_a_figure_without_a_curve_is_refused_before_the_work(pair, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="needs matplotlib")
    assert command(pair, "--curve-figure", str(tmp_path / "curve.svg")) == 2
    assert "no curve to draw" in capsys.readouterr().err
    assert command(pair, "--curve", "--curve-figure", str(tmp_path / "curve.txt")) == 2
    assert ".svg or .pdf or .png" in capsys.readouterr().err


# What breaks: the last step of an answer, under odds that are given.

GOLD = b'[{"id":"a","s":1},{"id":"b","s":2}]'
TEXTS = [bytes([byte]) for byte in range(256)]


def answer(text, stopped=True, name="0/0"):
    question = ProbeQuestion(name, None, (), None, reference(GOLD, "id"), 0, 0)
    return ProbeAnswer(question, tuple(text), stopped)


@pytest.fixture
def vocabulary():
    return Vocabulary([*TEXTS, None], [256])


@pytest.mark.parametrize(
    ("text", "stopped", "left"),
    [
        (GOLD, True, False),
        (GOLD, False, False),
        (b'[{"id":"a","s":1}]', True, True),
        (b'[{"id":"a","s":1},', True, True),
        (b'[{"id":"a","s":1},', False, False),
        (b'[{"id":"a","s":1},{"id":"a', True, True),
        (GOLD + b"x", True, True),
        (GOLD + b" ", True, False),
        (b"", True, False),
    ],
)
def test_an_answer_leaves_where_its_last_step_went_wrong(text, stopped, left, vocabulary):
    assert leaves(answer(text, stopped), vocabulary) == left


def observed(monkeypatch, odds):
    """Every answer leaves at `} to ,` of item 1, with these log-odds of teacher and base by answer."""

    def observe(answers, *_):
        rows = [odds[int(a.question.name)] for a in answers for _ in range(2)]
        n = len(rows)
        kinds = np.array([TokenClass.ID, TokenClass.NEXT_ITEM] * len(answers), dtype=np.str_)
        columns = [np.array([row[i] for row in rows], dtype=float) for i in (0, 1)]
        names = [a.question.name for a in answers for _ in range(2)]
        return Observations(names, np.arange(n), kinds, np.ones(n, dtype=int), *columns, np.zeros(n))

    monkeypatch.setattr("listopd.curve.breaks.observe", observe)


def test_breaks_are_told_apart_by_what_the_two_models_say(monkeypatch, vocabulary):
    """Four flips (λ_flip 1.5 and 2), one break of the teacher's own, one that neither model prefers, one elsewhere."""
    observed(monkeypatch, [(1, 3), (1, 3), (1, 2), (1, 2), (-1, 2), (3, 1)])
    early = b'[{"id":"a","s":1}]'
    broken = [(answer(early, name=str(at)), "missing_id") for at in range(6)] + [(answer(GOLD, name="6"), "bad_value")]
    found = find_breaks(2.5, 20, broken, vocabulary, 256, None, None)
    assert isinstance(found, Break)
    assert found.mechanisms == {Mechanism.FLIP: 4, Mechanism.OTHER: 2, Mechanism.TEACHER: 1}
    assert (found.kind, found.mechanism) == ("missing_id", Mechanism.FLIP)
    assert found.steps == {(TokenClass.NEXT_ITEM, 1): 4}
    assert found.flip == pytest.approx(1.75)
    assert find_breaks(2.5, 20, [], vocabulary, 256, None, None) is None


def test_answers_that_break_at_no_step_have_no_flip(monkeypatch, vocabulary):
    observed(monkeypatch, [])
    found = find_breaks(2.0, 3, [(answer(GOLD), "bad_value")], vocabulary, 256, None, None)
    assert found.mechanism is Mechanism.OTHER and found.steps == {} and math.isinf(found.flip)
