"""`train merge`: an adapter of ours gives the training's own checkpoint to the byte; what does not fit is one line."""

from __future__ import annotations

import json
import shutil

import pytest

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("peft", reason="needs peft")

from listeval.cli.main import main  # noqa: E402
from listopd.recipe import Recipe  # noqa: E402
from tests.listopd.conftest import weights_in  # noqa: E402

HUB = "owner/name"


@pytest.fixture
def run(pairs, train, checkpoint):
    """`run(save=..., out=..., rank=...)`: a training with adapters."""

    def go(save="bfloat16", out=None, **lora):
        lora = {"rank": 2} | lora
        section = {"model": checkpoint(0), "steps": 2, "batch": 4, "optimiser": {"lr": 1e-1}, "lora": lora}
        recipe = Recipe.model_validate({"task": "pairs", "sft": section, "precision": {"save": save}})
        return train(recipe, stage="sft", out=out).out

    return go


def merge(capsys, *args):
    """(exit code, stdout, stderr) of the command."""
    with pytest.raises(SystemExit) as stopped:
        main(["train", "merge", *map(str, args)])
    said = capsys.readouterr()
    return stopped.value.code, said.out, said.err


def change(adapter, **values):
    file = adapter / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


@pytest.mark.parametrize(
    ("save", "targets"), [("float32", "all-linear"), ("bfloat16", "all-linear"), ("bfloat16", r".*\.0\..*_proj")]
)
def test_it_makes_the_very_checkpoint_that_the_training_wrote(run, tmp_path, capsys, save, targets):
    out = run(save, alpha=7.0, targets=targets)
    code, said, _ = merge(capsys, out / "adapter", "--out", tmp_path / "merged")
    assert code == 0 and said == f"checkpoint: {tmp_path / 'merged'}\n"
    made = {file.name: file.read_bytes() for file in (tmp_path / "merged").iterdir()}
    assert made == {file.name: file.read_bytes() for file in (out / "checkpoint").iterdir()}


def test_the_adapter_of_an_earlier_end_still_belongs_to_its_training(run, tmp_path, capsys, checkpoint):
    out = run("bfloat16")
    (out / "adapters").mkdir()
    (out / "adapter").rename(out / "adapters" / "step-000001")
    assert merge(capsys, out / "adapters" / "step-000001", "--out", tmp_path / "m")[0] == 0
    assert {t.dtype for t in weights_in(tmp_path / "m").values()} == {torch.bfloat16}
    code, _, said = merge(
        capsys, out / "adapters" / "step-000001", "--base", checkpoint(1), "--out", tmp_path / "other"
    )
    assert code == 2 and "was trained on other weights" in said


@pytest.mark.parametrize("name", ["adapters", "adapter", "checkpoints"])
@pytest.mark.parametrize("earlier", [False, True], ids=["last end", "earlier end"])
def test_a_training_may_be_called_as_its_own_folders_are(run, tmp_path, capsys, checkpoint, name, earlier):
    out = run("bfloat16", out=tmp_path / name)
    adapter = out / "adapter"
    if earlier:
        (out / "adapters").mkdir()
        adapter = adapter.rename(out / "adapters" / "step-000001")
    code, _, said = merge(capsys, adapter, "--base", checkpoint(1), "--out", tmp_path / "other")
    assert code == 2 and "was trained on other weights" in said
    assert merge(capsys, adapter, "--out", tmp_path / "m")[0] == 0
    assert {t.dtype for t in weights_in(tmp_path / "m").values()} == {torch.bfloat16}


def test_an_adapter_from_elsewhere_takes_the_type_of_its_base(run, tmp_path, capsys, checkpoint):
    alone = tmp_path / "alone"
    shutil.copytree(run() / "adapter", alone)
    assert merge(capsys, alone, "--out", tmp_path / "own")[0] == 0
    assert merge(capsys, alone, "--out", tmp_path / "half", "--dtype", "float16")[0] == 0
    assert {t.dtype for t in weights_in(tmp_path / "own").values()} == {torch.float32}
    assert {t.dtype for t in weights_in(tmp_path / "half").values()} == {torch.float16}


def test_peft_s_own_adapters_are_merged_as_peft_does(tmp_path, capsys, checkpoint):
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(checkpoint(0), dtype=torch.float32)
    config = LoraConfig(r=4, target_modules=["v_proj"], use_rslora=True, use_dora=True, init_lora_weights=False)
    adapted = get_peft_model(base, config)
    adapted.save_pretrained(tmp_path / "adapter")
    assert merge(capsys, tmp_path / "adapter", "--out", tmp_path / "merged")[0] == 0
    theirs, ours = adapted.merge_and_unload().state_dict(), weights_in(tmp_path / "merged")
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())


TIED = {
    "head": {"target_modules": ["q_proj", "lm_head"]},
    "embeddings": {"target_modules": ["q_proj", "embed_tokens"]},
    "both": {"target_modules": ["embed_tokens", "lm_head"]},
    "both as one": {"target_modules": ["embed_tokens"], "ensure_weight_tying": True},
}


def theirs(folder, base, **config):
    """An adapter of peft's own that has learnt something, saved to `folder`, and the model with it."""
    import warnings

    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        adapted = get_peft_model(network, LoraConfig(r=4, task_type="CAUSAL_LM", **config)).eval()
        torch.manual_seed(0)
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.data.add_(0.05 * torch.randn_like(parameter))
        adapted.save_pretrained(folder)
    return adapted


@pytest.mark.parametrize("config", TIED.values(), ids=TIED)
def test_a_layer_that_shares_its_weight_is_not_merged(tmp_path, capsys, checkpoint, config):
    theirs(tmp_path / "adapter", checkpoint(0), **config)
    code, _, said = merge(capsys, tmp_path / "adapter", "--out", tmp_path / "merged")
    assert code == 2 and "whose weight is another layer's, too" in said and said.count("\n") == 1
    assert not (tmp_path / "merged").exists()


@pytest.mark.parametrize("whole", [["lm_head"], ["embed_tokens"], ["lm_head", "embed_tokens"]])
@torch.no_grad()
def test_a_head_or_embeddings_trained_whole_are_merged_untied(tmp_path, capsys, checkpoint, whole):
    from transformers import AutoModelForCausalLM

    ids = torch.arange(1, 40)[None]
    adapted = theirs(tmp_path / "adapter", checkpoint(0), target_modules=["q_proj"], modules_to_save=whole)
    assert merge(capsys, tmp_path / "adapter", "--out", tmp_path / "merged")[0] == 0
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype=torch.float32)
    torch.testing.assert_close(merged(ids).logits, adapted(ids).logits, atol=1e-4, rtol=1e-4)


def test_other_weights_than_those_it_was_trained_on_are_refused(run, tmp_path, capsys, checkpoint):
    code, _, said = merge(capsys, run() / "adapter", "--base", checkpoint(1), "--out", tmp_path / "m")
    assert code == 2 and "was trained on other weights" in said and said.count("\n") == 1
    assert not (tmp_path / "m").exists()


def names(change_name):
    """A damage: the weights of an adapter under other names."""
    from safetensors.torch import load_file, save_file

    def damage(adapter):
        file = adapter / "adapter_model.safetensors"
        save_file({change_name(name): tensor for name, tensor in load_file(file).items()}, file)

    return damage


def drop_one(adapter):
    from safetensors.torch import load_file, save_file

    file = adapter / "adapter_model.safetensors"
    save_file(dict(list(load_file(file).items())[1:]), file)


DAMAGES = {
    "other rank": (lambda adapter: change(adapter, r=5), "does not fit"),
    "weights of a deeper model": (names(lambda name: name.replace("layers.1", "layers.9")), "have no place in it"),
    "weights missing": (drop_one, "no weights for 1 places"),
    "no such layers": (lambda adapter: change(adapter, target_modules=["nonesuch"]), "does not fit"),
    "unknown type": (lambda adapter: change(adapter, peft_type="NONESUCH"), "not LORA"),
    "no base": (lambda adapter: change(adapter, base_model_name_or_path=None), "does not say what it is for"),
    "base gone": (lambda adapter: change(adapter, base_model_name_or_path="/nowhere/m"), "no such model folder"),
    "pickled": (
        lambda a: (a / "adapter_model.safetensors").rename(a / "adapter_model.bin"),
        "which writes safetensors",
    ),
    "torn config": (lambda adapter: (adapter / "adapter_config.json").write_text("{"), "cannot be read"),
    "a list for a config": (lambda adapter: (adapter / "adapter_config.json").write_text("[]"), "not a JSON object"),
    "none": (lambda adapter: (adapter / "adapter_config.json").unlink(), "has no adapter_config.json"),
    "torn weights": (lambda a: (a / "adapter_model.safetensors").write_bytes(b"x" * 9), "is damaged"),
}


@pytest.mark.parametrize(("damage", "said"), DAMAGES.values(), ids=DAMAGES)
def test_what_cannot_be_merged_is_one_line_and_leaves_nothing(run, tmp_path, capsys, damage, said):
    alone = tmp_path / "alone"
    shutil.copytree(run() / "adapter", alone)
    damage(alone)
    code, _, error = merge(capsys, alone, "--out", tmp_path / "made" / "m")
    assert code == 2 and said in error and error.count("\n") == 1, error
    assert not list(tmp_path.glob("made/*")) and not list(tmp_path.glob("made/.*"))


def test_a_place_that_is_taken_is_left_alone(run, tmp_path, capsys):
    (tmp_path / "m").mkdir()
    code, _, said = merge(capsys, run() / "adapter", "--out", tmp_path / "m")
    assert code == 2 and "something of this name already" in said
    assert list((tmp_path / "m").iterdir()) == []


def test_a_base_on_the_hub_that_only_the_adapter_names_needs_the_user_s_word(run, tmp_path, capsys, serve_hub):
    hub = serve_hub({})
    alone = tmp_path / "alone"
    shutil.copytree(run() / "adapter", alone)
    change(alone, base_model_name_or_path=HUB)
    code, _, said = merge(capsys, alone, "--out", tmp_path / "m")
    assert code == 2 and f"--base {HUB}" in said and "needs your word" in said
    for word in (["--trust"], ["--base", HUB]):
        code, _, said = merge(capsys, alone, "--out", tmp_path / "m", *word)
        assert code == 2 and "the hub has no such model" in said
    assert hub.asked == []


def test_the_command_comes_before_its_options(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["train", "--quiet", "merge", "x"])
    assert stopped.value.code == 2 and "listeval train merge --help" in capsys.readouterr().err
