"""vLLM as the rollout engine: a real one in a process of its own, whose weights must follow the student's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("torch", reason="needs torch")

import listeval
from listeval.errors import UserError
from listopd.recipe import Opd, Recipe
from listopd.rollout import HFSampler, make_sampler, vllm
from listopd.rollout.weight_proof import WeightFindings

ROOT = Path(listeval.__file__).parents[1]
SCRIPT = """
import json, sys
import torch
from accelerate import Accelerator
from listeval.errors import UserError
from listopd.batch import AnsweredPrompt, pad
from listopd.questions import Question
from listopd.networks import load_network, open_model
from listopd.recipe import Opd, Recipe
from listopd.rollout import HFSampler, make_sampler
from listopd.rollout.weight_proof import WeightProof
from listopd.trainee import Trainee

folder = sys.argv[1]
T, BUDGET = 0.7, 12
optimiser = {"lr": 0.05}
spec = Opd(student=folder, teacher=folder, engine="vllm", steps=1, optimiser=optimiser, objective={"temperature": T})
recipe = Recipe(precision={"device": "cpu"}, opd=spec, max_prompt=40)
student = open_model(folder)
network = load_network(student, torch.device("cpu"), recipe.precision.attention, frozen=False)
vocab = len(student.renderer.tokenizer)
trainee = Trainee(network, spec.optimiser, Accelerator(cpu=True), T, vocab)
draw = torch.Generator().manual_seed(3)
questions = [
    Question(str(i), tuple(torch.randint(vocab - 1, (n,), generator=draw).tolist()), (), None, i)
    for i, n in enumerate((5, 17, 1, 40, 9, 28) * 4)
]
seeds = [2**62 + i for i in range(len(questions))]

def gap(rollouts):
    # The largest difference of a token's log-probability between the engine and the student as it now is.
    batch = pad([rollout.answered for rollout in rollouts], torch.device("cpu"))
    with torch.no_grad():
        logp = trainee.scorer(batch).logp
    rows = zip(rollouts, logp.tolist(), strict=True)
    return max(abs(a - b) for rollout, row in rows for a, b in zip(rollout.logp, row))

def greedy(sampler, temperature=0.0):
    kept, sampler._temperature = sampler._temperature, temperature
    ids = [rollout.answer for rollout in sampler.sample(questions, seeds)]
    sampler._temperature = kept
    return ids

def disturb(seed):
    noise = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=noise) * 0.3 * parameter.std(correction=0))

def hf_greedy():
    ids = []
    for question in questions:
        row = list(question.prompt)
        while len(row) < len(question.prompt) + BUDGET and row[len(question.prompt):][-1:] != [student.stops[0]]:
            with torch.no_grad():
                row.append(int(network(torch.tensor([row])).logits[0, -1, :vocab].argmax()))
        ids.append(row[len(question.prompt):])
    return ids

def look(sampler, seeds=seeds):
    rollouts = sampler.sample(questions, seeds)
    return rollouts, gap(rollouts)

sampler = make_sampler(spec, student, trainee, BUDGET, recipe)
found = {"stops": student.stops, "vocab": vocab}
rollouts, found["fresh"] = look(sampler)
found["rollouts"] = [[r.question.id, r.answer, r.finish, len(r.logp)] for r in rollouts]
found["same"] = [r.answer for r in sampler.sample(questions, seeds)] == [r.answer for r in rollouts]
found["reordered"] = [
    r.answer for r in sampler.sample(questions[::-1], seeds[::-1])
] == [r.answer for r in rollouts][::-1]
found["other seeds"] = sum(
    a.answer != b.answer for a, b in zip(rollouts, sampler.sample(questions, [s + 99 for s in seeds]))
)
disturb(1)
_, found["not synchronised"] = look(sampler)
sampler.sync(1)
_, found["synchronised"] = look(sampler)
found["greedy"] = [list(ids) for ids in greedy(sampler)] == hf_greedy()
batch = pad([rollout.answered for rollout in rollouts], torch.device("cpu"))
trainee.update([batch], lambda b, own=True: (trainee.scorer(b).logp * b.mask).sum(), 0.05, 1)
_, found["stepped, not synchronised"] = look(sampler)
sampler.sync(2)
_, found["stepped, synchronised"] = look(sampler)
honest, checked = WeightProof.marking, WeightProof.__call__
found["wrong weights"], findings = {}, []
def note(self, model):
    findings.append(checked(self, model))
    return findings[-1]
for wrong in ("q_proj.weight", "layers.1.mlp.up_proj.weight", "model.norm.weight", "embed_tokens.weight"):
    def marking(self, weights):
        for name, weight in honest(self, weights):
            if name.endswith(wrong):
                weight = weight.clone()
                weight.view(-1)[7] += 0.1
            yield name, weight
    WeightProof.marking = marking
    try:
        sampler.sync(2)
    except UserError as error:
        found["wrong weights"][wrong] = str(error)
WeightProof.marking, WeightProof.__call__ = honest, note
sampler.sync(2)
found["findings"] = findings[-1]._asdict()
try:
    sampler.sample([questions[3]._replace(prompt=questions[3].prompt * 2)], [1])
except UserError as error:
    found["long"] = str(error)
sampler.close(); sampler.close()
print(json.dumps(found))
"""


@pytest.fixture(scope="module", params=["tied", "untied"])
def found(request, tmp_path_factory):
    """What one engine did, from its start through two changes of the weights."""
    import torch
    from transformers import Qwen3ForCausalLM

    from tests.listopd.tiny import tiny_model, tiny_tokenizer

    folder = tmp_path_factory.mktemp(request.param)
    tokenizer = tiny_tokenizer()
    # Rows of the head that no token stands for, and sampling parameters that nobody asked for.
    config = tiny_model(width=len(tokenizer) + 50, scale=0.25).config
    # vLLM's attention on a CPU takes no smaller heads.
    config.head_dim, config.tie_word_embeddings = 32, request.param == "tied"
    torch.manual_seed(5)
    network = Qwen3ForCausalLM(config)
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    interfering = {"temperature": 0.1, "top_k": 2, "top_p": 0.5, "repetition_penalty": 1.5, "do_sample": True}
    (folder / "generation_config.json").write_text(json.dumps(interfering))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "training")])},
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.vllm
@pytest.mark.skipif(find_spec("vllm") is None, reason="needs vLLM")
class TestEngine:
    """One start for all of these, for a tied head and for one of its own."""

    def test_log_probabilities_are_the_students_at_the_recipes_temperature(self, found):
        assert found["fresh"] < 1e-3

    def test_a_skipped_sync_shows_and_a_sync_brings_every_weight(self, found):
        for step in ("", "stepped, "):
            assert found[step + "not synchronised"] > 0.05
            assert found[step + "synchronised"] < 1e-3

    def test_what_the_engine_holds_is_proven_to_be_what_was_sent(self, found):
        assert found["findings"]["other"] == found["findings"]["unread"] == []
        held = " ".join(found["findings"]["same"])
        for part in ("embed_tokens", "qkv_proj", "o_proj", "gate_up_proj", "down_proj", "model.norm", "layers.1."):
            assert part in held

    def test_one_wrong_number_in_any_kind_of_weight_is_found_and_named(self, found):
        named = {"q_proj.weight": "qkv_proj", "layers.1.mlp.up_proj.weight": "layers.1.mlp.gate_up_proj"}
        assert len(found["wrong weights"]) == 4
        for sent, said in found["wrong weights"].items():
            assert "other weights than those of step 2: model." in said
            assert named.get(sent, sent).removesuffix(".weight") in said and "engine=hf" in said

    def test_greedy_answers_are_the_students(self, found):
        assert found["greedy"]

    def test_rollouts_come_in_order_and_end_with_their_stop_token(self, found):
        assert [row[0] for row in found["rollouts"]] == [str(i) for i in range(24)]
        for _, answer, finish, scored in found["rollouts"]:
            assert scored == len(answer) and max(answer) < found["vocab"]
            inside, last = answer[:-1], answer[-1]
            assert not set(inside) & set(found["stops"])
            assert finish == ("stop" if last in found["stops"] else "length")
            assert finish == "stop" or len(answer) == 12

    def test_a_rollout_is_a_function_of_its_seed(self, found):
        assert found["same"] and found["reordered"] and found["other seeds"] > 12

    def test_a_prompt_without_room_is_refused(self, found):
        assert "may have 92 tokens, this engine takes 52" in found["long"] and "max_prompt=80" in found["long"]


def sampler_for(engine, device, processes=1):
    """What `make_sampler` gives or raises for a trainee that only says where it is."""
    network = SimpleNamespace(device=SimpleNamespace(type=device))
    accelerator = SimpleNamespace(
        num_processes=processes, mixed_precision="no", device=network.device, is_main_process=True
    )
    trainee = SimpleNamespace(network=network, accelerator=accelerator, sharded=False)
    spec = Opd(student="s", teacher="t", engine=engine, steps=1, optimiser={"lr": 1.0})
    return make_sampler(spec, SimpleNamespace(stops=(0,)), trainee, 8, Recipe(opd=spec))


@pytest.mark.parametrize(
    ("installed", "device", "processes", "engine"),
    [(True, "cuda", 1, "vllm"), (True, "cpu", 1, "hf"), (False, "cuda", 1, "hf"), (True, "cuda", 8, "vllm")],
)
def test_auto_is_vllm_on_gpus_and_says_so_where_it_is_not(monkeypatch, caplog, installed, device, processes, engine):
    monkeypatch.setattr(vllm, "available", lambda: installed)
    monkeypatch.setattr(vllm, "VLLMSampler", lambda *arguments: "vllm")
    found = sampler_for("auto", device, processes)
    assert found == "vllm" if engine == "vllm" else isinstance(found, HFSampler)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == (device == "cuda" and not installed)
    assert all("vLLM is not installed" in line and "opd.engine=hf" in line for line in said)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_experts_that_an_engine_on_a_cpu_would_not_take_are_refused(monkeypatch, caplog, device):
    sampler = object.__new__(vllm.VLLMSampler)
    sampler._backend, sampler._told = SimpleNamespace(engine=SimpleNamespace(device=device)), False
    monkeypatch.setattr(vllm, "is_main", lambda: True)
    sampler._check(WeightFindings(["a"], [], ["model.layers.0.rotary"]), 0)
    sampler._told = False
    found = WeightFindings(["a"], [], ["model.layers.0.mlp.experts.routed_experts.w13_weight"])
    if device == "cpu":
        with pytest.raises(UserError, match=r"takes no new weights of a mixture's experts.*opd\.engine=hf"):
            sampler._check(found, 0)
    else:
        sampler._check(found, 0)
        assert "cannot be compared" in caplog.text


def test_an_engine_that_is_not_installed_names_the_command(monkeypatch):
    monkeypatch.setattr(vllm, "available", lambda: False)
    with pytest.raises(UserError, match=r"opd\.engine=vllm needs the package 'vllm'.*pip install"):
        sampler_for("vllm", "cpu")
