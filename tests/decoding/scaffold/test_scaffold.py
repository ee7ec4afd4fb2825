"""Scaffolds: fixed text is appended, numbers are decoded, and the scores are those of decoding token by token."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from listeval.backends.hf import hf_engine as hf  # noqa: E402
from listeval.backends.hf.hooks import GumbelSampler  # noqa: E402
from listeval.backends.protocol import BackendOptions, Message, Request, Sampling  # noqa: E402
from listeval.contract import Item, KeyedList, Parsed, Score  # noqa: E402
from listeval.decoding.constraint import Constraint  # noqa: E402
from listeval.decoding.permutation.number_form import NumberForm  # noqa: E402
from listeval.decoding.permutation.permutation_spec import PermutationSpec  # noqa: E402
from listeval.decoding.permutation.skeleton import Field, Layout  # noqa: E402
from listeval.decoding.scaffold.blank import Blank, choice  # noqa: E402
from listeval.decoding.scaffold.hf import Feeder, decode, start  # noqa: E402
from listeval.decoding.scaffold.scaffold_spec import Scaffold  # noqa: E402
from listeval.decoding.scaffold.tokens import spelled, spelled_bytes  # noqa: E402
from listeval.decoding.spacing import MOST_WHITESPACE, Spacing  # noqa: E402
from listeval.decoding.tokens.token_trie import TokenTrie, trie_of  # noqa: E402
from listeval.errors import UserError  # noqa: E402
from tests.decoding.conftest import LAYOUT, contract, review_ids  # noqa: E402

IDS = ("A10", "A1", 'Z"q', "é 🙂", "A100")


class Slow(Feeder):
    """A network fed one token a pass, without padding, a row at a time: what the appended texts must equal."""

    def feed(self, rows: Sequence[Sequence[int]]) -> Any:
        self._rows: list[Feeder] = getattr(self, "_rows", [Feeder(self._network) for _ in rows])
        logits = [torch.zeros(1, self._network.config.vocab_size) for _ in rows]
        for at, (row, feeder) in enumerate(zip(rows, self._rows, strict=True)):
            for token in row:
                logits[at] = feeder.feed([[token]])
        return torch.cat(logits)


def open_backend(folder: Path, batch_size: int = 4) -> hf.HFBackend:
    constraint = Constraint("scaffold", "own")
    return hf.open(str(folder), BackendOptions(device="cpu", batch_size=batch_size, constraint=constraint))


def requests(backend: hf.HFBackend, n: int = 9, **sampling: Any) -> list[Request]:
    prompts = [backend.renderer.render((Message("user", "Rate it. " * (i % 4 + 1)),)) for i in range(n)]
    spec = Sampling(**{"max_tokens": 300, **sampling})
    return [Request(str(i), str(i), p, spec, i, contract(IDS[: 1 + i % 5])) for i, p in enumerate(prompts)]


@pytest.mark.parametrize("temperature", [0.0, 2.0])
def test_scores_are_those_of_decoding_token_by_token(checkpoint: Path, temperature: float) -> None:
    with open_backend(checkpoint) as backend:
        asked = requests(backend, temperature=temperature)
        found = {c.key: c for c in backend.generate(asked)}
        decoder = backend._decoder
        assert decoder is not None
        for request in asked:
            answers = decoder.scaffolds([request.contract], [request.prompt.token_ids])
            sampler = None
            if temperature:
                sampler = GumbelSampler(request.sampling, [request.seed], torch.device("cpu"))
            with torch.inference_mode():
                decode(answers, Slow(backend._network), decoder.trie, sampler and sampler.noisy)
            completion = found[request.key]
            assert list(completion.token_ids) == answers[0].tokens
            if not temperature:
                assert completion.masked == pytest.approx(answers[0].mass.mean, abs=1e-5)


def test_answers_parse_in_input_order_and_end(checkpoint: Path) -> None:
    with open_backend(checkpoint) as backend:
        asked = {r.key: r for r in requests(backend)}
        for completion in backend.generate(asked.values()):
            assert completion.finish_reason == "stop"
            result = asked[completion.key].contract.parse(completion.text)
            assert isinstance(result, Parsed)
            assert [item.review_id for item in result.value] == list(asked[completion.key].contract.ids)
            assert completion.text == json.dumps(json.loads(completion.text), ensure_ascii=False)
            assert completion.n_tokens == len(completion.token_ids) + 1


def test_forward_passes_are_saved_and_counted(checkpoint: Path) -> None:
    with open_backend(checkpoint) as backend:
        list(backend.generate(requests(backend)))
        said = backend.settings()["constraint"]
        assert 0 < said["forward_passes"] < said["one_by_one"] / 2


def test_a_budget_cuts_and_says_so(checkpoint: Path) -> None:
    with open_backend(checkpoint) as backend:
        completion = next(iter(backend.generate(requests(backend, 1, max_tokens=5))))
        assert completion.finish_reason == "length"
        assert completion.n_tokens == len(completion.token_ids) == 5


def test_closing_ends_between_two_passes(checkpoint: Path) -> None:
    with open_backend(checkpoint, batch_size=2) as backend:
        stream = backend.generate(requests(backend))
        next(stream)
        backend._stop.set()
        assert len(list(stream)) <= 1


@pytest.mark.parametrize("name", ["byte_level", "merged", "sentencepiece"])
def test_fixed_text_is_spelled_as_the_tokenizer_would(name: str, request: pytest.FixtureRequest) -> None:
    tokenizer = request.getfixturevalue(name)
    trie = trie_of(tokenizer)
    for text in ('[{"review_id":"A1","score":', '},{"review_id":"é \\"🙂","score":', "}]"):
        tokens = spelled(text, tokenizer, trie)
        assert b"".join(trie.texts[token] or b"" for token in tokens) == text.encode()
        canonical = tokenizer.encode(text, add_special_tokens=False)
        if b"".join(trie.texts[token] or b"" for token in canonical) == text.encode():
            assert tokens == canonical


def test_the_space_that_a_tokenizer_puts_first_is_left_out(spaced: Any) -> None:
    text = '[{"score":10},{"é":1'
    assert spaced.convert_ids_to_tokens(spaced.encode(text, add_special_tokens=False))[0] == "▁["
    pieces = spaced.convert_ids_to_tokens(spelled(text, spaced, trie_of(spaced)))
    assert pieces == ["[", "{", '"', *"score", '":', "10", "}", ",", "{", '"', "é", '":', "1"]


@pytest.mark.parametrize("name", ["byte_level", "merged", "sentencepiece"])
@pytest.mark.parametrize(
    ("spacing", "texts"),
    [
        (Spacing.GOLD, ['}, {"review_id": "A']),
        (Spacing.COMPACT, ['},{"review_id":"A']),
        (Spacing.EITHER, [f'}},{a}{{"review_id":{b}"A' for a in ("", " ") for b in ("", " ")]),
    ],
)
def test_inside_a_number_comes_whatever_the_text_can_go_on_with(
    name: str, spacing: Spacing, texts: list[str], request: pytest.FixtureRequest
) -> None:
    """Against brute force over the whole vocabulary, tokens that span a number's end among them."""
    tokenizer = request.getfixturevalue(name)
    trie, form = trie_of(tokenizer), NumberForm(0, 10, 1)
    numbers = [str(i) for i in range(11)] + [f"{i}.{j}" for i in range(10) for j in range(10)] + ["10.0"]
    whole = [(number + text).encode() for number in numbers for text in texts]
    found = choice(trie, Blank(b"", form, texts[-1], spacing), 0)
    expected = {
        token for token, letters in enumerate(trie.texts) if letters and any(w.startswith(letters) for w in whole)
    }
    assert set(found.tokens.tolist()) == expected
    for token in expected:
        letters, step = trie.texts[token] or b"", found.after(token)
        if step.state is None:
            assert step.letters.decode() in numbers and letters.startswith(step.letters)
    if name == "merged":
        assert any(found.after(token).state is None and found.after(token).letters for token in expected)


def test_free_whitespace_may_begin_the_text_after_a_number() -> None:
    most = " " * MOST_WHITESPACE
    fitting = ["1", "1 ", "1\n", "1 \r\n\t}", f"1}}{most}]", f"1{most}}}", "1 }\n ]"]
    others = ["1 1", f"1}}{most} ]", f"1{most} }}", "1 }}", "1\u00a0", "1}]\n", " }", "\n"]
    trie = TokenTrie([word.encode() for word in fitting + others])
    found = choice(trie, Blank(b"", NumberForm(1, 1, 0), "}]", Spacing.FREE), 0)
    # The last `]` is the last letter; whitespace after it is none of an answer.
    assert {(fitting + others)[token] for token in found.tokens} == set(fitting)


def test_a_token_that_spans_a_numbers_end_gives_its_digits(merged: Any) -> None:
    trie = trie_of(merged)
    scaffold = Scaffold.of(PermutationSpec(("AB", "AC"), LAYOUT))
    answer = start(scaffold, merged, trie)
    found = answer.choice(trie)
    token = next(t for t in found.tokens.tolist() if found.after(t).state is None and found.after(t).letters)
    digits = found.after(token).letters.decode()
    answer.take(token, trie)
    written = b"".join(trie.texts[t] or b"" for t in answer.tokens).decode()
    assert written == scaffold.texts[0] + digits + scaffold.texts[1]
    assert not answer.inside and answer.number == 1


@pytest.mark.parametrize("spacing", list(Spacing))
@pytest.mark.parametrize("name", ["byte_level", "sentencepiece", "spaced"])
def test_a_model_that_writes_gold_as_its_tokenizer_cuts_it_is_followed_token_by_token(
    name: str, spacing: Spacing, request: pytest.FixtureRequest
) -> None:
    """Also where a space and a digit are one token: nothing of the cut that a model was trained on is lost."""
    tokenizer = request.getfixturevalue(name)
    trie, rng = trie_of(tokenizer), random.Random(5)
    spec = PermutationSpec(("A1", 'q"', "x, y: z", "é 🙂"), replace(LAYOUT, spacing=spacing))
    for _ in range(20):
        values = {i: {"score": rng.choice(("0", "10", "3.5", "10.0"))} for i in spec.ids}
        wanted = spelled(spec.write(values), tokenizer, trie)
        answer = start(Scaffold.of(spec), tokenizer, trie)
        while not answer.done:
            assert answer.tokens == wanted[: len(answer.tokens)]
            answer.take(wanted[len(answer.tokens)], trie)
        assert answer.tokens == wanted


@pytest.mark.parametrize(("spacing", "understood"), [("either", True), ("free", True), ("gold", False)])
def test_a_number_without_its_space_is_given_one(spacing: str, understood: bool) -> None:
    trie = TokenTrie([b" 7", b"7", b" ", b"7}", b" 7}, {", b'"s":', b"[", b"{", b"}", b"]", b","])
    blank = Blank.between('"s": ', NumberForm(7, 7, 0), "}, {", Spacing(spacing), trie)
    assert (blank.lead, blank.start) == (b" ", -1)
    found = choice(trie, blank, blank.start)
    assert set(found.tokens.tolist()) == ({0, 1, 2, 3, 4} if understood else {0, 2, 4})
    assert [found.after(token).lead for token in (0, 2, 4)] == [b""] * 3
    assert found.after(4).letters == b" 7"
    if understood:
        assert [found.after(token).lead for token in (1, 3)] == [b" "] * 2


def test_the_space_stays_with_the_text_where_no_token_joins_it_to_a_digit() -> None:
    trie = TokenTrie([b" ", b"7", b" a", b": "])
    assert Blank.between('"s": ', NumberForm(), "}", Spacing.EITHER, trie).lead == b""


def test_a_vocabulary_that_cannot_spell_is_refused(byte_level: Any) -> None:
    class Empty:
        labels, first, token = b"", [0, 0], [-1]

        def tokens_at(self, node: int) -> tuple[int, ...]:
            return ()

    with pytest.raises(UserError, match="cannot spell"):
        spelled_bytes(b"A", Empty())  # type: ignore[arg-type]


@pytest.mark.parametrize("form", [NumberForm(), NumberForm(-3, 12, 0), NumberForm(0.5, 7.25, 2), NumberForm(1, 1, 0)])
def test_the_pattern_holds_exactly_the_numbers(form: NumberForm) -> None:
    spec = PermutationSpec(("a.b", "c|d"), Layout((Field("id", None), Field("s", form))))
    pattern = Scaffold.of(spec).pattern()
    rng = random.Random(0)
    for _ in range(400):
        text = "".join(rng.choices("-0123456789.", k=rng.randint(1, 5)))
        number = re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?", text)
        decimals = len(text.partition(".")[2])
        fits = bool(number) and text != "-0" and not re.fullmatch(r"-0(\.0+)?", text)
        fits = fits and form.low <= float(text) <= form.high and decimals <= form.decimals
        answer = spec.write({"a.b": {"s": text}, "c|d": {"s": form.longest}})
        assert bool(re.fullmatch(pattern, answer)) == fits, text


@pytest.mark.parametrize("engine", ["xgrammar", "llguidance", "outlines"])
def test_stock_engines_take_the_pattern(engine: str, byte_level: Any) -> None:
    pytest.importorskip({"outlines": "outlines_core"}.get(engine, engine))
    from listeval.decoding.engines import EngineVocabulary
    from listeval.decoding.proof.audit_rules import audit_rules

    vocabulary = EngineVocabulary(byte_level, len(byte_level), (byte_level.eos_token_id,))
    ids = [*review_ids(random.Random(3), 3), 'q"\\[x](+)*', "é 🙂-{2}"]
    found = audit_rules(Constraint("scaffold", engine), contract(ids), vocabulary)  # type: ignore[arg-type]
    assert (found["valid"], set(found["rules"].values())) == ("accepted", {"kept"})
    assert found["spacing"] == {"asked": "either", "measured": "gold"}, "a scaffold writes as the gold answers do"
    assert set(found["rules"]) == {"all ids", "input ids", "bounded numbers", "each id once", "input order"}


def test_two_values_an_item(checkpoint: Path) -> None:
    class Two(Item):
        grade: Score
        id: str
        score: Score

    with open_backend(checkpoint) as backend:
        asked = requests(backend, 1)[0]._replace(contract=KeyedList(Two, key="id", ids=("x", "y")))
        completion = next(iter(backend.generate([asked])))
        assert isinstance(asked.contract.parse(completion.text), Parsed)
        assert [list(item) for item in json.loads(completion.text)] == [["grade", "id", "score"]] * 2
