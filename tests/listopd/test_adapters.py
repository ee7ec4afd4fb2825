"""Adapters inside the student: off, they are the base to the bit; saved, they are part of the weights."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("peft", reason="needs peft")

from listeval.errors import UserError  # noqa: E402
from listopd.adapters import WithoutAdapters, add_adapters  # noqa: E402
from listopd.batch import AnsweredPrompt, pad  # noqa: E402
from listopd.parallel import weights_of  # noqa: E402
from listopd.recipe import Lora, Optimiser  # noqa: E402
from listopd.score import Scorer  # noqa: E402
from listopd.trainee import Trainee  # noqa: E402
from tests.listopd.conftest import weights_in  # noqa: E402
from tests.listopd.tiny import tiny_model  # noqa: E402

LORA = Lora(rank=3, alpha=12.0)
BATCH = pad([AnsweredPrompt((1, 2, 3), (4, 5)), AnsweredPrompt((6,), (7, 8, 9))], torch.device("cpu"))


@pytest.fixture
def adapted(pairs):
    """A network whose adapters have learnt something."""
    from accelerate import Accelerator

    network = tiny_model()
    add_adapters(network, LORA, seed=1)
    trainee = Trainee(network, Optimiser(lr=1e-2), Accelerator(cpu=True))
    for _ in range(3):
        trainee.update([BATCH], lambda batch, _: -trainee.scorer(batch).logp.mean(), 1e-2, 0)
    return trainee


@torch.no_grad()
def test_fresh_adapters_change_nothing_and_only_they_learn():
    network = tiny_model()
    before = Scorer(network)(BATCH).logp
    add_adapters(network, LORA, seed=1)
    assert torch.equal(Scorer(network)(BATCH).logp, before)
    learning = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert learning and all("lora_" in name for name in learning)


def test_the_seed_decides_how_adapters_start():
    def start(seed):
        network = tiny_model()
        torch.manual_seed(99)
        add_adapters(network, LORA, seed=seed)
        assert torch.equal(torch.rand(1), torch.rand(1, generator=torch.Generator().manual_seed(99)))
        return network.state_dict()

    one, same, other = start(1), start(1), start(2)
    assert all(torch.equal(tensor, same[name]) for name, tensor in one.items())
    assert not all(torch.equal(tensor, other[name]) for name, tensor in one.items())


@torch.no_grad()
def test_adapters_off_is_the_start_to_the_bit_and_leaves_them_on(adapted):
    start, base = Scorer(tiny_model()), WithoutAdapters(adapted.head, adapted.scorer)
    learnt = adapted.scorer(BATCH).logp
    assert torch.equal(base(BATCH).logp, start(BATCH).logp)
    assert torch.equal(base.logits(base(BATCH, states_only=True)), start.logits(start.states(BATCH)))
    assert torch.equal(adapted.scorer(BATCH).logp, learnt)
    assert float((learnt - start(BATCH).logp).abs().max()) > 0.01
    assert all(p.requires_grad for name, p in adapted.network.named_parameters() if "lora_" in name)


@torch.no_grad()
def test_merged_weights_score_as_the_adapted_network(adapted):
    plain = tiny_model(5)
    before = {name: tensor.clone() for name, tensor in adapted.network.state_dict().items()}
    plain.load_state_dict(dict(weights_of(adapted.accelerator, adapted.scorer)))
    torch.testing.assert_close(Scorer(plain)(BATCH).logp, adapted.scorer(BATCH).logp, atol=1e-5, rtol=0)
    after = adapted.network.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items()), "merging touches no weight"


REFUSED = {
    "no such name": ("nonesuch", "no adapters"),
    "one of several": (("q_proj", "nonesuch"), "no layer is called nonesuch"),
    "none": ((), "no adapters"),
    "names in one text": ("q_proj, v_proj", "no adapters"),
    "no expression": ("*_proj", "no adapters"),
    "whatever there is": (".*", "no adapters"),
    "embeddings": (("embed_tokens",), "embeddings"),
}


@pytest.mark.parametrize(("targets", "said"), REFUSED.values(), ids=REFUSED)
def test_targets_that_cannot_be_adapted(targets, said):
    with pytest.raises(UserError, match=said) as error:
        add_adapters(tiny_model(), Lora(targets=targets), seed=1)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["q_proj", "self_attn.q_proj", "model.layers.1.self_attn.q_proj"])
def test_a_name_alone_is_a_list_of_one(name):
    def adapted(targets):
        network = tiny_model()
        add_adapters(network, Lora(targets=targets), seed=1)
        return {name for name, _ in network.named_parameters() if "lora_" in name}

    assert adapted(name) == adapted((name,))


TIED = {
    "head": ("lm_head",),
    "head beside others": ("q_proj", "lm_head"),
    "expression": r".*(q_proj|lm_head)",
}


@pytest.mark.parametrize("targets", TIED.values(), ids=TIED)
def test_a_layer_that_shares_its_weight_cannot_be_adapted(targets):
    """One weight cannot be changed for the head and stay for the embeddings."""
    with pytest.raises(UserError, match="lm_head cannot be adapted: its weight is another layer's, too") as error:
        add_adapters(tiny_model(), Lora(targets=targets), seed=1)
    assert "\n" not in str(error.value)


def test_a_head_of_its_own_can_be_adapted():
    from transformers import Qwen3ForCausalLM

    config = tiny_model().config
    config.tie_word_embeddings = False
    network = Qwen3ForCausalLM(config)
    add_adapters(network, Lora(targets=("lm_head",)), seed=1)
    assert any("lm_head" in name and "lora_" in name for name, _ in network.named_parameters())


def test_both_stages_train_adapters_into_a_plain_checkpoint(opd_recipe, train, checkpoint):
    from listopd.recipe import Recipe

    lora = {"rank": 2}
    section = {"model": checkpoint(0), "steps": 2, "batch": 4, "optimiser": {"lr": 1e-2}, "lora": lora}
    full = {"precision": {"save": "float32"}}
    sft = train(Recipe.model_validate({"task": "pairs", "sft": section} | full), stage="sft")
    opd = train(opd_recipe(lora=lora, extrapolation={"kind": "constant", "value": 1.5}, shared=full))
    start = weights_in(checkpoint(0))
    for run in (sft, opd):
        assert run.weights.keys() == start.keys()
        changed = {name for name, tensor in run.weights.items() if not torch.equal(tensor, start[name])}
        assert changed and all("proj" in name for name in changed)


TARGETS = {
    "all": (2, 8.0, "all-linear"),
    "some": (3, 5.0, ["q_proj", "down_proj"]),
    "one name": (3, 5.0, "down_proj"),
    "part of a name": (3, 5.0, "mlp.down_proj"),
    "expression": (3, 5.0, r".*\.1\.(mlp|self_attn)\.(q|down)_proj"),
}


@pytest.fixture(params=TARGETS.values(), ids=TARGETS)
def trained(request, pairs, train, checkpoint):
    """A training whose adapters have learnt something, by rank, alpha and targets."""
    from listopd.recipe import Recipe

    rank, alpha, targets = request.param
    lora = {"rank": rank, "alpha": alpha, "targets": targets}
    section = {"model": checkpoint(0), "steps": 3, "batch": 4, "optimiser": {"lr": 1e-1}, "lora": lora}
    full = {"precision": {"save": "float32"}}
    return train(Recipe.model_validate({"task": "pairs", "sft": section} | full), stage="sft")


@torch.no_grad()
def test_the_adapter_that_is_kept_on_its_base_answers_as_the_checkpoint_does(trained, checkpoint):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    def logits(network):
        return network(torch.arange(1, 40)[None]).logits

    base = AutoModelForCausalLM.from_pretrained(checkpoint(0), dtype=torch.float32)
    plain = logits(base)
    adapted = logits(PeftModel.from_pretrained(base, str(trained.out / "adapter")))
    saved = AutoModelForCausalLM.from_pretrained(trained.out / "checkpoint", dtype=torch.float32)
    assert float((adapted - plain).abs().max()) > 0.1
    torch.testing.assert_close(logits(saved), adapted, atol=1e-4, rtol=1e-4)


def test_the_kept_adapter_names_its_base_and_holds_nothing_else(trained, checkpoint):
    import json

    from safetensors.torch import load_file

    config = json.loads((trained.out / "adapter" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == checkpoint(0) and config["peft_type"] == "LORA"
    tensors = load_file(trained.out / "adapter" / "adapter_model.safetensors")
    assert all("lora_" in name and tensor.dtype == torch.float32 for name, tensor in tensors.items())
    assert not (trained.out / "checkpoint" / "adapter_config.json").exists()


def test_without_adapters_none_are_kept(opd_recipe, train):
    assert not (train(opd_recipe()).out / "adapter").exists()


def test_adapters_of_random_weights_are_only_merged(pairs, train):
    """Their base is nowhere, so nothing could be done with them."""
    from listopd.recipe import Recipe

    scratch = {"hidden": 32, "layers": 1, "heads": 2, "intermediate": 32, "vocab": 300, "max_length": 512}
    section = {"model": scratch, "steps": 1, "batch": 4, "optimiser": {"lr": 1e-2}, "lora": {"rank": 2}}
    run = train(Recipe.model_validate({"task": "pairs", "sft": section}), stage="sft")
    assert run.weights and not (run.out / "adapter").exists()
