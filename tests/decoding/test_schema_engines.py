"""The stock engines inside transformers: every answer keeps the schema, and none of them sees a duplicate."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
jsonschema = pytest.importorskip("jsonschema")
for _package in ("xgrammar", "outlines_core", "llguidance"):
    pytest.importorskip(_package)

from listeval.backends.hf import hf_engine as hf  # noqa: E402
from listeval.backends.protocol import BackendOptions, Message, Request, Sampling  # noqa: E402
from listeval.contract import Item, KeyedList, Record  # noqa: E402
from listeval.decoding.constraint import Constraint, JsonForm, json_form  # noqa: E402
from listeval.decoding.engines import EngineVocabulary, open_engine  # noqa: E402
from listeval.decoding.engines.walk import walk  # noqa: E402
from listeval.decoding.masking import Masking  # noqa: E402
from listeval.decoding.spacing import Spacing  # noqa: E402
from listeval.errors import UserError  # noqa: E402
from tests.decoding.conftest import contract  # noqa: E402

STOCK = ["xgrammar", "llguidance", "outlines"]
IDS = ("A10", "A1", "Z\"q'", "é 🙂")


class Word(KeyedList[Any]):
    """The ids alone: a random model would spend its budget inside a number."""

    def json_schema(self) -> dict[str, Any]:
        size = len(self.ids)
        return {"type": "array", "items": {"enum": list(self.ids)}, "minItems": size, "maxItems": size}


def word(ids: tuple[str, ...] = IDS) -> Word:
    return Word(contract(ids).item, key="review_id", ids=ids)


def vocabulary(tokenizer: Any) -> EngineVocabulary:
    return EngineVocabulary(tokenizer, len(tokenizer), (tokenizer.eos_token_id,))


@pytest.fixture(params=STOCK)
def engine_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def backend(checkpoint: Path, engine_name: str) -> Iterator[hf.HFBackend]:
    constraint = Constraint("schema", engine_name)  # type: ignore[arg-type]
    with hf.open(str(checkpoint), BackendOptions(device="cpu", batch_size=4, constraint=constraint)) as opened:
        yield opened


def requests(backend: hf.HFBackend, n: int, max_tokens: int = 120, **sampling: Any) -> list[Request]:
    prompts = [backend.renderer.render((Message("user", "Rate. " * (i % 5 + 1)),)) for i in range(n)]
    spec = Sampling(max_tokens, **sampling)
    return [Request(str(i), str(i), p, spec, i, word(IDS[: 2 + i % 3])) for i, p in enumerate(prompts)]


@pytest.mark.parametrize("sampling", [{}, {"temperature": 3.0, "top_p": 0.9}])
def test_every_answer_keeps_its_own_schema(backend: hf.HFBackend, sampling: dict[str, float]) -> None:
    asked = {request.key: request for request in requests(backend, 14, **sampling)}
    lists = []
    for completion in backend.generate(asked.values()):
        assert completion.error is None
        assert completion.finish_reason == "stop"
        value = json.loads(completion.text)
        jsonschema.validate(value, asked[completion.key].contract.json_schema())
        assert completion.masked is not None and 0.0 < completion.masked < 1.0
        lists.append(value)
    assert len(lists) == 14
    assert any(len(set(value)) < len(value) for value in lists), "a schema lets an id stand twice"


class Impossible(Word):
    """A schema whose bounds hold no number, which no engine takes."""

    def json_schema(self) -> dict[str, Any]:
        return {"type": "number", "minimum": 5, "maximum": 3}


def test_a_contract_that_cannot_be_constrained_fails_alone(backend: hf.HFBackend) -> None:
    asked = requests(backend, 7)
    asked[3] = asked[3]._replace(contract=Impossible(contract(IDS).item, key="review_id", ids=IDS))
    found = {completion.key: completion for completion in backend.generate(asked)}
    assert [key for key, completion in found.items() if completion.error is not None] == ["3"]
    assert "holds no number" in (found["3"].error or "")
    assert len(found) == 7


def test_rows_that_end_leave_their_neighbours_alone(backend: hf.HFBackend, checkpoint: Path) -> None:
    asked = requests(backend, 7)
    together = {c.key: c.token_ids for c in backend.generate(asked)}
    alone = {r.key: next(iter(backend.generate([r]))).token_ids for r in asked}
    assert together == alone


def test_greedy_is_the_argmax_over_what_is_allowed(backend: hf.HFBackend) -> None:
    request = requests(backend, 1)[0]
    tokens = list(next(iter(backend.generate([request]))).token_ids)
    decoder = backend._decoder
    assert decoder is not None
    ids = list(request.prompt.token_ids)
    for token in tokens:
        mask = decoder.processor([request.contract], torch.device("cpu"))
        for known in range(len(request.prompt.token_ids), len(ids) + 1):
            with torch.inference_mode():
                scores = backend._network(torch.tensor([ids[:known]])).logits[:, -1]
            kept = mask(torch.tensor([ids[:known]]), scores)
        assert kept[0].argmax().item() == token
        assert kept[0, token] == scores[0, token]
        ids.append(token)


def test_settings_tell_engine_spacing_and_cost(backend: hf.HFBackend, engine_name: str) -> None:
    list(backend.generate(requests(backend, 3)))
    said = backend.settings()["constraint"]
    assert (said["kind"], said["engine"], said["spacing"], said["compiled"]) == ("schema", engine_name, "either", 3)
    assert 0 < said["compile_ms"] <= said["compile_ms_max"]
    package = {"outlines": "outlines_core"}.get(engine_name, engine_name)
    assert package in backend.versions()


@pytest.mark.parametrize("text", ['["A10","A10"]', '["A1","A10"]'])
def test_compact_json_is_accepted(engine_name: str, byte_level: Any, text: str) -> None:
    engine = open_engine(engine_name, vocabulary(byte_level))
    form = JsonForm(json_form(word(IDS[:2])).schema, Spacing.COMPACT)
    assert walk(engine.matcher(form), byte_level.encode(text), vocabulary(byte_level))
    assert not walk(engine.matcher(form), byte_level.encode(text.replace(",", ", ")), vocabulary(byte_level))


def test_an_engine_says_which_keyword_it_cannot_take(byte_level: Any) -> None:
    engine = open_engine("llguidance", vocabulary(byte_level))
    with pytest.raises(UserError, match="llguidance cannot take keyword 'uniqueItems'"):
        engine.matcher(JsonForm({"type": "array", "items": {"enum": ["a"]}, "uniqueItems": True}))


def test_a_schema_that_the_engine_does_not_take_fails_its_request_with_the_keyword(checkpoint: Path) -> None:
    class Odd(Record[Any]):
        def json_schema(self) -> dict[str, Any]:
            return {"type": "array", "items": {"enum": ["a"]}, "uniqueItems": True}

    class Any_(Item):
        pass

    constraint = Constraint("schema", "llguidance")
    with hf.open(str(checkpoint), BackendOptions(device="cpu", constraint=constraint)) as backend:
        request = requests(backend, 1)[0]._replace(contract=Odd(Any_))
        (failed,) = backend.generate([request])
        assert "keyword 'uniqueItems'" in (failed.error or "")


class Stubborn:
    """A matcher that allows nothing, or refuses what it allowed."""

    def __init__(self, bits: int) -> None:
        self._bits = bits

    def fill(self, bits: Any) -> None:
        bits.fill_(self._bits)

    def accept(self, token: int) -> bool:
        return False


@pytest.mark.parametrize(("bits", "said"), [(0, "no token at all"), (-1, "which it had allowed")])
def test_an_engine_that_contradicts_itself_fails_the_row(bits: int, said: str) -> None:
    masking = Masking([Stubborn(bits)], [9], torch.device("cpu"))
    with pytest.raises(RuntimeError, match=said):
        for step in range(2):
            masking(torch.zeros(1, 3 + step, dtype=torch.long), torch.zeros(1, 40))


def test_masked_mass_is_what_is_taken_away() -> None:
    class First(Stubborn):
        def accept(self, token: int) -> bool:
            return True

    masking = Masking([First(1), First(3)], [9], torch.device("cpu"))
    scores = torch.log(torch.tensor([[0.25, 0.25, 0.5], [0.25, 0.25, 0.5]]))
    kept = masking(torch.zeros(2, 3, dtype=torch.long), scores)
    assert kept.isinf().tolist() == [[False, True, True], [False, False, True]]
    assert [round(mass.mean or 0, 6) for mass in masking.masses] == [0.75, 0.5]
    masking(torch.tensor([[0, 0, 0, 9], [0, 0, 0, 1]]), scores)
    assert [mass.steps for mass in masking.masses] == [1, 2]
