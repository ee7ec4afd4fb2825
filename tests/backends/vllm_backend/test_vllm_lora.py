"""LoRA adapters on a vLLM engine: what it is started with, and the same answers as transformers and peft give."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from listeval.backends.vllm import vllm_engine
from listeval.backends.vllm.lora import lora_arguments
from listeval.errors import UserError
from listeval.models.adapter import Adapter

SCRIPT = """
import json, sys
from importlib import import_module
from listeval.backends.protocol import BackendOptions, Message, Request, Sampling
from listeval.errors import UserError
from listeval.models.adapter import open_adapter
name, model, *folders = sys.argv[1:]
adapters = [open_adapter(folder) for folder in folders]
options = BackendOptions(device="cpu", dtype="float32", adapter=adapters[0], adapters=tuple(adapters[1:3]))
backend = import_module(f"listeval.backends.{name}.engine").open(model, options)
prompts = [backend.renderer.render((Message("user", "Rate the dress. " * n),)) for n in (1, 5, 9)]
def answers():
    requests = [Request(str(i), str(i), p, Sampling(max_tokens=24), 0, None) for i, p in enumerate(prompts)]
    return {c.key: list(c.token_ids) for c in backend.generate(iter(requests))}
found = {adapters[0].name: answers()}
for adapter in (None, adapters[1], adapters[2], adapters[0]):
    assert backend.adapt(adapter)
    found.setdefault(adapter.name if adapter else "base", answers())
    assert found[adapter.name if adapter else "base"] == answers()
room = backend.adapt(adapters[3])
backend.close()
print(json.dumps({"answers": found, "room": room}))
"""


def adapter(rank: int) -> Adapter:
    return Adapter("a", "/a", "f", rank, None)


@pytest.mark.parametrize(("ranks", "room"), [((1,), 1), ((2, 8), 8), ((9,), 16), ((64, 3), 64), ((400,), 512)])
def test_the_engine_has_room_for_the_largest(ranks: tuple[int, ...], room: int) -> None:
    told = lora_arguments([adapter(rank) for rank in ranks])
    assert told == {"enable_lora": True, "max_lora_rank": room, "max_loras": 1}


def test_without_adapters_the_engine_is_told_nothing_and_with_too_large_ones_refused() -> None:
    assert lora_arguments([]) == {}
    with pytest.raises(UserError, match="rank is 513, vLLM takes 512"):
        lora_arguments([adapter(513)])


@pytest.fixture(scope="module")
def both(make_checkpoint: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    torch, peft = pytest.importorskip("torch"), pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    base = str(make_checkpoint())
    folder = tmp_path_factory.mktemp("adapters")
    for name, rank in (("small", 4), ("large", 16), ("other", 8), ("huge", 64)):
        torch.manual_seed(rank)
        network = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        config = peft.LoraConfig(r=rank, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
        made = peft.get_peft_model(network, config)
        for key, parameter in made.named_parameters():
            if "lora_B" in key:
                torch.nn.init.normal_(parameter, std=0.1)
        made.save_pretrained(folder / name)
    return {
        name: run(name, base, [str(folder / one) for one in ("small", "large", "other", "huge")])
        for name in ("hf", "vllm")
    }


def run(name: str, base: str, folders: list[str]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, name, base, *folders],
        env={**os.environ, "PYTHONPATH": str(Path(vllm_engine.__file__).parents[3])},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.slow
@pytest.mark.vllm
@pytest.mark.skipif(find_spec("vllm") is None, reason="needs vLLM")
class TestEngine:
    """One engine start for all of these."""

    def test_every_adapter_answers_as_with_peft_token_for_token(self, both: dict[str, dict[str, Any]]) -> None:
        assert both["vllm"]["answers"] == both["hf"]["answers"]

    def test_the_adapters_differ(self, both: dict[str, dict[str, Any]]) -> None:
        found = both["vllm"]["answers"]
        assert set(found) == {"small", "base", "large", "other"}
        assert len({json.dumps(one) for one in found.values()}) == 4

    def test_an_engine_has_no_room_for_what_it_was_not_told_of(self, both: dict[str, dict[str, Any]]) -> None:
        assert (both["hf"]["room"], both["vllm"]["room"]) == (True, False)
