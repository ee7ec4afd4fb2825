"""What a plan advises makes the stage fit the card, typed as it is printed, and what stays is what nothing lowers."""

from __future__ import annotations

import re
import shlex

import pytest

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("accelerate", reason="needs accelerate")

from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from listeval.errors import UserError  # noqa: E402
from listopd.floor import Machine  # noqa: E402
from listopd.plan.fitting import check_fits  # noqa: E402
from listopd.plan.training_plan import make_plan  # noqa: E402
from listopd.recipe import Recipe, changed  # noqa: E402
from tests.listopd.test_training_plan import qwen3  # noqa: E402

LENGTH = {"batch": 8, "steps": 1, "optimiser": {"lr": 1e-5}}
NOTHING = {"architecture": "qwen3", "hidden": 2048, "layers": 8, "heads": 16, "intermediate": 8192, "vocab": 50_000}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    qwen3(1024, 12, 16, 4096, vocab=50_000, positions=24_576).save_pretrained(folder)
    return str(folder)


def advised(recipe, stage, memory, shards=1):
    """The advice for a card of so much memory, and what stays; None where the stage fits."""
    card = Machine(1e12, 1e12, "test", "test", memory)
    plan = make_plan(recipe, stage, "", [card], shards)
    try:
        check_fits(recipe, plan, "r.yaml")
    except UserError as error:
        return error.fix.partition(": ")[::2]
    return None


def peak(recipe, stage, memory, changes=(), shards=1):
    card = Machine(1e12, 1e12, "test", "test", memory)
    return make_plan(changed(recipe, changes), stage, "", [card], shards).on[0].memory.peak


def check(recipe, stage, memory, shards=1):
    found = advised(recipe, stage, memory, shards)
    if found is None:
        return ""
    fixes, stays = found
    assert fixes.endswith("smaller models")
    for fix in fixes.split(", or ")[:-1]:
        if gpus := re.fullmatch(r"(\d+) GPUs \(FSDP2\)(?: with (.+))?", fix):
            assert peak(recipe, stage, memory, (gpus[2] or "").split(), int(gpus[1])) <= memory
        else:
            assert shlex.join(shlex.split(fix)) == fix, "a shell takes it as it stands"
            assert peak(recipe, stage, memory, fix.split(), shards) <= memory
    if stays:
        changes = stays.partition(" stay with ")[2].split()
        lowered = [peak(recipe, stage, memory, changes[:n], shards) for n in range(len(changes) + 1)]
        assert memory < lowered[-1] and lowered == sorted(set(lowered), reverse=True)
    return fixes + stays


OPTIONAL = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@OPTIONAL
@given(
    st.sampled_from([1, 2]),
    st.floats(2e9, 4e10),
    st.sampled_from([None, 300, 8000, 900_000]),
    st.sampled_from([None, 64, 1 << 18]),
    st.sampled_from([{}, {"lora": {"rank": 4}}, {"lora": {"rank": 64}}, {"model": NOTHING}]),
)
def test_each_fix_of_a_warm_start_works_as_it_is_printed(model, shards, memory, prompt, per_pass, own):
    told = {"max_prompt": prompt, "sft": {"model": model} | LENGTH | own, "precision": {"tokens_per_pass": per_pass}}
    said = check(Recipe.model_validate(told), "sft", memory, shards)
    assert "model" not in own or "lora" not in said, "adapters beside random weights"
    assert "opd." not in said


@OPTIONAL
@given(
    st.floats(4e9, 6e10),
    st.sampled_from([300, 8000, 32_000]),
    st.sampled_from([64, 4096]),
    st.sampled_from([{"engine": "hf"}, {"engine": "vllm"}, {"engine": "hf", "lora": {"rank": 16}}]),
    st.booleans(),
)
def test_each_fix_of_a_distillation_works_as_it_is_printed(model, memory, prompt, answer, own, recomputed):
    opd = {
        "student": model,
        "teacher": model,
        "max_tokens": answer,
        "extrapolation": {"kind": "constant", "value": 1.2},
    }
    told = {"max_prompt": prompt, "opd": opd | LENGTH | own, "precision": {"gradient_checkpointing": recomputed}}
    said = check(Recipe.model_validate(told), "opd", memory)
    assert "sft." not in said and (own["engine"] == "vllm" or "gpu_share" not in said)
    assert not recomputed or "gradient_checkpointing" not in said


def test_a_shorter_answer_is_no_fix_where_the_models_bound_both(model):
    opd = {"student": model, "teacher": model, "max_tokens": 64, "engine": "hf", "lora": {}} | LENGTH
    told = Recipe.model_validate({"max_prompt": 32_000, "opd": opd, "precision": {"gradient_checkpointing": True}})
    said = advised(told, "opd", 0.9 * peak(told, "opd", 8e10))
    assert said is not None and "max_prompt" in said[0] and "max_tokens" not in said[0]


def test_vllm_s_share_stays_large_enough_for_its_weights(model):
    opd = {"student": model, "teacher": model, "max_tokens": 64, "engine": "vllm", "gpu_share": 0.5} | LENGTH
    told = Recipe.model_validate({"max_prompt": 500, "opd": opd})
    least = peak(told, "opd", 4e10) - 2e10
    said = advised(told, "opd", 1.6 * least)
    assert said is not None and "opd.gpu_share=0.37" in said[0]
    crowded = advised(told, "opd", 1.02 * least)
    assert crowded is not None and "opd.gpu_share" not in crowded[0]
