"""What a plan says before anything is loaded, against what trainings did take."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("accelerate", reason="needs accelerate")

from click.testing import CliRunner  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402

from listeval.errors import UserError  # noqa: E402
from listopd.batch import AnsweredPrompt, default_tokens, pad, passes  # noqa: E402
from listopd.cli.train import command  # noqa: E402
from listopd.floor import Machine, Size, Work, cards, known  # noqa: E402
from listopd.networks import checkpoint_activations, round_products  # noqa: E402
from listopd.plan import fitting, outline  # noqa: E402
from listopd.plan import training_plan as planning  # noqa: E402
from listopd.plan.memory import Models, memory  # noqa: E402
from listopd.plan.outline import KeptBytes, Outline, cut, kept_for_backward  # noqa: E402
from listopd.recipe import Recipe, read_recipe  # noqa: E402
from listopd.score import Scorer  # noqa: E402
from tests.listopd.tiny import tiny_model  # noqa: E402

CPU = torch.device("cpu")
TOKENS = 600


def qwen3(hidden, layers, heads, intermediate, groups=8, vocab=151_936, positions=131_072):
    from transformers import Qwen3Config

    return Qwen3Config(
        vocab_size=vocab, hidden_size=hidden, intermediate_size=intermediate, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=groups, head_dim=128, tie_word_embeddings=True,
        max_position_embeddings=positions,
    )  # fmt: skip


def held(network, batch, *, bfloat16):
    """Bytes of all storages that a real pass saves, the weights' own left out."""
    found = {}

    def note(tensor):
        found.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        return tensor

    own = {weight.untyped_storage().data_ptr() for weight in network.parameters()}
    hooks = torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16), hooks:
        states = Scorer(network).states(batch)
    kept = sum(tensor.untyped_storage().nbytes() for place, tensor in found.items() if place not in own)
    assert states.requires_grad
    return kept


@pytest.mark.parametrize("bfloat16", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("recomputed", [False, True], ids=["kept", "recomputed"])
def test_activations_are_what_a_real_pass_keeps(bfloat16, recomputed):
    network = tiny_model()
    planned = kept_for_backward(network.config, bfloat16=bfloat16, recomputed=recomputed)
    if recomputed:
        checkpoint_activations(network)
        # What recomputing one layer takes is planned as well; a pass forwards does not show it.
        one, two = (kept_for_backward(cut(network.config, n), bfloat16=bfloat16, recomputed=False) for n in (1, 2))
        planned = KeptBytes(planned.once - (two.once - one.once), planned.token - (two.token - one.token))
    answers = [AnsweredPrompt(tuple(range(1, 100)), tuple(range(50)))] * 4
    real = held(network, pad(answers, CPU), bfloat16=bfloat16)
    assert planned.bytes(4 * 149) == pytest.approx(real, rel=0.15)


def test_an_outline_counts_what_a_network_has():
    network = tiny_model()
    outline = Outline.of(network.config)
    assert outline.weights == sum(p.numel() for p in network.parameters())
    assert outline.size.body == Size.of(network).body and outline.size.attention == Size.of(network).attention
    round_products(network, torch.bfloat16)
    assert outline.rounded_bytes == sum(p.numel() * p.itemsize for p in network.parameters()) < outline.bytes


def test_networks_are_built_once_a_configuration_however_many_cards(pair, monkeypatch):
    built = []
    network = outline._network
    monkeypatch.setattr(outline, "_network", lambda config, device: built.append(config) or network(config, device))
    told = read_recipe("listopd", [f"opd.student={pair[0]}", f"opd.teacher={pair[1]}", "opd.engine=hf"])
    for counted in (outline._outline, outline._kept_bytes):
        counted.cache_clear()
    one = planning.make_plan(told, "opd", "opd", planning.asked_cards("L4"))
    first = len(built)
    assert sum(config.num_hidden_layers > 2 for config in built) == 2, "student and teacher; the base is the student"
    every = planning.make_plan(told, "opd", "opd", cards())
    assert len(built) == first and one.on[0] in every.on
    small, deeper = (Outline.of(qwen3(64, layers, 2, 96, groups=1, vocab=99)) for layers in (2, 3))
    assert small.weights < deeper.weights, "another configuration is counted anew"


def recipe(**precision):
    opd = {"student": "s", "teacher": "t", "steps": 1, "engine": "hf", "optimiser": {"lr": 1e-5},
           "extrapolation": {"kind": "constant", "value": 1.25}}  # fmt: skip
    return Recipe.model_validate({"precision": {"compute": "bfloat16"} | precision, "opd": opd})


def part(found, what):
    return sum(one.bytes for one in found.parts if one.what.startswith(what)) / 1e9


@pytest.mark.parametrize(
    ("tokens", "recomputed", "peak"),
    [(16_384, True, 58.58), (8192, True, 56.61), (4096, False, 71.97), (8192, False, None)],
)
def test_activations_explain_what_an_h100_took(tokens, recomputed, peak):
    """The peaks of 1.7B <- 4B on an H100: teacher and base were in float32, chunks of the head half as large."""
    student, teacher = qwen3(2048, 28, 16, 6144), qwen3(2560, 36, 32, 9728)
    asked = recipe(tokens_per_pass=tokens, gradient_checkpointing=recomputed)
    assert asked.opd is not None
    found = memory(asked, asked.opd, Models(student, teacher, student), bfloat16=True)
    frozen = sum(4 * Outline.of(config).weights for config in (teacher, student)) / 1e9
    learning = part(found, "student") + part(found, "gradients") + part(found, "AdamW")
    assert learning + frozen == pytest.approx(50.5, abs=0.2), "measured: 50.7 with what a small update left"
    planned = learning + frozen + part(found, "activations") + part(found, "head") / 2
    if peak is None:
        assert planned > 85.0, "it ran out of memory"
    else:
        assert planned == pytest.approx(peak, rel=0.04)


def test_each_choice_takes_what_it_takes():
    small = qwen3(256, 2, 2, 512, groups=1, vocab=2000)
    models = Models(small, small, small)

    def total(**changes):
        asked = recipe(tokens_per_pass=4096, **changes)
        return memory(asked, asked.opd, models, bfloat16=changes.get("compute") != "float32")

    plain = total()
    assert part(total(gradient_checkpointing=True), "activations") < part(plain, "activations") / 1.5
    assert part(total(compile=True), "base") > part(plain, "base"), "compiled, the base is the student's like"
    assert part(total(compile=True), "teacher") == part(plain, "teacher")
    assert part(total(compute="float32"), "teacher") > part(plain, "teacher")
    assert plain.fixed < plain.peak
    lora = recipe().model_copy(update={"opd": recipe().opd.model_copy(update={"lora": SimpleNamespace(rank=8)})})
    light = memory(lora, lora.opd, Models(small, small), bfloat16=True)
    assert part(light, "AdamW") < part(plain, "AdamW") / 10 and part(light, "base") == 0
    share = memory(recipe(), recipe().opd, models, bfloat16=True, engine_share=3e9)
    assert part(share, "vLLM") == 3.0 and part(share, "sampler") == 0 < part(plain, "sampler")


def test_shards_hold_their_part_of_all_but_the_sampler_and_what_a_pass_gathers():
    student, teacher = qwen3(2048, 28, 16, 6144), qwen3(2560, 36, 32, 9728)

    def of(shards, **opd):
        asked = recipe(tokens_per_pass=8192)
        asked = asked.model_copy(update={"opd": asked.opd.model_copy(update=opd)})
        return memory(asked, asked.opd, Models(student, teacher, student), bfloat16=True, shards=shards)

    one, eight = of(1), of(8)
    for what in ("student", "gradients", "AdamW", "teacher", "base"):
        assert part(eight, what) == pytest.approx(part(one, what) / 8)
    for what in ("sampler", "activations", "head"):
        assert part(eight, what) == part(one, what)
    assert part(one, "gathered") == 0 < part(eight, "gathered") < part(one, "student")
    exact = of(8, objective=type(recipe().opd.objective)(divergence="rkl"))
    assert part(exact, "gathered") > part(eight, "gathered"), "whole heads"
    wide = recipe()
    assert wide.opd is not None
    found = memory(wide, wide.opd, Models(student, teacher, student), bfloat16=False, shards=8)
    assert part(found, "sampler") == pytest.approx(part(one, "student")), "a whole copy writes the answers"


@pytest.fixture
def configured(tmp_path):
    """`configured(name, config)`: a folder with a configuration and nothing else."""

    def make(name, config):
        config.save_pretrained(tmp_path / name)
        return str(tmp_path / name)

    return make


@pytest.fixture
def pair(configured):
    return configured("student", qwen3(2048, 28, 16, 6144)), configured("teacher", qwen3(2560, 36, 32, 9728))


def run(*args):
    return CliRunner().invoke(command, ["plan", *args], standalone_mode=False)


@pytest.mark.parametrize("card", ["h100", "h200"])
def test_the_recipe_of_a_card_fits_it(pair, configured, card):
    from transformers import Qwen3Config

    large = Qwen3Config(
        vocab_size=151_936, hidden_size=4096, intermediate_size=12_288, num_hidden_layers=36, num_attention_heads=32,
        num_key_value_heads=8, head_dim=128, tie_word_embeddings=False,
    )  # fmt: skip
    for teacher in (pair[1], configured("large", large)):
        changes = [f"opd.student={pair[0]}", f"opd.teacher={teacher}", "opd.engine=vllm"]
        (machine,) = planning.asked_cards(f"{card} SXM")
        told = read_recipe(f"listopd-{card}", changes)
        plan = planning.make_plan(told, "opd", card, [machine])
        fitting.check_fits(told, plan, card)
        assert plan.on[0].fits and plan.on[0].floor_s > 1


def test_a_plan_is_shown_for_every_card_and_refused_for_one_that_is_too_small(pair):
    changes = [f"opd.student={pair[0]}", f"opd.teacher={pair[1]}", "opd.engine=hf"]
    done = run("listopd", *changes)
    assert done.exception is None, done.exception
    assert "H100 SXM" in done.output and "AdamW, float32" in done.output and "does not fit" in done.output
    told = json.loads(run("listopd", *changes, "--json").output)["plans"][0]
    assert told["stage"] == "opd" and set(told["cards"]) == {card.name for card in cards()}
    assert told["cards"]["H200 SXM"]["fits"] and not told["cards"]["L4"]["fits"]
    refused = run("listopd", *changes, "--card", "L4")
    assert isinstance(refused.exception, UserError) and "L4 has 23" in str(refused.exception)
    assert "GPUs (FSDP2)" in refused.exception.fix
    assert isinstance(run("listopd", *changes, "--card", "Voodoo").exception, UserError)
    shared = run("listopd", *changes, "--card", "H100 SXM", "--shards", "8")
    assert shared.exception is None and "each of 8 processes" in shared.output and "gathered" in shared.output
    compiled = run("listopd", *changes, "precision.compile=true", "--shards", "8").exception
    assert isinstance(compiled, UserError) and "sharded networks are not compiled" in str(compiled)
    uneven = run("listopd", *changes, "--shards", "3").exception
    assert isinstance(uneven, UserError) and "3 processes cannot share a batch of 128" in str(uneven)


def longest(pair, *changes):
    given = [f"opd.student={pair[0]}", f"opd.teacher={pair[1]}", "opd.engine=hf", *changes]
    return planning.make_plan(read_recipe("listopd", given), "opd", "opd", planning.asked_cards("H100 SXM"))


@pytest.mark.parametrize("per_pass", [None, 1024, 4096])
@pytest.mark.parametrize(("prompt", "answer"), [(512, 128), (16_000, 512), (60_000, 512), (1024, 30_000)])
def test_a_sequence_longer_than_a_pass_is_a_pass(pair, per_pass, prompt, answer):
    """One sequence is never cut, so a pass has at least its tokens, however few the recipe asks for."""
    changes = [f"max_prompt={prompt}", f"opd.max_tokens={answer}"]
    plan = longest(pair, *changes, *([f"precision.tokens_per_pass={per_pass}"] if per_pass else []))
    (one,) = plan.on
    lengths = [prompt + answer] * 3
    usual = per_pass or default_tokens("cuda", recomputed=False)
    real = max(sum(lengths[i] for i in places) for places in passes(lengths, usual))
    assert one.memory.tokens >= real and plan.assumed == ()
    if prompt + answer > usual:
        assert one.memory.tokens == prompt + answer
        assert not one.fits


NARROW, WIDE = 1024, 40_960
SFT = {"batch": 4, "steps": 1, "optimiser": {"lr": 1e-5}}


def of_length(positions):
    return qwen3(64, 2, 2, 96, groups=1, vocab=500, positions=positions)


@pytest.mark.parametrize("shortest", ["student", "teacher", "base"])
@pytest.mark.parametrize("prompt", [100, NARROW, 131_072])
def test_no_sequence_is_longer_than_every_model_takes(configured, shortest, prompt):
    """A training leaves longer prompts out, so no pass and no floor is of one."""
    roles = {role: configured(role, of_length(NARROW if role == shortest else WIDE)) for role in ("student", "teacher")}
    base = configured("base", of_length(NARROW if shortest == "base" else WIDE))
    opd = SFT | roles | {"base": base, "objective": {"base": "path"}, "max_tokens": 200, "engine": "hf",
                         "extrapolation": {"kind": "constant", "value": 1.2}}  # fmt: skip

    def plan(prompt):
        told = Recipe.model_validate({"max_prompt": prompt, "opd": opd, "precision": {"tokens_per_pass": 64}})
        return planning.make_plan(told, "opd", "opd", planning.asked_cards("L4"))

    found, kept = plan(prompt), min(prompt, NARROW - 200)
    assert (found.prompt, found.answer) == (kept, 200)
    assert found.on == plan(kept).on and found.on[0].memory.tokens == kept + 200


@pytest.mark.parametrize("positions", [2, 300, NARROW, WIDE])
def test_what_is_assumed_is_no_longer_than_the_model_either(configured, positions):
    told = Recipe.model_validate({"max_prompt": 131_072, "sft": SFT | {"model": configured("m", of_length(positions))}})
    found = planning.make_plan(told, "sft", "sft", planning.asked_cards("L4"))
    assert found.prompt + found.answer == positions and found.assumed == ("answer",)


def test_answers_that_leave_no_room_for_a_prompt_are_refused_as_the_training_does(configured):
    name = configured("m", of_length(NARROW))
    opd = SFT | {"student": name, "teacher": name, "max_tokens": NARROW, "engine": "hf"}
    with pytest.raises(UserError, match="1,024 tokens leave no room for a prompt") as told:
        planning.make_plan(Recipe.model_validate({"opd": opd}), "opd", "r.yaml", planning.asked_cards("L4"))
    assert told.value.place == "r.yaml" and "opd.max_tokens" in told.value.fix


@pytest.mark.parametrize(
    ("changes", "assumed", "said"),
    [
        ([], ["prompt_tokens", "answer_tokens"], "answers of 2,048 (assumed) + 512 (assumed) tokens"),
        (["max_prompt=900"], ["answer_tokens"], "answers of 900 + 512 (assumed) tokens"),
        (["opd.max_tokens=64"], ["prompt_tokens"], "answers of 2,048 (assumed) + 64 tokens"),
        (["max_prompt=900", "opd.max_tokens=64"], [], "answers of at most 900 + 64 tokens"),
    ],
)
def test_what_the_recipe_does_not_bound_is_called_assumed(pair, changes, assumed, said):
    asked = [f"opd.student={pair[0]}", f"opd.teacher={pair[1]}", "opd.max_tokens=null", "max_prompt=null", *changes]
    asked += ["--card", "h100"]
    assert said in run("listopd", *asked).output
    assert json.loads(run("listopd", *asked, "--json").output)["plans"][0]["assumed"] == assumed


@pytest.mark.parametrize("rank", [8, 64])
@pytest.mark.parametrize(("lam", "base"), [(1.0, "start"), (1.2, "start"), (1.2, "none")])
def test_the_floor_of_adapters_is_that_of_the_training(configured, rank, lam, base):
    """The step's own floor, from the networks with peft's adapters, and from their outlines."""
    peft = pytest.importorskip("peft")
    config = qwen3(512, 4, 4, 1536, groups=2, vocab=5000)
    name = configured("student", config)
    objective = {"base": base} | ({"base_neutral_offset": 0} if base == "none" else {})
    told = Recipe.model_validate({"max_prompt": 300, "opd": {
        "student": name, "teacher": name, "steps": 1, "engine": "hf", "optimiser": {"lr": 1e-5}, "batch": 8,
        "max_tokens": 100, "extrapolation": {"kind": "constant", "value": lam}, "lora": {"rank": rank},
        "objective": objective,
    }})  # fmt: skip
    plan = planning.make_plan(told, "opd", "opd", planning.asked_cards("H100 SXM"))

    with torch.device("meta"):
        teacher = AutoModelForCausalLM.from_config(config)
        adapters = peft.LoraConfig(r=rank, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
        student = peft.get_peft_model(AutoModelForCausalLM.from_config(config), adapters)
    frozen = [Size.of(teacher)] + [Size.of(student)] * (lam != 1 and base != "none")
    work = Work(8 * 300, 8 * 100, 8, 100, 1, False)
    real = work.floor_seconds(Size.of(student), frozen, plan.on[0].card, rollouts=True)
    assert plan.on[0].floor_s == pytest.approx(real, rel=0.03)


def test_adapters_learn_faster_than_all_weights_and_their_base_is_no_third_network(pair):
    for lam in ("1.0", "1.2"):
        whole, light = (
            longest(pair, f"opd.extrapolation.value={lam}", f"opd.lora={lora}") for lora in ("null", "{rank: 16}")
        )
        assert light.on[0].floor_s < whole.on[0].floor_s
        assert part(light.on[0].memory, "base") == 0


def test_a_plan_of_what_starts_from_nothing_and_of_a_missing_model(tmp_path, pair):
    done = run("tiny", f"opd.student={pair[0]}", f"opd.teacher={pair[1]}", "--card", "H200 SXM")
    assert done.exception is None and "sft: a step of" in done.output and "opd: a step of" in done.output
    missing = run("listopd", f"opd.student={tmp_path}", f"opd.teacher={tmp_path}")
    assert isinstance(missing.exception, UserError) and "no configuration" in str(missing.exception)


@pytest.mark.parametrize("student", [None, "./gone", "~/gone/too", "/gone/for/good"])
def test_a_folder_that_is_not_there_is_no_fault_of_the_hub(student, pair, tmp_path, monkeypatch):
    """The student of a bundled recipe is a folder that its warm start makes."""
    monkeypatch.chdir(tmp_path)
    given = [] if student is None else [f"opd.student={student}"]
    missing = run("listopd", *given, f"opd.teacher={pair[1]}").exception
    assert isinstance(missing, UserError)
    assert "there is no such model folder" in str(missing) and "opd.student=PATH" in str(missing)
    assert (student or "runs/sft/checkpoint") in str(missing) and "epo" not in str(missing)


def test_a_mistyped_packaged_model_is_not_asked_of_the_hub(pair):
    missing = run("listopd", "opd.student=tiny-stf", f"opd.teacher={pair[1]}").exception
    assert isinstance(missing, UserError) and "did you mean 'tiny-sft'" in str(missing)


def test_a_training_whose_weights_alone_are_too_large_is_refused_before_it_loads(pair, monkeypatch):
    changes = [f"opd.student={pair[0]}", f"opd.teacher={pair[1]}", "opd.engine=hf"]
    told = read_recipe("listopd", changes)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA L4")
    sizes = iter([24e9, 85e9])
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=next(sizes)))
    with pytest.raises(UserError, match="NVIDIA L4 has 24"):
        fitting.check_device(told, "opd", torch.device("cuda", 0))
    fitting.check_device(told, "opd", torch.device("cuda", 0))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=24e9))
    fitting.check_device(told, "opd", torch.device("cuda", 0), shards=8)
    fitting.check_device(told, "opd", CPU)


def test_the_table_s_cards_know_their_memory():
    assert known("NVIDIA H100 80GB HBM3") == next(card for card in cards() if card.name == "H100 SXM")
    assert all(20e9 < card.memory < 300e9 for card in cards())
    assert Machine(1, 1, "x").memory == 0
