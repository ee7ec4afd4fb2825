"""The permutation inside vLLM: batch bookkeeping in process, and real engines in processes of their own."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import listeval
from listeval.contract import Parsed
from listeval.decoding.permutation.spec import PermutationSpec
from listeval.decoding.spacing import Spacing
from listeval.decoding.vllm_payload import KEY, LEDGER, PROCESSOR, Payload, read_payload
from listeval.errors import UserError
from tests.decoding.conftest import LAYOUT, contract, review_ids

GROUPS = [("a", "ab", 'q"', "back\\slash"), *(review_ids(random.Random(0), size) for size in (1, 5, 3, 8, 2))]

SCRIPT = """
import json, os, sys
if __name__ == "__main__":
    model, mode = sys.argv[1:3]
    groups = json.loads(sys.argv[3])
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "1" if mode == "own-process" else "0"
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    from transformers import AutoTokenizer
    from vllm import LLM, SamplingParams, TokensPrompt
    from listeval.decoding.permutation.spec import PermutationSpec
    from listeval.decoding.vllm_payload import KEY, PROCESSOR, Payload
    from tests.decoding.conftest import LAYOUT
    tokenizer = AutoTokenizer.from_pretrained(model)
    stop = tokenizer.eos_token_id
    extra = {} if mode == "own-process" else {"distributed_executor_backend": "uni"}
    # Fewer seats than requests and a chunked prefill: answers enter, leave and move while others go on.
    llm = LLM(model=model, dtype="float32", max_model_len=512, max_num_seqs=4, enforce_eager=True, seed=0,
              max_num_batched_tokens=32, logits_processors=[PROCESSOR], **extra)
    def params(at, ids):
        spec = PermutationSpec(tuple(ids), LAYOUT)
        args = {KEY: Payload(spec, (stop,), str(at)).text()}
        hot = {"temperature": 1.5 if at % 2 else 0.0}  # no seeds: a CPU build dies of one in a chunked prefill
        return SamplingParams(max_tokens=spec.longest_answer(), stop_token_ids=[stop], extra_args=args, **hot)
    free = SamplingParams(max_tokens=12, temperature=0.0, ignore_eos=True)
    prompt = tokenizer.encode("Rate the dress. " * 5, add_special_tokens=False)
    prompts = [TokensPrompt(prompt_token_ids=prompt[at:]) for at in range(len(groups))]
    asked = [*(params(at, ids) for at, ids in enumerate(groups)), *[free] * len(groups)]
    both = llm.generate([*prompts, *prompts], asked, use_tqdm=False)
    alone = llm.generate(prompts, [free] * len(groups), use_tqdm=False)
    refused = ""
    try:
        llm.generate(prompts[:1], SamplingParams(max_tokens=2, extra_args={KEY: "{}"}), use_tqdm=False)
    except Exception as error:
        refused = str(error)
    cut = Payload(PermutationSpec(("a",), LAYOUT), (stop,), "short").text()
    three = SamplingParams(max_tokens=3, temperature=0.0, extra_args={KEY: cut})
    short = llm.generate(prompts[:1], three, use_tqdm=False)
    ids = lambda outputs: [list(o.outputs[0].token_ids) for o in outputs]
    answers = {"constrained": ids(both[:len(groups)]), "free": ids(both[len(groups):]), "alone": ids(alone),
               "refused": refused, "short": ids(short)}
    print("ANSWERS" + json.dumps(answers))
"""


def run(model: Path, mode: str, folder: Path) -> dict[str, Any]:
    script = folder / "script.py"
    script.write_text(SCRIPT)
    ledger = folder / f"{mode}.jsonl"
    root = str(Path(listeval.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, str(script), str(model), mode, json.dumps(GROUPS)],
        env={**os.environ, "PYTHONPATH": root, LEDGER: str(ledger), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("ANSWERS"))
    rows = [json.loads(row) for row in ledger.read_text().splitlines()]
    return {**json.loads(line.removeprefix("ANSWERS")), "ledger": {row["tag"]: row for row in rows}}


@pytest.fixture(scope="module", params=["in-process", "own-process"])
def answers(request: pytest.FixtureRequest, checkpoint: Path, tmp_path_factory: Any) -> dict[str, Any]:
    return run(checkpoint, request.param, tmp_path_factory.mktemp("vllm"))


@pytest.mark.slow
@pytest.mark.vllm
@pytest.mark.skipif(find_spec("vllm") is None, reason="needs vLLM")
class TestEngine:
    """Each mode is one engine start."""

    def test_every_constrained_answer_keeps_its_contract(self, answers: dict[str, Any], checkpoint: Path) -> None:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(checkpoint)
        for ids, tokens in zip(GROUPS, answers["constrained"], strict=True):
            assert tokens[-1] == tokenizer.eos_token_id
            text = tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
            assert isinstance(contract(ids).parse(text), Parsed), text

    def test_neighbours_are_left_alone(self, answers: dict[str, Any]) -> None:
        assert answers["free"] == answers["alone"]

    def test_the_ledger_has_each_answers_masked_mass(self, answers: dict[str, Any]) -> None:
        for at, tokens in enumerate(answers["constrained"]):
            row = answers["ledger"][str(at)]
            assert row["steps"] == len(tokens)
            assert 0 < row["mean"] <= row["max"] <= 1
        assert answers["ledger"]["short"]["steps"] == len(answers["short"][0]) == 3

    def test_a_broken_payload_is_refused_before_it_runs(self, answers: dict[str, Any]) -> None:
        assert "extra argument 'listeval' is broken" in answers["refused"]

    def test_greedy_answers_are_those_of_transformers(self, answers: dict[str, Any], checkpoint: Path) -> None:
        torch = pytest.importorskip("torch")
        from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

        from listeval.decoding.hf_processor import PermutationProcessor
        from listeval.decoding.permutation.automaton import Permutation
        from listeval.decoding.tokens.token_trie import trie_of

        network = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
        network.generation_config = GenerationConfig()
        tokenizer = AutoTokenizer.from_pretrained(checkpoint)
        stop = tokenizer.eos_token_id
        prompt = tokenizer.encode("Rate the dress. " * 5, add_special_tokens=False)
        for at in range(0, len(GROUPS), 2):
            spec = PermutationSpec(GROUPS[at], LAYOUT)
            processor = PermutationProcessor([Permutation(spec, trie_of(tokenizer), [stop])])
            ids = torch.tensor([prompt[at:]])
            output = network.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=spec.longest_answer(),
                eos_token_id=stop,
                pad_token_id=stop,
                logits_processor=[processor],
                do_sample=False,
            )
            assert output[0, ids.shape[1] :].tolist() == answers["constrained"][at]
            assert processor.masses[0].mean == pytest.approx(answers["ledger"][str(at)]["mean"], abs=1e-4)


class TestPayload:
    SPEC = PermutationSpec(GROUPS[0], LAYOUT)

    def test_text_both_ways(self) -> None:
        payload = Payload(self.SPEC, (2, 5), "row 1")
        assert read_payload({KEY: payload.text()}) == payload
        for spacing in Spacing:
            spaced = payload._replace(spec=replace(self.SPEC, layout=replace(LAYOUT, spacing=spacing)))
            assert read_payload({KEY: spaced.text()}) == spaced
            assert json.loads(spaced.text())["permutation"]["spacing"] == spacing.value
        assert read_payload({"other": 1}) is None
        assert read_payload(None) is None

    @pytest.mark.parametrize(
        "broken",
        [
            "",
            "[]",
            "{}",
            "null",
            '{"stops": [], "tag": "", "permutation": {}}',
            7,
            "[" * 100_000,
            f'{{"stops": [{1 << 63}]}}',
        ],
    )
    def test_garbage_is_refused(self, broken: Any) -> None:
        with pytest.raises(UserError, match=r"extra argument 'listeval'|no permutation spec"):
            read_payload({KEY: broken})

    @pytest.mark.parametrize("spacing", ["spaced", "engine", "EITHER", "", None, 1, ["either"]])
    def test_an_unknown_spacing_is_refused(self, spacing: Any) -> None:
        content = json.loads(Payload(self.SPEC, (2,)).text())
        content["permutation"]["spacing"] = spacing
        with pytest.raises(UserError, match="no permutation spec"):
            read_payload({KEY: json.dumps(content)})

    def test_the_processor_is_importable_by_its_name(self) -> None:
        module, name = PROCESSOR.split(":")
        assert find_spec(module) is not None
        assert name == "PermutationProcessor"


@pytest.mark.vllm
@pytest.mark.skipif(find_spec("vllm") is None, reason="needs vLLM")
class TestBatches:
    """vLLM's protocol of removed, added and moved rows, played by hand."""

    @pytest.fixture
    def processor(self, byte_level: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
        import torch

        from listeval.decoding import vllm_processor
        from listeval.decoding.tokens.token_trie import trie_of

        model = SimpleNamespace(
            tokenizer="t", tokenizer_revision=None, trust_remote_code=False, get_vocab_size=lambda: len(byte_level)
        )
        monkeypatch.setattr(vllm_processor, "_load_trie", lambda *_: trie_of(byte_level))
        return vllm_processor.PermutationProcessor(SimpleNamespace(model_config=model), torch.device("cpu"), False)

    @staticmethod
    def update(processor: Any, removed: Any = (), added: Any = (), moved: Any = ()) -> None:
        from vllm.v1.sample.logits_processor import BatchUpdate

        processor.update_state(BatchUpdate(batch_size=4, removed=removed, added=added, moved=moved))

    @staticmethod
    def request(row: int, outputs: list[int], *ids: str) -> Any:
        args = {KEY: Payload(PermutationSpec(ids, LAYOUT), (0,)).text()} if ids else None
        return row, SimpleNamespace(extra_args=args, max_tokens=100), None, outputs

    @staticmethod
    def finite(processor: Any) -> list[int]:
        import torch

        return processor.apply(torch.zeros(4, 600)).isfinite().sum(dim=1).tolist()  # type: ignore[no-any-return]

    def test_rows_come_go_and_move(self, processor: Any) -> None:
        from vllm.v1.sample.logits_processor import MoveDirectionality as Move

        assert processor.is_argmax_invariant() is False
        assert self.finite(processor) == [600] * 4
        done: list[int] = []
        self.update(processor, added=[self.request(0, [], "a"), self.request(1, []), self.request(3, done, "b")])
        first = self.finite(processor)
        assert first[1:3] == [600, 600] and first[0] == first[3] < 10
        self.update(processor, moved=[(0, 1, Move.SWAP)])
        assert [count == 600 for count in self.finite(processor)] == [True, False, True, False]
        self.update(processor, removed=[1], moved=[(3, 1, Move.UNIDIRECTIONAL)])
        assert [count == 600 for count in self.finite(processor)] == [True, False, True, True]
        self.update(processor, added=[self.request(1, [])])
        assert self.finite(processor) == [600] * 4

    def test_a_preempted_answer_goes_on_where_it_was(self, processor: Any, byte_level: Any) -> None:
        outputs = byte_level.encode('[{"review_id":"a', add_special_tokens=False)
        self.update(processor, added=[self.request(0, outputs, "a", "ab")])
        import torch

        logits = processor.apply(torch.zeros(4, 600))
        texts = {byte_level.decode([t]) for t in logits[0].isfinite().nonzero().flatten().tolist()}
        assert {'"', "b"} <= texts
        assert all(text[0] in 'b"' for text in texts)

    def test_what_cannot_be_spelt_or_followed_ends_at_once(self, processor: Any, monkeypatch: Any) -> None:
        import torch

        from listeval.decoding import vllm_processor
        from listeval.decoding.tokens.token_trie import TokenTrie

        self.update(processor, added=[self.request(0, [17], "a")])
        monkeypatch.setattr(vllm_processor, "_load_trie", lambda *_: TokenTrie([None, b"a"]))
        self.update(processor, added=[self.request(1, [], "b")])
        logits = processor.apply(torch.zeros(4, 600))
        for row in (0, 1):
            assert logits[row].isfinite().nonzero().flatten().tolist() == [0]

    def test_a_stop_token_beyond_the_logits_does_not_end_the_engine(self, processor: Any) -> None:
        import torch

        spec = PermutationSpec(("a",), LAYOUT)
        for row, stops in enumerate([(9_999,), (0, 9_999)]):
            args = {KEY: Payload(spec, stops).text()}
            added = [(row, SimpleNamespace(extra_args=args, max_tokens=100), None, [])]
            self.update(processor, added=added)
        finite = processor.apply(torch.zeros(4, 600)).isfinite()
        assert finite[0].nonzero().flatten().tolist() == [0]
        assert 0 < finite[1].sum() < 10

    def test_params_are_checked_at_the_door(self, processor: Any) -> None:
        type(processor).validate_params(SimpleNamespace(extra_args=None))
        with pytest.raises(ValueError, match="broken"):
            type(processor).validate_params(SimpleNamespace(extra_args={KEY: "{}"}))
