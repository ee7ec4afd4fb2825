"""Rows of the head that no token stands for change nothing, and what is saved ends its answers where it was trained to.

Public reports: heads padded to different sizes (152,064 and 151,936 in one family), saves that fail over sampling
parameters, checkpoints saved without the stop token that was trained.
"""

from __future__ import annotations

import json
import shutil
from itertools import count, product
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("accelerate", reason="needs accelerate")

from safetensors.torch import load_file, save_file  # noqa: E402

from listopd.networks import agree, open_model  # noqa: E402

BEYOND = {"kind": "constant", "value": 1.5}
OBJECTIVES = {"sampled": {}, "exact": {"divergence": "rkl"}, "top k": {"divergence": "rkl_topk", "top_k": 5}}


@pytest.fixture
def variant(tmp_path, checkpoint):
    """`variant(seed, rows, tied)`: a checkpoint with `rows` loud rows more, its head of its own where not tied."""
    numbers = count()

    def make(seed, rows=0, tied=True):
        folder = Path(shutil.copytree(checkpoint(seed), tmp_path / f"model{next(numbers)}"))
        weights = load_file(folder / "model.safetensors")
        embedding = weights["model.embed_tokens.weight"]
        generator = torch.Generator().manual_seed(rows)
        if not tied:
            weights["lm_head.weight"] = embedding.flip(1).contiguous()
        for name in ("model.embed_tokens.weight", "lm_head.weight"):
            if name in weights:
                loud = torch.randn(rows, embedding.shape[1], generator=generator) * 6 * embedding.std()
                weights[name] = torch.cat([weights[name], loud])
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        edit(folder / "config.json", vocab_size=len(weights["model.embed_tokens.weight"]), tie_word_embeddings=tied)
        return str(folder)

    return make


def edit(file, **changes):
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("lora", [None, {"rank": 2}], ids=["full", "adapters"])
def test_padding_of_any_of_the_three_changes_no_figure(opd_recipe, train, variant, objective, tied, lora):
    if lora:
        pytest.importorskip("peft", reason="needs peft")

    def figures(student, teacher, base):
        models = {"student": variant(0, student, tied), "teacher": variant(1, teacher, tied)}
        objectives = {"base": "path", **OBJECTIVES[objective]}
        extra = {"base": variant(2, base, tied), "extrapolation": BEYOND, "objective": objectives, "lora": lora}
        lines = train(opd_recipe(**models, **extra)).figures
        return [{**line.pop("kinds"), **line} for line in lines]

    plain = figures(0, 0, 0)
    for rows in ((0, 64, 0), (5, 128, 9)):
        for ours, alone in zip(figures(*rows), plain, strict=True):
            assert ours == pytest.approx(alone, rel=1e-4, abs=1e-6), rows


@pytest.mark.parametrize("lora", [None, {"rank": 2}], ids=["full", "adapters"])
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_a_padded_start_is_saved_as_wide_as_it_was(opd_recipe, train, variant, tied, lora):
    if lora:
        pytest.importorskip("peft", reason="needs peft")
    run = train(opd_recipe(student=variant(0, 7, tied), extrapolation=BEYOND, lora=lora))
    start = open_model(variant(0, 7, tied))
    saved = open_model(str(run.out / "checkpoint"))
    agree(start, saved, "student")
    assert saved.vocab_size == start.vocab_size
    assert ("lm_head.weight" in run.weights) is not tied


STOPS = {
    "an id": {"eos_token_id": 270},
    "a list": {"eos_token_id": [270]},
    "two": {"eos_token_id": [5, 270]},
    "none": {"eos_token_id": None},
    "left out": {},
}
SAMPLING = {
    "nothing": {},
    "greedy with a temperature": {"do_sample": False, "temperature": 0.6, "top_p": 0.9, "top_k": 1},
    "a penalty": {"do_sample": True, "repetition_penalty": 1.3, "temperature": 0.0},
    "no beams": {"num_beams": 0, "early_stopping": True, "length_penalty": 2.0, "temperature": -1.0},
    "words for numbers": {"temperature": "hot"},
}


@pytest.mark.parametrize("place", ["generation_config.json", "config.json", "both"])
def test_whatever_stop_ids_and_sampling_a_start_has_its_save_opens_and_stops(opd_recipe, train, variant, place):
    for stops, sampling in product(STOPS, SAMPLING):
        folder = Path(variant(0))
        changes = {**STOPS[stops], **SAMPLING[sampling]}
        generation = folder / "generation_config.json"
        if place == "config.json":
            generation.unlink(missing_ok=True)
        else:
            generation.write_text(json.dumps(changes))
        if place != "generation_config.json":
            if SAMPLING[sampling].get("temperature") == "hot" and place == "config.json":
                continue  # transformers itself refuses to open it
            edit(folder / "config.json", **changes)
        teacher = Path(variant(1))
        shutil.copy(folder / "config.json", teacher / "config.json")
        (teacher / "generation_config.json").unlink(missing_ok=True)
        if generation.exists():
            shutil.copy(generation, teacher / "generation_config.json")
        run = train(opd_recipe(student=str(folder), teacher=str(teacher), steps=1, max_tokens=2))
        start, saved = open_model(str(folder)), open_model(str(run.out / "checkpoint"))
        agree(start, saved, "student")
        expected = [5, 270] if stops == "two" else [270]
        kept = json.loads((run.out / "checkpoint" / "generation_config.json").read_text())
        assert (kept["eos_token_id"], list(saved.stops)) == (expected, expected), (stops, sampling)
        left = {**kept, **json.loads((run.out / "checkpoint" / "config.json").read_text())}
        assert not set(SAMPLING[sampling]) & set(left), (stops, sampling)
