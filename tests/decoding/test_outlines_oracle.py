"""Engine `outlines` allows the tokens that Outlines' own logits processor allows, step by step through an answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
outlines = pytest.importorskip("outlines")

from listeval.contract import KeyedList  # noqa: E402
from listeval.decoding.constraint import JsonForm, json_form  # noqa: E402
from listeval.decoding.engines import EngineVocabulary, open_engine  # noqa: E402
from listeval.decoding.engines.walk import tokens_of  # noqa: E402
from listeval.decoding.spacing import Spacing  # noqa: E402
from tests.decoding.conftest import contract  # noqa: E402


def allowed_by_outlines(model: Any, form: JsonForm, tokens: list[int], size: int) -> list[set[int]]:
    """The tokens that Outlines' public processor leaves at each step."""
    spaces = {Spacing.EITHER: " ?", Spacing.COMPACT: ""}[form.spacing]
    schema = json.dumps(form.schema, ensure_ascii=False)
    processor = outlines.backends.get_json_schema_logits_processor("outlines_core", model, schema, spaces)
    found = []
    for known in range(len(tokens) + 1):
        ids = torch.tensor([[0, *tokens[:known]]])
        left = processor(ids, torch.zeros(1, size))[0]
        found.append(set(torch.isfinite(left).nonzero().ravel().tolist()))
    return found


def allowed_by_us(form: JsonForm, tokens: list[int], vocabulary: EngineVocabulary) -> list[set[int]]:
    matcher = open_engine("outlines", vocabulary).matcher(form)
    bits = torch.zeros((vocabulary.size + 31) // 32, dtype=torch.int32)
    found = []
    for token in [*tokens, None]:
        matcher.fill(bits)
        found.append({at for at in range(vocabulary.size) if bits[at // 32].item() >> (at % 32) & 1})
        assert token is None or matcher.accept(token)
    return found


@pytest.mark.parametrize("spacing", [Spacing.EITHER, Spacing.COMPACT])
def test_masks_are_those_of_outlines_own_processor(checkpoint: Path, spacing: Spacing) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
    model = outlines.from_transformers(transformers.AutoModelForCausalLM.from_pretrained(checkpoint), tokenizer)
    vocabulary = EngineVocabulary(tokenizer, len(tokenizer), (tokenizer.eos_token_id,))
    asked: KeyedList[Any] = contract(("A10", "A1", "Z9"))
    form = json_form(asked)._replace(spacing=spacing)
    answer = json.dumps([{"review_id": name, "score": 7.5} for name in asked.ids], separators=(",", ":"))
    tokens = tokens_of(answer, vocabulary)
    ours, theirs = (
        allowed_by_us(form, tokens, vocabulary),
        allowed_by_outlines(model, form, tokens, vocabulary.size),
    )
    assert len(ours) > 20 and vocabulary.stops[0] in ours[-1]
    # Outlines knows tokens by their decoded text, in which half a character is a mark of replacement.
    broken = {at for at in range(vocabulary.size) if "\ufffd" in tokenizer.decode([at])}
    assert [step - broken for step in ours] == [step - broken for step in theirs]
