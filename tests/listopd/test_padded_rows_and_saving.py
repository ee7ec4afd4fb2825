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

from listopd.networks import agree, load_network, open_model, save_network  # noqa: E402

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


@pytest.mark.parametrize(
    ("objective", "tied", "lora"),
    [
        ("sampled", True, None),
        ("sampled", False, None),
        ("exact", True, None),
        ("top k", False, None),
        ("sampled", True, {"rank": 2}),
        ("exact", False, {"rank": 2}),
    ],
)
def test_padding_of_all_three_changes_no_figure(opd_recipe, train, variant, objective, tied, lora):
    if lora:
        pytest.importorskip("peft", reason="needs peft")

    def figures(student, teacher, base):
        models = {"student": variant(0, student, tied), "teacher": variant(1, teacher, tied)}
        objectives = {"base": "path", **OBJECTIVES[objective]}
        extra = {"base": variant(2, base, tied), "extrapolation": BEYOND, "objective": objectives, "lora": lora}
        lines = train(opd_recipe(**models, **extra)).figures
        return [{**line.pop("kinds"), **line} for line in lines]

    plain = figures(0, 0, 0)
    for ours, alone in zip(figures(5, 128, 9), plain, strict=True):
        assert ours == pytest.approx(alone, rel=1e-4, abs=1e-6)


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
def test_whatever_stop_ids_and_sampling_a_start_has_its_save_opens_and_stops(variant, tmp_path, place):
    for number, (stops, sampling) in enumerate(product(STOPS, SAMPLING)):
        if sampling == "words for numbers" and place != "generation_config.json":
            continue  # transformers itself refuses to open it
        start, saved, left = saved_again(variant, tmp_path / str(number), {**STOPS[stops], **SAMPLING[sampling]}, place)
        agree(start, saved, "student")
        expected = [5, 270] if stops == "two" else [270]
        assert (left["eos_token_id"], list(saved.stops)) == (expected, expected), (stops, sampling)
        assert not set(SAMPLING[sampling]) & set(left), (stops, sampling)


def saved_again(variant, out, changes, place):
    """A start with `changes` in `place`, opened; what becomes of it when it is saved, opened; and its JSON."""
    folder = Path(variant(0))
    generation = folder / "generation_config.json"
    if place == "config.json":
        generation.unlink(missing_ok=True)
    else:
        generation.write_text(json.dumps(changes))
    if place != "generation_config.json":
        edit(folder / "config.json", **changes)
    start = open_model(str(folder))
    network = load_network(start, torch.device("cpu"), None, frozen=False)
    save_network(network, start, dict(network.state_dict()), out, "float32")
    texts = [json.loads((out / name).read_text()) for name in ("config.json", "generation_config.json")]
    return start, open_model(str(out)), {**texts[0], **texts[1]}


def test_a_trained_student_keeps_no_sampling_of_its_start_and_all_its_stop_ids(opd_recipe, train, variant):
    """The public case: saving fails over do_sample=False beside a temperature."""
    models = [Path(variant(seed)) for seed in (0, 1)]
    for folder in models:
        changes = {"eos_token_id": [5, 270], "do_sample": False, "temperature": 0.6, "top_k": 1, "top_p": 0.9}
        (folder / "generation_config.json").write_text(json.dumps(changes))
    run = train(opd_recipe(student=str(models[0]), teacher=str(models[1]), steps=1))
    kept = json.loads((run.out / "checkpoint" / "generation_config.json").read_text())
    assert kept["eos_token_id"] == [5, 270] and "temperature" not in kept
