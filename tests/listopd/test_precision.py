"""Numerics that save memory or time: S - B stays 0, nothing else moves, and what cannot be kept is refused."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("accelerate", reason="needs accelerate")

from torch import nn  # noqa: E402

from listeval.errors import UserError  # noqa: E402
from listopd import batch, parallel, three_models  # noqa: E402
from listopd import distillation as distil  # noqa: E402
from listopd.batch import BatchLayout  # noqa: E402
from listopd.networks import compile_layers, load_network, open_model, round_products  # noqa: E402
from listopd.recipe import Precision  # noqa: E402
from listopd.rollout import hf  # noqa: E402
from tests.listopd.tiny import tiny_model  # noqa: E402

CPU = torch.device("cpu")
BEYOND = {"kind": "constant", "value": 2.0}
BFLOAT16 = {"compute": "bfloat16", "save": "float32"}


@pytest.fixture
def compiled_by(monkeypatch):
    """`compiled_by(backend)`: code is traced, with "aot_eager" its way back, too, which takes five times as long.

    No kernels are made: inductor's first costs half a minute.
    """
    compiled = nn.Module.compile

    def choose(backend):
        monkeypatch.setattr(nn.Module, "compile", lambda self, **more: compiled(self, **more | {"backend": backend}))

    torch._dynamo.reset()
    yield choose
    torch._dynamo.reset()


@pytest.mark.parametrize("tied", [True, False], ids=["tied head", "head of its own"])
def test_rounded_weights_give_what_autocast_gives(tied):
    plain, rounded = tiny_model(), tiny_model()
    if not tied:
        for network in (plain, rounded):
            network.lm_head.weight = nn.Parameter(network.lm_head.weight.detach() * 2)
    round_products(rounded, torch.bfloat16)
    ids = torch.randint(250, (3, 20), generator=torch.Generator().manual_seed(1))
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(plain(ids).logits, rounded(ids).logits)
    types = {name: weight.dtype for name, weight in rounded.named_parameters()}
    wide = {name for name, dtype in types.items() if dtype == torch.float32}
    assert all("norm" in name or "embed" in name for name in wide) and "model.embed_tokens.weight" in wide
    assert (types.get("lm_head.weight") == torch.bfloat16) is not tied
    assert types["model.layers.0.mlp.up_proj.weight"] == torch.bfloat16


@pytest.mark.parametrize("compute", ["float32", "bfloat16"])
def test_frozen_networks_are_rounded_where_products_are(opd_recipe, train, monkeypatch, compute):
    seen = []
    kept = distil.prepare
    monkeypatch.setattr(
        "listopd.on_policy.prepare", lambda rollouts, frozen, *a: seen.append(frozen) or kept(rollouts, frozen, *a)
    )
    train(opd_recipe(extrapolation=BEYOND, shared={"precision": BFLOAT16 | {"compute": compute}}))
    for scorer in seen[0]:
        assert scorer.network.model.layers[0].mlp.up_proj.weight.dtype == getattr(torch, compute)


@pytest.mark.parametrize(
    ("compute", "recomputed", "backend"),
    [
        pytest.param("bfloat16", True, "aot_eager", marks=pytest.mark.slow),
        ("float32", False, "eager"),
        pytest.param("bfloat16", False, "aot_eager", marks=pytest.mark.slow),
        pytest.param("float32", True, "aot_eager", marks=pytest.mark.slow),
        pytest.param("float32", False, "aot_eager", marks=pytest.mark.slow),
    ],
)
def test_compiled_layers_train_as_others_do(opd_recipe, train, compiled_by, compute, recomputed, backend):
    compiled_by(backend)
    precision = {"compute": compute, "save": "float32", "gradient_checkpointing": recomputed}
    several = {"minibatches": 2, "kind": "ppo"}
    logs = []
    for compiled in (False, True):
        shared = {"precision": precision | {"compile": compiled}}
        logs.append(train(opd_recipe(extrapolation=BEYOND, objective=several, shared=shared)).log)
    for plain, other in zip(*logs, strict=True):
        for name in ("loss", "grad_norm", "reverse_kl", "answer_tokens", "clipped_ppo"):
            if name in plain:
                assert other[name] == pytest.approx(plain[name], rel=1e-4, abs=1e-6), name


def test_layers_are_really_compiled_the_base_s_too(opd_recipe, train, compiled_by, monkeypatch):
    compiled_by("eager")
    seen = []
    kept = distil.prepare
    monkeypatch.setattr("listopd.on_policy.prepare", lambda *a: seen.append(a[1]) or kept(*a))
    train(opd_recipe(steps=1, extrapolation=BEYOND, shared={"precision": BFLOAT16 | {"compile": True}}))
    for scorer in seen[0]:
        assert all(layer._compiled_call_impl is not None for layer in scorer.network.model.layers)
    # The base's code is the student's: types of weights and their need of gradients are what it is compiled for.
    weights = list(seen[0].base.network.parameters())
    assert all(weight.dtype == torch.float32 and weight.requires_grad for weight in weights)


def test_a_start_that_compiled_code_tells_from_its_base_is_refused(opd_recipe, train, compiled_by, monkeypatch):
    compiled_by("eager")
    kept = three_models.as_base

    def nudged(network, *args):
        with torch.no_grad():
            network.model.layers[0].mlp.up_proj.weight *= 1.01
        return kept(network, *args)

    monkeypatch.setattr(three_models, "as_base", nudged)
    with pytest.raises(UserError, match="student and base differ") as caught:
        train(opd_recipe(extrapolation=BEYOND, shared={"precision": {"compile": True}}))
    assert caught.value.place == "precision.compile"


def test_an_architecture_without_layers_is_not_compiled():
    network = tiny_model()
    network.get_decoder = lambda: nn.Linear(1, 1)
    with pytest.raises(UserError, match="no list of decoder layers"):
        compile_layers(network)


def test_trainings_of_any_precision_follow_each_other_in_one_process(opd_recipe, train):
    def once(compute):
        return train(opd_recipe(shared={"precision": {"compute": compute, "save": "float32"}})).figures

    first, narrow, again = once("float32"), once("bfloat16"), once("float32")
    assert first == again != narrow


def test_what_was_trained_earlier_keeps_its_precision(opd_recipe, pairs, tmp_path):
    made = {}
    for compute in ("float32", "bfloat16"):
        recipe = opd_recipe(shared={"precision": {"compute": compute}})
        made[compute] = parallel.make_accelerator(recipe, tmp_path)
    assert [made[name].mixed_precision for name in made] == ["no", "bf16"]
    x = torch.ones(2, 2)
    for name, accelerator in made.items():
        with accelerator.autocast():
            assert (x @ x).dtype == getattr(torch, name)


def test_repeating_to_the_bit_is_asked_of_torch_for_as_long_as_training_lasts(opd_recipe, train, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "listopd.on_policy.load_models",
        lambda *a: asked.append(torch.are_deterministic_algorithms_enabled()) or three_models.load_models(*a),
    )
    for deterministic in (True, False):
        train(opd_recipe(shared={"precision": {"deterministic": deterministic}}))
    assert asked == [True, False] and not torch.are_deterministic_algorithms_enabled()


def test_what_cannot_repeat_itself_is_one_line(opd_recipe, train, monkeypatch):
    def never(*args):
        raise RuntimeError("kthvalue CUDA does not have a deterministic implementation, but you set\nmore")

    monkeypatch.setattr("listopd.on_policy.load_models", never)
    with pytest.raises(UserError, match="kthvalue CUDA does not have a deterministic implementation") as caught:
        train(opd_recipe(shared={"precision": {"deterministic": True}}))
    assert caught.value.place == "precision.deterministic"
    with pytest.raises(RuntimeError):
        train(opd_recipe())


def test_passes_on_a_gpu_are_larger_where_activations_are_recomputed(checkpoint):
    class OnGPU:
        device = torch.device("cuda", 0)
        config = load_network(open_model(checkpoint(0)), CPU, None, frozen=True).config

    tokens = [BatchLayout.of(Precision(gradient_checkpointing=on), OnGPU()).tokens for on in (False, True)]
    assert tokens == [8192, 16_384]
    assert BatchLayout.of(Precision(gradient_checkpointing=True, tokens_per_pass=64), OnGPU()).tokens == 64


def test_packing_is_called_a_mistake_where_attention_computes_what_it_masks(checkpoint, caplog):
    config = load_network(open_model(checkpoint(0)), CPU, None, frozen=True).config
    batch._warn_of_packing.cache_clear()
    on_gpu = SimpleNamespace(device=torch.device("cuda", 0), config=config)
    assert not BatchLayout.of(Precision(), on_gpu).packed and not caplog.messages
    for _ in range(2):
        assert BatchLayout.of(Precision(packing="on"), on_gpu).packed
    assert len(caplog.messages) == 1 and "'sdpa'" in caplog.messages[0]
    flash = SimpleNamespace(device=on_gpu.device, config=SimpleNamespace(_attn_implementation="flash_attention_2"))
    assert BatchLayout.of(Precision(), flash).packed and len(caplog.messages) == 1


def test_rollouts_fill_what_memory_a_gpu_has_free(monkeypatch):
    network = tiny_model()
    on_gpu = SimpleNamespace(device=torch.device("cuda", 0), config=network.config, dtype=torch.bfloat16)
    free = 80e9
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, 85e9))
    for name in ("memory_reserved", "memory_allocated"):
        monkeypatch.setattr(torch.cuda, name, lambda _: 0)
    most = hf._room(on_gpu)
    config = network.config
    cached = 2 * 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim
    assert 0.05 * free < most * cached < free
    free = 1e6
    assert hf._room(on_gpu) == hf._room(network), "never fewer than a CPU"


def test_a_sampler_s_copy_in_bfloat16_follows_the_student(opd_recipe, train):
    run = train(opd_recipe(steps=3, shared={"precision": BFLOAT16}))
    for line in run.log:
        assert 0 < line["sampling_gap"] < 0.1
