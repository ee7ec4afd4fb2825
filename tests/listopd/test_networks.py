"""Networks that cannot be compared token by token are refused, each for its own reason; saved ones open again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("transformers", reason="needs transformers")

from listeval.backends.hf.hf_engine import pick_device  # noqa: E402
from listeval.errors import UserError  # noqa: E402
from listopd.networks import agree, as_in_checkpoint, load_network, open_model, save_network  # noqa: E402
from tests.listopd.tiny import CHAT  # noqa: E402

CPU = torch.device("cpu")


@pytest.fixture
def copy(checkpoint, tmp_path):
    """A copy of checkpoint 0 whose files a test may change."""
    return Path(shutil.copytree(checkpoint(0), tmp_path / "copy"))


def edit(file, change):
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def refused(checkpoint, other):
    with pytest.raises(UserError) as error:
        agree(open_model(checkpoint(0)), open_model(str(other)), "teacher")
    assert "\n" not in str(error.value) and str(other) in str(error.value)
    return error.value.cause


def test_models_of_one_tokenizer_agree_whatever_their_weights_and_padded_rows(checkpoint):
    for other in (checkpoint(0), checkpoint(1), checkpoint(1, width=300)):
        agree(open_model(checkpoint(0)), open_model(other), "teacher")


def test_another_vocabulary_is_refused(checkpoint, copy):
    def more(content):
        content["model"]["vocab"]["zz"] = 900

    edit(copy / "tokenizer.json", more)
    assert "another vocabulary (270 of 271 tokens" in refused(checkpoint, copy)


def test_other_special_tokens_are_refused(checkpoint, copy):
    def special(content):
        brace = content["model"]["vocab"]["{"]
        flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        content["added_tokens"].append({"id": brace, "content": "{", "special": True, **flags})

    edit(copy / "tokenizer.json", special)
    edit(copy / "tokenizer_config.json", lambda content: content.update(additional_special_tokens=["{"]))
    assert "set of special tokens (ids [" in refused(checkpoint, copy)


def test_other_stop_tokens_are_refused(checkpoint, copy):
    (copy / "generation_config.json").write_text(json.dumps({"eos_token_id": [5, 270]}))
    assert "stop tokens (ids [270] and [5, 270])" in refused(checkpoint, copy)


def test_another_chat_template_is_refused(checkpoint):
    assert "another chat template" in refused(checkpoint, checkpoint(1, chat=CHAT + " "))


def test_other_merges_under_one_vocabulary_are_refused(checkpoint, copy):
    edit(copy / "tokenizer.json", lambda content: content["model"]["merges"].pop())
    assert "another tokenizer (the same vocabulary" in refused(checkpoint, copy)


def test_a_network_is_float32_in_evaluation_mode_without_the_checkpoint_s_own_sampling(checkpoint, copy):
    (copy / "generation_config.json").write_text(json.dumps({"temperature": 0.6, "top_k": 20, "do_sample": True}))
    network = load_network(open_model(str(copy)), CPU, None, frozen=True)
    assert not network.training
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert (network.generation_config.temperature, network.generation_config.top_k) == (None, None)


def test_the_attention_that_is_asked_for_is_used(checkpoint):
    opened = open_model(checkpoint(0))
    assert load_network(opened, CPU, "eager", frozen=True).config._attn_implementation == "eager"
    with pytest.raises(UserError, match="cannot be loaded"):
        load_network(opened, CPU, "nonesuch", frozen=True)


def test_a_saved_network_keeps_its_stop_tokens_and_its_tied_head(copy, tmp_path):
    (copy / "generation_config.json").write_text(json.dumps({"eos_token_id": [5, 270], "temperature": 0.6}))
    opened = open_model(str(copy))
    network = load_network(opened, CPU, None, frozen=False)
    save_network(network, opened, dict(network.state_dict()), tmp_path / "saved", "float32")
    again = open_model(str(tmp_path / "saved"))
    agree(opened, again, "teacher")
    assert again.stops == (5, 270)
    assert "temperature" not in json.loads((tmp_path / "saved" / "generation_config.json").read_text())
    reloaded = load_network(again, CPU, None, frozen=True).state_dict()
    assert all(torch.equal(tensor, reloaded[name]) for name, tensor in network.state_dict().items())


def test_an_absent_device_is_refused():
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(UserError, match="cannot be used"):
        pick_device("cuda", "precision.device")


SMALL = {
    "vocab_size": 50, "hidden_size": 16, "intermediate_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 8, "pad_token_id": 0, "tie_word_embeddings": False,
}  # fmt: skip
FUSED = {
    "qwen3": {},
    "llama": {},
    "qwen3_moe": {"num_experts": 3, "num_experts_per_tok": 2, "moe_intermediate_size": 8},
    "mixtral": {"num_local_experts": 3, "num_experts_per_tok": 2},
    "gpt_oss": {"num_local_experts": 3, "num_experts_per_tok": 2},
}


@pytest.mark.parametrize("kind", FUSED)
@pytest.mark.parametrize("opened", [False, True])
@pytest.mark.parametrize("lora", [False, True])
def test_weights_go_to_an_engine_as_a_checkpoint_has_them(tmp_path, kind, opened, lora):
    """However a network holds its experts: what transformers would write is what is sent, name by name."""
    from safetensors.torch import load_file
    from transformers import AutoConfig, AutoModelForCausalLM

    from listopd.adapters import add_adapters
    from listopd.parallel import weights_of
    from listopd.recipe import Lora

    network = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **SMALL, **FUSED[kind]))
    network.save_pretrained(tmp_path)
    written = load_file(tmp_path / "model.safetensors")
    if opened:
        network = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    if lora:
        pytest.importorskip("peft", reason="needs peft")
        add_adapters(network, Lora(targets="q_proj"), seed=1)
    scorer = type("Scored", (), {"network": network})
    accelerator = type("Alone", (), {"unwrap_model": staticmethod(lambda scorer: scorer)})
    sent = list(as_in_checkpoint(network, weights_of(accelerator, scorer)))
    assert len(sent) == len(written) and dict(sent).keys() == written.keys()
    assert all(torch.equal(tensor, written[name]) for name, tensor in sent)
