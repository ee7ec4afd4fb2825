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
    models["base"]["fingerprint"] = "0"
    with pytest.raises(UserError, match="of another base"):
        train(opd_recipe(extrapolation=BEYOND, curve=curve(models=models)))
