"""The floor of a step: the right card's rates, and every multiplication counted once."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("transformers", reason="needs transformers")

from listopd.batch import AnsweredPrompt  # noqa: E402
from listopd.floor import Machine, Size, Work, known, machine  # noqa: E402
from tests.listopd.tiny import tiny_model  # noqa: E402


@pytest.mark.parametrize(
    ("name", "card", "tera_flops", "tera_bytes"),
    [
        ("NVIDIA H100 80GB HBM3", "H100 SXM", 989, 3.35),
        ("NVIDIA H100 PCIe", "H100 PCIe", 756, 2.0),
        ("NVIDIA H100 NVL", "H100 NVL", 835, 3.9),
        ("NVIDIA H200", "H200 SXM", 989, 4.8),
        ("NVIDIA H200 NVL", "H200 NVL", 836, 4.8),
        ("NVIDIA GH200 480GB", "GH200", 990, 4.0),
        ("NVIDIA GH200 144G HBM3e", "GH200 144 GB", 990, 4.9),
        ("NVIDIA GB200", "GB200", 2500, 8.0),
        ("NVIDIA B200", "B200", 2250, 8.0),
        ("NVIDIA A100-SXM4-80GB", "A100 80 GB SXM", 312, 2.039),
        ("NVIDIA A100 80GB PCIe", "A100 80 GB PCIe", 312, 1.935),
        ("NVIDIA A100-SXM4-40GB", "A100 40 GB", 312, 1.555),
        ("NVIDIA L40S", "L40S", 362, 0.864),
        ("NVIDIA H20", "H20", 148, 4.0),
    ],
)
def test_a_card_has_its_own_data_sheet(name, card, tera_flops, tera_bytes):
    found = known(name)
    assert found.source == f"{card} data sheet"
    assert (found.flops, found.bandwidth) == (pytest.approx(tera_flops * 1e12), pytest.approx(tera_bytes * 1e12))


@pytest.mark.parametrize("name", ["NVIDIA RTX 6000 Ada Generation", "AMD Instinct MI300X", "NVIDIA XH100", ""])
def test_a_card_that_is_not_listed_is_not_taken_for_another(name):
    assert known(name) is None


def test_a_card_that_is_not_listed_is_measured_and_has_a_finite_bandwidth(monkeypatch):
    from listopd import floor

    if not torch.cuda.is_available():
        kept = {name: getattr(torch, name) for name in ("randn", "zeros")}
        for name, make in kept.items():
            monkeypatch.setattr(torch, name, lambda *shape, make=make, device=None, **more: make(*shape, **more))
        monkeypatch.setattr(floor, "_GPU_SIDE", 64)
        monkeypatch.setattr(floor, "_GPU_BYTES", 1 << 20)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Nobody's 1")
    found = machine(torch.device("cuda"))
    assert 0 < found.flops < math.inf and 0 < found.bandwidth < math.inf
    assert found.source.startswith("measured, ") and "copy" in found.source


def test_attention_is_as_wide_as_its_heads_not_as_the_hidden_state():
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        vocab_size=50, hidden_size=16, intermediate_size=8, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, head_dim=32, tie_word_embeddings=False,
    )  # fmt: skip
    size = Size.of(Qwen3ForCausalLM(config))
    assert size.attention == 3 * 4 * 32
    assert size.head == 50 * 16 == size.learned_head


SMALL = {
    "vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2,
    "head_dim": 8, "pad_token_id": 0, "intermediate_size": 8,
}  # fmt: skip
MIXTURES = {
    "qwen3_moe": (3, 12, {"num_experts": 12, "num_experts_per_tok": 3, "moe_intermediate_size": 8}),
    "mixtral": (2, 6, {"num_local_experts": 6, "num_experts_per_tok": 2}),
    "gpt_oss": (1, 8, {"num_local_experts": 8, "num_experts_per_tok": 1}),
    "deepseek_v3": (2, 8, {
        "n_routed_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 8, "first_k_dense_replace": 1,
        "n_group": 1, "topk_group": 1, "q_lora_rank": None, "kv_lora_rank": 4, "qk_rope_head_dim": 4,
        "qk_nope_head_dim": 4, "v_head_dim": 8,
    }),
    "hunyuan_v1_moe": (1, 4, {"num_experts": 4, "moe_topk": 1}),
}  # fmt: skip


@pytest.mark.parametrize("kind", MIXTURES)
def test_only_the_experts_that_a_token_is_sent_to_count(kind):
    # What is not routed (attention, shared experts, dense layers) counts whole.
    from transformers import AutoConfig, AutoModelForCausalLM

    chosen, there, told = MIXTURES[kind]
    with torch.device("meta"):
        network = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **SMALL, **told))
    routed = sum(p.numel() for name, p in network.named_parameters() if ".experts." in name)
    apart = {id(network.get_input_embeddings().weight), id(network.get_output_embeddings().weight)}
    body = sum(p.numel() for p in network.parameters() if id(p) not in apart)
    size = Size.of(network)
    assert routed > 0 and size.body == body - routed + routed * chosen // there == size.learned_body
    assert Size.of(network.requires_grad_(False)).learned_body == 0


def test_tied_and_untied_heads_count_alike_and_embeddings_not_at_all():
    from transformers import Qwen3ForCausalLM

    tied = tiny_model()
    config = tied.config.__class__(**{**tied.config.to_dict(), "tie_word_embeddings": False})
    one, other = Size.of(tied), Size.of(Qwen3ForCausalLM(config))
    assert (one.body, one.head, one.attention) == (other.body, other.head, other.attention)
    assert one.body + one.head == sum(p.numel() for p in tied.parameters())


WORK = Work.of([AnsweredPrompt((1,) * 30, (2,) * 10)] * 2, 1, False)
FAST = Machine(1e9, math.inf, "test")


def test_full_training_is_three_passes_and_recomputation_a_fourth():
    size = Size.of(tiny_model())
    once = size.forward(80, 20, 40)
    assert WORK.floor_seconds(size, [], FAST, rollouts=False) == pytest.approx(3 * once / 1e9)
    again = Work(**{**vars(WORK), "recomputed": True})
    assert again.floor_seconds(size, [], FAST, rollouts=False) == pytest.approx(4 * once / 1e9)
    frozen = Size.of(tiny_model().requires_grad_(False))
    assert WORK.floor_seconds(size, [frozen], FAST, rollouts=False) == pytest.approx(4 * once / 1e9)


def test_with_adapters_only_their_own_gradients_are_counted():
    pytest.importorskip("peft", reason="needs peft")
    from listopd.adapters import add_adapters
    from listopd.recipe import Lora

    whole = Size.of(tiny_model())
    network = tiny_model().requires_grad_(False)
    add_adapters(network, Lora(rank=2), 0)
    adapted = Size.of(network)
    learned = sum(p.numel() for p in network.parameters() if p.requires_grad)
    assert (adapted.learned_body, adapted.learned_head) == (learned, 0)
    assert adapted.body == whole.body + learned and adapted.head == whole.head
    there = adapted.forward(80, 20, 40)
    expected = 2 * there + 2 * (learned * 80 + adapted.attention * 80 * 40)
    assert WORK.floor_seconds(adapted, [], FAST, rollouts=False) == pytest.approx(expected / 1e9)
