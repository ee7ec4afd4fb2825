"""Processes that shard hold their part of all networks, step as one process does, and go on in any number."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("accelerate", reason="needs accelerate")

from types import SimpleNamespace  # noqa: E402

from listopd import sharding  # noqa: E402
from listopd.score import Scorer  # noqa: E402
from tests.listopd.launched import FSDP, ROOT, TORCHRUN, assert_alike, assert_near, launch, trained, written  # noqa: E402
from tests.listopd.tiny import tiny_model  # noqa: E402

GIVEN = ROOT / "tests" / "listopd" / "given_step.py"


def test_a_decoder_layer_is_the_unit_of_sharding_whoever_looks_for_it():
    scorer = Scorer(tiny_model())
    assert scorer._no_split_modules == ["Qwen3DecoderLayer"] and scorer.units == {"Qwen3DecoderLayer"}


def test_where_nobody_shards_a_network_stays_whole():
    scorer, accelerator = Scorer(tiny_model()), SimpleNamespace(state=SimpleNamespace(), num_processes=8)
    assert sharding.shard(scorer, accelerator, keep_head=True) is scorer and sharding.shards_of(accelerator) == 1
    sharding.release([scorer])
    own = sum(p.numel() * p.element_size() for p in scorer.parameters())
    assert sharding.held_bytes(scorer.network) == own


def given(recipe, out, settings):
    """`given_step.py` in one process, or in two that shard: what each found, and the weights."""
    command = [*TORCHRUN, GIVEN] if settings else ["tests.listopd.given_step"]
    done = launch([*command, written(recipe, out), out], settings)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads((out / "found.json").read_text()), torch.load(out / "weights.pt")


@pytest.mark.slow
@pytest.mark.parametrize("objective", [{}, {"divergence": "rkl"}], ids=["sampled", "exact"])
def test_a_sharded_bfloat16_step_is_that_of_one_process_with_half_the_frozen_weights(opd_recipe, tmp_path, objective):
    """Bounds: loss 1e-4, norm of the gradient 1e-3, both relative; weights as in float32 (`assert_near`)."""
    recipe = opd_recipe(
        batch=8, objective=objective, extrapolation={"kind": "constant", "value": 1.5},
        shared={"precision": {"compute": "bfloat16", "tokens_per_pass": 128}},
    )  # fmt: skip
    (one,), alone = given(recipe, tmp_path / "one", {})
    two, together = given(recipe, tmp_path / "two", FSDP)
    assert len(two) == 2 and one["memory"]["held"] > 100_000
    for found in two:
        for when, held in found["memory"].items():
            assert held < 0.52 * one["memory"][when], when
        assert found["student_minus_base"] == one["student_minus_base"] == 0
        for name, bound in (("loss", 1e-4), ("grad_norm", 1e-3), ("reverse_kl", 1e-4)):
            assert found["figures"][name] == pytest.approx(one["figures"][name], rel=bound), name
    assert_near(together, alone)


def stopping_at(recipe, steps):
    return recipe.model_copy(update={"opd": recipe.opd.model_copy(update={"steps": steps}), "save_every": steps})


@pytest.mark.slow
def test_a_state_goes_on_in_another_number_of_processes(opd_recipe, train, taught, tmp_path):
    """Weights to the bit, and the optimiser: four steps, of which one, two or nobody shards, are the same four."""
    beyond = {"kind": "constant", "value": 1.5}
    recipe = opd_recipe(
        student=taught(12), teacher=taught(40), batch=8, max_tokens=12, steps=4, extrapolation=beyond,
        shared={"precision": {"save": "float32"}},
    )  # fmt: skip
    whole = train(recipe)
    # Whatever accelerate was told of its own states.
    full = FSDP | {"FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT"}
    two = trained(stopping_at(recipe, 2), "opd", tmp_path / "two", full)
    again = train(stopping_at(recipe, 2), out=two.out, resume=True)
    assert all(torch.equal(tensor, again.weights[name]) for name, tensor in two.weights.items())
    assert_alike(train(recipe, out=two.out, resume=True), whole)
    one = train(stopping_at(recipe, 2), out=tmp_path / "one")
    assert_alike(trained(recipe, "opd", one.out, FSDP, "--resume"), whole)
