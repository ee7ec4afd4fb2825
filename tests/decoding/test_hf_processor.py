"""The permutation inside transformers' `generate`, on tiny random models; and the arithmetic of the masked mass."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from listeval.contract import Parsed
from listeval.decoding.mass import MaskedMass
from listeval.decoding.permutation.automaton import Permutation
from listeval.decoding.permutation.permutation_spec import PermutationSpec
from listeval.decoding.tokens.token_trie import as_tokens, trie_of
from tests.decoding.conftest import LAYOUT, contract, review_ids

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    network = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
    network.generation_config = GenerationConfig()
    return network, AutoTokenizer.from_pretrained(checkpoint)


def permutations_of(tokenizer: Any, groups: list[tuple[str, ...]]) -> list[Permutation]:
    return [Permutation(PermutationSpec(ids, LAYOUT), trie_of(tokenizer), [tokenizer.eos_token_id]) for ids in groups]


def generate(model: tuple[Any, Any], groups: list[tuple[str, ...]], prompts: list[str], **sampling: Any) -> Any:
    from listeval.decoding.hf_processor import PermutationProcessor

    network, tokenizer = model
    tokenizer.pad_token, tokenizer.padding_side = tokenizer.eos_token, "left"
    batch = tokenizer(prompts, return_tensors="pt", padding=True, add_special_tokens=False)
    processor = PermutationProcessor(permutations_of(tokenizer, groups))
    budget = max(PermutationSpec(ids, LAYOUT).longest_answer() for ids in groups)
    with torch.inference_mode():
        output = network.generate(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            max_new_tokens=budget,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.eos_token_id,
            logits_processor=[processor],
            **{"do_sample": False, **sampling},
        )
    return output[:, batch["input_ids"].shape[1] :], processor


@pytest.mark.parametrize("sampling", [{}, {"do_sample": True, "temperature": 2.0}])
def test_every_row_of_a_batch_keeps_its_own_contract(model: tuple[Any, Any], sampling: dict[str, Any]) -> None:
    rng = random.Random(0)
    groups = [review_ids(rng, size) for size in (1, 6, 2, 4)] + [("a", "ab", 'q"', "🙂")]
    prompts = ["Rate the dress. " * n for n in (1, 4, 2, 7, 3)]
    rows, processor = generate(model, groups, prompts, **sampling)
    tokenizer = model[1]
    for ids, row, mass in zip(groups, rows.tolist(), processor.masses, strict=True):
        assert tokenizer.eos_token_id in row
        text = tokenizer.decode(row, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        assert isinstance(contract(ids).parse(text), Parsed), text
        assert mass.steps == row.index(tokenizer.eos_token_id) + 1
        assert 0 < mass.mean <= mass.most <= 1
        assert mass.nats > 0


def test_greedy_and_mass_agree_with_a_loop_of_one_step_each(model: tuple[Any, Any]) -> None:
    network, tokenizer = model
    ids = ("x", "xy", "z")
    rows, processor = generate(model, [ids], ["Rate the dress."])
    (permutation,) = permutations_of(tokenizer, [ids])
    cursor = permutation.cursor()
    context = tokenizer("Rate the dress.", return_tensors="pt", add_special_tokens=False)["input_ids"]
    mass = MaskedMass()
    for token in rows[0].tolist():
        with torch.inference_mode():
            logits = network(context).logits[0, -1].double()
        allowed = cursor.allowed()
        assert token == allowed[logits[torch.from_numpy(allowed.copy())].argmax()]
        kept = logits.softmax(-1)[torch.from_numpy(allowed.copy())].sum()
        mass.add(math.log(kept))
        cursor.advance(token)
        context = torch.cat([context, torch.tensor([[token]])], dim=1)
    assert cursor.ended
    ours = processor.masses[0]
    assert (ours.steps, ours.mean) == (mass.steps, pytest.approx(mass.mean, abs=1e-5))
    assert ours.nats == pytest.approx(mass.nats, rel=1e-4)
    assert ours.most == pytest.approx(mass.most, abs=1e-5)


def test_beams_are_refused(model: tuple[Any, Any]) -> None:
    with pytest.raises(ValueError, match="beams are not supported"):
        generate(model, [("a", "b")], ["Rate."], num_beams=2)


class TestRestrict:
    def test_only_the_named_rows_change(self) -> None:
        from listeval.decoding.restrict import restrict

        before = torch.randn(4, 50)
        after = before.clone()
        masses = restrict(after, [2, 0], [as_tokens([7]), as_tokens([3, 4, 49])], price=True)
        assert torch.equal(after[[1, 3]], before[[1, 3]])
        for row, tokens, mass in ((2, [7], masses[0]), (0, [3, 4, 49], masses[1])):
            assert np.flatnonzero(after[row].isfinite().numpy()).tolist() == tokens
            assert torch.equal(after[row, tokens], before[row, tokens])
            assert mass == pytest.approx(math.log(before[row].softmax(-1)[tokens].sum()), abs=1e-5)

    def test_all_rows_in_another_order_keep_their_own_masses(self) -> None:
        from listeval.decoding.restrict import restrict

        logits = torch.randn(3, 20)
        expected = [math.log(logits[row].softmax(-1)[: row + 1].sum()) for row in (2, 0, 1)]
        masses = restrict(logits, [2, 0, 1], [as_tokens(range(row + 1)) for row in (2, 0, 1)], price=True)
        assert masses == pytest.approx(expected, abs=1e-5)

    def test_a_mass_too_small_for_a_float_is_still_a_number(self) -> None:
        from listeval.decoding.restrict import restrict

        logits = torch.zeros(1, 10)
        logits[0, 0] = 400.0
        (mass,) = restrict(logits, [0], [as_tokens([1, 2])], price=True)
        assert mass == pytest.approx(math.log(2) - 400)
        assert restrict(logits, [], [], price=True) == []
        assert restrict(logits, [0], [as_tokens([1])], price=False) == []

    def test_half_precision_logits_are_measured_in_float(self) -> None:
        from listeval.decoding.restrict import restrict

        logits = torch.randn(2, 1000).to(torch.bfloat16)
        expected = [math.log(row.float().softmax(-1)[:5].sum()) for row in logits]
        masses = restrict(logits, [0, 1], [as_tokens(range(5))] * 2, price=True)
        assert masses == pytest.approx(expected, abs=1e-4)
        assert logits.dtype == torch.bfloat16


def test_masked_mass_adds_up() -> None:
    mass = MaskedMass()
    assert mass.mean is None
    for kept in (0.5, 1.0, 0.25):
        mass.add(math.log(kept))
    mass.add(1e-9)
    assert mass.spec() == {
        "steps": 4,
        "mean": pytest.approx(1.25 / 4),
        "max": pytest.approx(0.75),
        "nats": pytest.approx(math.log(8)),
    }
