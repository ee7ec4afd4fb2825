"""What a training makes of the curve that its recipe names: a warning, a ceiling for `auto`, or a refusal."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.errors import UserError
from listopd.curve.recorded_curve import read_curve
from listopd.extrapolation import AutoSpec, ConstantSpec, GuardedSpec, PerPositionSpec

BEYOND = {"kind": "constant", "value": 1.4}


def result(midpoint=1.2, limit=1.1, models=None, kinds=None, held=True):
    middle = None if midpoint is None else {"value": midpoint, "low": midpoint - 0.03, "high": midpoint + 0.03}
    return {
        "manifest": {"models": models or {"teacher": {"name": "T", "fingerprint": "t"}}},
        "parts": [],
        "curve": {
            "self_test": {"held": held},
            "limit": limit,
            "advice": "so far",
            "cliff": {"midpoint": middle, "lams": [1, 2]},
            "breaks": {"kinds": kinds or {"missing_id": 5, "unknown_id": 1}},
        },
    }


@pytest.fixture
def curve(tmp_path):
    def make(**values):
        file = tmp_path / "curve.json"
        file.write_text(json.dumps(result(**values)))
        return str(file)

    return make


def test_beyond_the_midpoint_the_figure_is_named(curve):
    place = curve()
    found = read_curve(place).warning(1.4)
    assert found is not None and "λ = 1.4 lies beyond" in found and "midpoint 1.200 [1.170, 1.230]" in found
    assert place in found and "most of them as missing_id" in found and "λ up to 1.1 is not" in found
    assert read_curve(place).warning(1.2) is None
    assert read_curve(curve(midpoint=None)).warning(5.0) is None


def test_a_curve_that_failed_its_self_test_guides_no_training(curve):
    with pytest.raises(UserError, match="failed its self-test"):
        read_curve(curve(held=False))


@given(st.floats(1, 3), st.floats(0.5, 3))
def test_auto_never_gets_a_ceiling_beyond_the_limit(tmp_path_factory, ceiling, limit):
    file = tmp_path_factory.mktemp("curve") / "curve.json"
    file.write_text(json.dumps(result(limit=limit)))
    kept = read_curve(str(file)).guard(AutoSpec(ceiling=ceiling))
    assert isinstance(kept, AutoSpec) and 1 <= kept.ceiling <= max(1.0, min(ceiling, limit))
    assert kept.most == kept.ceiling and kept == AutoSpec(ceiling=kept.ceiling)


@pytest.mark.parametrize(
    ("spec", "most"),
    [
        (ConstantSpec(value=1.7), 1.7),
        (GuardedSpec(value=1.7), 1.7),
        (PerPositionSpec(scaffold=1.1, values=1.7), 1.7),
        (AutoSpec(ceiling=1.05), 1.05),
    ],
)
def test_only_auto_chooses_lambda_so_only_auto_is_held(curve, spec, most):
    assert read_curve(curve()).guard(spec) == spec and spec.most == most


@pytest.mark.parametrize(
    ("ceiling", "limit", "midpoint", "said"),
    [
        (1.5, 1.0, None, ("shows no λ above 1", "λ stays 1", "leave opd.curve out", ". so far")),
        (1.5, 0.9, None, ("shows no λ above 1", "λ stays 1")),
        (1.5, 1.0, 1.2, ("allows no λ above 1", "λ stays 1", "leave opd.curve out")),
        (1.5, 1.2, 1.3, ("allows λ up to 1.2", "1.5 was its ceiling")),
        (1.2, 1.2, 1.3, None),
        (1.0, 0.5, None, None),
    ],
)
def test_a_ceiling_that_is_lowered_is_told(curve, ceiling, limit, midpoint, said):
    place = curve(limit=limit, midpoint=midpoint)
    found = read_curve(place).lowered(AutoSpec(ceiling=ceiling))
    if said is None:
        assert found is None
    else:
        assert found is not None and place in found and "\n" not in found and all(words in found for words in said)
        assert "prompts" not in found, "what would decide is the curve's own advice to give"
    assert read_curve(place).lowered(ConstantSpec(value=ceiling)) is None


@given(st.floats(1, 3), st.floats(0.5, 3))
def test_it_is_told_exactly_where_auto_is_held(tmp_path_factory, ceiling, limit):
    file = tmp_path_factory.mktemp("curve") / "curve.json"
    file.write_text(json.dumps(result(limit=limit)))
    spec, found = AutoSpec(ceiling=ceiling), read_curve(str(file))
    assert (found.lowered(spec) is None) == (found.guard(spec) == spec)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (None, "no such curve"),
        ("[]", "no result of `listeval probe`"),
        ("{", "no result of `listeval probe`"),
        ('{"manifest": {"models": {}}}', "made no curve"),
        ('{"manifest": {"models": {}}, "curve": {"self_test": {"held": true}, "limit": "x"}}', "curve.limit"),
    ],
)
def test_a_file_that_is_no_curve_is_refused(tmp_path, text, cause):
    file = tmp_path / "curve.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UserError, match=cause):
        read_curve(str(file))


def fingerprints(opd_recipe, train):
    models = train(opd_recipe(extrapolation=BEYOND)).manifest["models"]
    return {role: {"name": role, "fingerprint": models[role]["fingerprint"]} for role in ("teacher", "base")}


def test_the_record_says_which_policy_was_in_force(opd_recipe, train, curve):
    from listopd.push.origin import Origin
    from listopd.push.training_facts import facts

    asked = {"kind": "auto", "ceiling": 1.5}
    place = curve(models=fingerprints(opd_recipe, train), limit=1.25)
    run = train(opd_recipe(extrapolation=asked, curve=place))
    assert run.manifest["objective"]["extrapolation"]["ceiling"] == 1.25
    said = dict(facts(Origin(run.out / "checkpoint", "", run.manifest, {})))["λ"]
    assert "ceiling 1.25" in said and "1.5" not in said
    free = train(opd_recipe(extrapolation=asked))
    assert free.manifest["objective"]["extrapolation"]["ceiling"] == 1.5


MEASURED = ("lambda_star", "lambda_flip", "scaffold_p", "scaffold_b", "lambda_remembered")


@pytest.mark.parametrize("limit", [1.0, 1.01])
def test_what_a_held_policy_measures_is_what_a_free_one_does(opd_recipe, train, taught, curve, limit):
    asked = {"extrapolation": {"kind": "auto", "ceiling": 1.5, "scaffold_filter": 0.0}, "max_tokens": 20}
    asked |= {"student": taught(12), "teacher": taught(40), "steps": 1}
    free = train(opd_recipe(**asked))
    place = curve(models=free.manifest["models"], limit=limit, midpoint=None)
    held = train(opd_recipe(curve=place, **asked))
    (line,), (own,) = held.log, free.log
    assert line["lambda"] <= limit
    found = {name: own[name] for name in MEASURED if name in own}
    assert {"lambda_star", "scaffold_p", "scaffold_b"} <= set(found) and {name: line[name] for name in found} == found


CHANGES = {
    "lower limit": ({"limit": 1.02}, True),
    "higher limit": ({"limit": 1.4}, True),
    "another midpoint": ({"midpoint": 1.6}, True),
    "the same, made again": ({}, False),
}


AUTO = {"kind": "auto", "ceiling": 1.5}


@pytest.mark.parametrize(
    ("change", "older", "policy"),
    [
        ("lower limit", False, AUTO),
        ("lower limit", True, BEYOND),
        ("higher limit", True, AUTO),
        ("another midpoint", False, BEYOND),
        ("the same, made again", True, AUTO),
        ("the same, made again", False, BEYOND),
    ],
)
def test_a_training_goes_on_with_its_own_curve_only(
    opd_recipe, train, curve, tmp_path, monkeypatch, change, older, policy
):
    from listopd import state as states

    changes, other = CHANGES[change]
    models = fingerprints(opd_recipe, train)
    if older:  # a version that did not write the curve into its states
        seal = states.seal

        def seal_without(folder, saved):
            seal(folder, saved._replace(inputs={k: v for k, v in saved.inputs.items() if k != "target curve"}))

        monkeypatch.setattr(states, "seal", seal_without)
    first = {"models": models, "limit": 1.3, "midpoint": 1.45}

    def recipe(steps):
        place = str(tmp_path / "curve.json")
        return opd_recipe(extrapolation=policy, curve=place, steps=steps, shared={"save_every": 1})

    curve(**first)
    train(recipe(1), out=tmp_path / "run")
    curve(**first | changes)
    if other:
        with pytest.raises(UserError, match="another target curve"):
            train(recipe(2), out=tmp_path / "run", resume=True)
        curve(**first)
    assert len(train(recipe(2), out=tmp_path / "run", resume=True).log) == 2


def test_a_training_warns_keeps_auto_and_refuses_another_pair(opd_recipe, train, curve, caplog):
    models = fingerprints(opd_recipe, train)
    place = curve(models=models)
    done = train(opd_recipe(extrapolation=BEYOND, curve=place))
    assert "λ = 1.4 lies beyond the target curve's midpoint 1.200" in caplog.text
    assert done.manifest["curve"]["cliff"]["midpoint"]["value"] == 1.2
    assert done.log[-1]["lambda"] == 1.4, "a warning changes nothing"
    caplog.clear()
    kept = train(opd_recipe(extrapolation={"kind": "auto", "ceiling": 1.5}, curve=curve(models=models, limit=1.0)))
    assert [line["lambda"] for line in kept.log] == [1.0, 1.0] and "beyond" not in caplog.text
    assert len([told for told in caplog.messages if "allows no λ above 1, so λ stays 1" in told]) == 1
    models["base"]["fingerprint"] = "0"
    with pytest.raises(UserError, match="of another base"):
        train(opd_recipe(extrapolation=BEYOND, curve=curve(models=models)))
