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
from listeval.decoding.permutation.permutation_spec import PermutationSpec
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
    from listeval.decoding.permutation.permutation_spec import PermutationSpec
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


def engine_config(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What a processor asks of vLLM's configuration."""
    from listeval.decoding import vllm_answers
    from listeval.decoding.tokens.token_trie import trie_of

    model = SimpleNamespace(
        tokenizer="t", tokenizer_revision=None, trust_remote_code=False, get_vocab_size=lambda: len(tokenizer)
    )
    monkeypatch.setattr(vllm_answers, "_load_trie", lambda *_: trie_of(tokenizer))
    return SimpleNamespace(model_config=model, speculative_config=None)


@pytest.mark.vllm
@pytest.mark.skipif(find_spec("vllm") is None, reason="needs vLLM")
class TestBatches:
    """vLLM's protocol of removed, added and moved rows, played by hand."""

    @pytest.fixture
    def processor(self, byte_level: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
        import torch

        from listeval.decoding import vllm_processor

        config = engine_config(byte_level, monkeypatch)
        return vllm_processor.PermutationProcessor(config, torch.device("cpu"), False)

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

        from listeval.decoding import vllm_answers
        from listeval.decoding.tokens.token_trie import TokenTrie

        self.update(processor, added=[self.request(0, [17], "a")])
        monkeypatch.setattr(vllm_answers, "_load_trie", lambda *_: TokenTrie([None, b"a"]))
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


def v2() -> Any:
    """vLLM's interface of the V2 model runner, which 0.31 to 0.33 have."""
    pytest.importorskip("vllm", reason="needs vLLM")
    return pytest.importorskip("vllm.v1.worker.gpu.sample.logits_processor", reason="this vLLM has no V2 processors")


class Runner:
    """A V2 model runner with `slots` seats and random tokens for a network: vLLM's own state and context classes."""

    def __init__(self, config: Any, slots: int, length: int, size: int) -> None:
        import numpy as np
        import torch

        from listeval.decoding.vllm_processor import PermutationProcessor

        self.size, self.free = size, list(range(slots))
        self.tokens = torch.zeros((slots, length), dtype=torch.int32)
        self.prompts = np.zeros(slots, dtype=np.int32)
        self.totals = np.zeros(slots, dtype=np.int32)
        held = SimpleNamespace(gpu=self.tokens)
        state = v2().LogitsProcRequestState(
            device=torch.device("cpu"), max_num_reqs=slots, vocab_size=size, all_token_ids=held,
            prompt_len=SimpleNamespace(np=self.prompts), prefill_len=None, total_len=None,
        )  # fmt: skip
        self.processor = PermutationProcessor(config, state)

    def begin(self, prompt: list[int], outputs: list[int], params: Any) -> int:
        """A slot for a request; `outputs` are there already when it was preempted before."""
        import torch

        slot = self.free.pop()
        whole = prompt + outputs
        self.tokens[slot, : len(whole)] = torch.tensor(whole, dtype=torch.int32)
        self.prompts[slot], self.totals[slot] = len(prompt), len(whole)
        self.processor.add_request(slot, params)
        return slot

    def step(self, slots: list[int], logits: Any, read: dict[int, int] | None = None) -> Any:
        """The masked logits of the requests in `slots`; `read`: how much of its prompt one has read so far."""
        import numpy as np
        import torch

        lengths = np.array([(read or {}).get(slot, self.totals[slot]) for slot in slots], dtype=np.int32)
        mapping = np.array(slots, dtype=np.int32)
        context = v2().LogitsContext(
            expanded_idx_mapping=torch.from_numpy(mapping), idx_mapping=torch.from_numpy(mapping),
            idx_mapping_np=mapping, expanded_local_pos=torch.zeros(len(slots)), input_ids=torch.zeros(len(slots)),
            pos=torch.from_numpy(lengths - 1), seq_lens_upper_bound_np=np.append(lengths, [0, 0]),
        )  # fmt: skip
        return self.processor.apply(logits, context)

    def write(self, slot: int, token: int) -> None:
        """What vLLM does after sampling, on the device."""
        self.tokens[slot, self.totals[slot]] = token
        self.totals[slot] += 1


@pytest.mark.vllm
@pytest.mark.skipif(find_spec("vllm") is None, reason="needs vLLM")
class TestV2Runner:
    """The protocol of vLLM's V2 model runner, played with its own classes: no CPU build runs it."""

    def test_one_name_is_a_processor_of_either_runner(self) -> None:
        from vllm.v1.sample.logits_processor import LogitsProcessor

        from listeval.decoding.vllm_processor import PermutationProcessor

        assert issubclass(PermutationProcessor, LogitsProcessor)
        assert issubclass(PermutationProcessor, v2().LogitsProcessor)
        # vLLM's own loader, as the front end of an engine calls it.
        validate = v2().build_custom_logits_processors_params_validator([PROCESSOR])
        validate(SimpleNamespace(extra_args=None))
        with pytest.raises(Exception, match="broken"):
            validate(SimpleNamespace(extra_args={KEY: "{}"}))

    @pytest.mark.parametrize("seed", range(4))
    def test_both_runners_mask_alike(
        self, byte_level: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seed: int
    ) -> None:
        """Requests come, go, are read in pieces, preempted and moved; every step masks what the V1 processor masks."""
        import torch
        from vllm.v1.sample.logits_processor import BatchUpdate

        from listeval.decoding.vllm_processor import PermutationProcessor

        draw, size, stop = random.Random(seed), len(byte_level), byte_level.eos_token_id
        ledgers = {name: tmp_path / name for name in ("v1", "v2")}
        config = engine_config(byte_level, monkeypatch)
        monkeypatch.setenv(LEDGER, str(ledgers["v2"]))
        runner = Runner(config, slots=4, length=800, size=size)
        monkeypatch.setenv(LEDGER, str(ledgers["v1"]))
        reference = PermutationProcessor(config, torch.device("cpu"), False)
        waiting = [(str(at), ids) for at, ids in enumerate(GROUPS)]
        running: dict[str, tuple[int, list[int], list[int], Any, int]] = {}
        done: dict[str, list[int]] = {}
        generator = torch.Generator().manual_seed(seed)
        while waiting or running:
            while waiting and runner.free:
                tag, ids = waiting.pop()
                extra = {KEY: Payload(PermutationSpec(ids, LAYOUT), (stop,), tag).text()} if ids else None
                params = SimpleNamespace(extra_args=extra, max_tokens=700)
                prompt = [draw.randrange(size) for _ in range(draw.randint(1, 9))]
                outputs = done.pop(tag, [])
                slot = runner.begin(prompt, outputs, params)
                running[tag] = slot, prompt, outputs, params, draw.randint(0, 2)
            order = draw.sample(sorted(running), len(running))
            added = [(row, running[tag][3], None, running[tag][2]) for row, tag in enumerate(order)]
            reference.update_state(BatchUpdate(batch_size=4, removed=range(4), added=added, moved=[]))
            logits = torch.randn(len(order), size, generator=generator)
            slots = [running[tag][0] for tag in order]
            # A prompt that is read in pieces has logits of no use to anybody.
            read = {running[tag][0]: max(1, len(running[tag][1]) - 1) for tag in order if running[tag][4] > 0}
            masked = runner.step(slots, logits.clone(), read)
            expected = reference.apply(logits.clone())
            for row, tag in enumerate(order):
                slot, prompt, outputs, params, pieces = running[tag]
                if pieces > 0:
                    running[tag] = slot, prompt, outputs, params, pieces - 1
                    continue
                assert torch.equal(masked[row], expected[row]), tag
                token = int(masked[row].argmax())
                outputs.append(token)
                runner.write(slot, token)
                if token == stop or draw.random() < 0.02:  # done, or preempted: it comes back with what it wrote
                    runner.free.append(slot)
                    del running[tag]
                    if token == stop:
                        text = byte_level.decode(outputs[:-1])
                        assert isinstance(contract(GROUPS[int(tag)]).parse(text), Parsed), text
                    else:
                        done[tag] = outputs
                        waiting.append((tag, GROUPS[int(tag)]))
        told = [json.loads(line) for line in ledgers["v2"].read_text().splitlines()]
        assert {row["tag"] for row in told} == {str(at) for at in range(len(GROUPS))}
        assert all(0 < row["mean"] <= row["max"] <= 1 for row in told)

    def test_neighbours_and_former_owners_of_a_slot_leave_no_mask(self, byte_level: Any, monkeypatch: Any) -> None:
        import torch

        runner = Runner(engine_config(byte_level, monkeypatch), slots=2, length=50, size=len(byte_level))
        extra = {KEY: Payload(PermutationSpec(("a",), LAYOUT), (0,)).text()}
        free = SimpleNamespace(extra_args=None, max_tokens=9)
        one = runner.begin([1, 2], [], SimpleNamespace(extra_args=extra, max_tokens=9))
        two = runner.begin([1], [], free)
        finite = runner.step([two, one], torch.zeros(2, len(byte_level))).isfinite().sum(-1).tolist()
        assert finite[0] == len(byte_level) and finite[1] < 10
        runner.free.append(one)
        assert runner.begin([3], [], free) == one
        assert runner.step([one, two], torch.zeros(2, len(byte_level))).isfinite().all()

    def test_drafts_are_refused(self, byte_level: Any, monkeypatch: Any) -> None:
        config = engine_config(byte_level, monkeypatch)
        config.speculative_config = object()
        with pytest.raises(RuntimeError, match="speculative decoding"):
            Runner(config, slots=1, length=8, size=len(byte_level))
