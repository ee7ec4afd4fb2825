"""vLLM in each of two processes that shard the student: an engine for each share of the prompts."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("accelerate", reason="needs accelerate")

from tests.listopd.launched import FSDP, trained  # noqa: E402
from tests.listopd.tiny import tiny_model, tiny_tokenizer  # noqa: E402


def checkpoint(folder, seed):
    from transformers import Qwen3ForCausalLM

    config = tiny_model(scale=0.25).config
    # vLLM's attention on a CPU takes no smaller heads.
    config.head_dim = 32
    torch.manual_seed(seed)
    Qwen3ForCausalLM(config).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return str(folder)


@pytest.mark.slow
@pytest.mark.vllm
@pytest.mark.skipif(find_spec("vllm") is None, reason="needs vLLM")
@pytest.mark.parametrize("settings", [{}, FSDP], ids=["ddp", "fsdp2"])
def test_each_process_samples_from_an_engine_that_follows_the_student(opd_recipe, tmp_path, monkeypatch, settings):
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    recipe = opd_recipe(
        student=checkpoint(tmp_path / "student", 0), teacher=checkpoint(tmp_path / "teacher", 1), engine="vllm",
        batch=8, steps=2, max_tokens=12, optimiser={"lr": 0.05},
        shared={"precision": {"compute": "float32", "save": "float32"}, "max_prompt": 200},
    )  # fmt: skip
    run = trained(recipe, "opd", tmp_path / "two", settings)
    # Of both processes' answers: what sampled gave each token the student's log-probability, also once it learnt.
    assert [line["sampling_gap"] < 1e-3 for line in run.log] == [True, True]
    assert run.log[0]["grad_norm"] > 0 and run.log[1]["answer_tokens"] > 1
