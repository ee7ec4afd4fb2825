"""Several adapters on one base: a run each, one load, and each run's own identity."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")
import torch

from listeval.cli.main import main
from listeval.comparison import compare
from listeval.comparison.ways import ways
from listeval.errors import UserError
from listeval.models.adapter import open_adapter
from listeval.models.resolve import resolve
from listeval.runs import load_run, run
from listeval.runs.config import build_config
from listeval.runs.observer import SilentObserver
from listeval.runs.run_adapters import run_each, with_adapters

BASE = str(resolve("tiny-sft").path)


def train(folder: Path, seed: int, rank: int = 4, steps: int = 12) -> Path:
    """A LoRA that was trained on a shipped checkpoint until it shows in what it writes."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    network = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32)
    config = LoraConfig(r=rank, lora_alpha=32, target_modules=["q_proj", "v_proj", "o_proj"], task_type="CAUSAL_LM")
    adapted = get_peft_model(network, config)
    ids = torch.randint(5, 300, (4, 24), generator=torch.Generator().manual_seed(seed))
    optimiser = torch.optim.AdamW([p for p in adapted.parameters() if p.requires_grad], lr=0.05)
    first = last = 0.0
    for step in range(steps):
        loss = adapted(input_ids=ids, labels=ids).loss
        first, last = (loss.item() if step == 0 else first), loss.item()
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    assert last < first
    adapted.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("adapters")
    return [str(train(folder / name, seed)) for seed, name in enumerate(("red", "blue"))]


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every base model that is loaded."""
    from listeval.backends.hf import hf_engine

    found: list[str] = []
    kept = hf_engine.load_network
    monkeypatch.setattr(hf_engine, "load_network", lambda path, *args: found.append(str(path)) or kept(path, *args))
    yield found


def config(out: Path, **changes: Any) -> Any:
    asked = {"task": "fashion", "model": "tiny-sft", "backend": "hf", "limit": 3, "max_tokens": 40, "out": str(out)}
    return build_config(asked | changes)


def said(*arguments: str) -> int:
    """The exit code of a command line."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


def texts(folder: Path) -> list[str]:
    return [row["text"] for row in load_run(folder).rows]


def test_each_adapter_is_a_run_of_its_own_on_one_load(adapters: list[str], loads: list[str], tmp_path: Path) -> None:
    names = [adapters[0], "none", adapters[1]]
    runs = list(run_each(with_adapters(config(tmp_path / "many"), names), SilentObserver()))
    assert [one.path.name for one in runs] == ["red", "base", "blue"]
    assert loads == [BASE]
    assert len({tuple(texts(one.path)) for one in runs}) == 3
    assert len({one.manifest.identity_hash for one in runs}) == 3
    # Alone, each gives the same: nothing of one adapter stays for the next.
    for one, name in zip(runs, names, strict=True):
        adapter = None if name == "none" else name
        alone = run(config(tmp_path / f"alone-{one.path.name}", adapter=adapter))
        assert texts(alone.path) == texts(one.path)
        assert alone.manifest.identity_hash == one.manifest.identity_hash


def test_an_adapter_counts_as_merged_into_its_base(adapters: list[str], tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32)
    merged = tmp_path / "merged"
    PeftModel.from_pretrained(base, adapters[0]).merge_and_unload().save_pretrained(merged)
    AutoTokenizer.from_pretrained(BASE).save_pretrained(merged)
    on_top = run(config(tmp_path / "top", adapter=adapters[0]))
    inside = run(config(tmp_path / "inside", model=str(merged)))
    assert texts(on_top.path) == texts(inside.path)


def test_the_manifest_tells_the_adapter_and_refuses_another(adapters: list[str], tmp_path: Path) -> None:
    out = tmp_path / "one"
    run(config(out, adapter=adapters[0]))
    told = json.loads((out / "manifest.json").read_text())
    found = open_adapter(adapters[0])
    assert told["identity"]["adapter"] == told["model"]["adapter"]["fingerprint"] == found.fingerprint
    assert (told["model"]["adapter"]["rank"], told["model"]["adapter"]["base"]) == (4, BASE)
    assert load_run(out).manifest.model.title == "tiny-sft+red"
    for other in (adapters[1], None):
        with pytest.raises(UserError, match="this directory holds another run \\(adapter"):
            run(config(out, adapter=other))


def test_without_an_adapter_nothing_of_it_is_written(tmp_path: Path) -> None:
    told = run(config(tmp_path / "bare")).manifest.model_dump(mode="json")
    assert "adapter" not in told["identity"]
    assert "adapter" not in told["model"]


def test_comparing_an_adapter_with_its_base_is_a_training_of_unknown_cost(adapters: list[str], tmp_path: Path) -> None:
    for one in run_each(with_adapters(config(tmp_path / "pair"), ["none", adapters[0]]), SilentObserver()):
        assert one.rows
    base, arm = compare([tmp_path / "pair" / "base", tmp_path / "pair" / "red"]).arms
    assert ways(arm, base) == ("train",)
    from listeval.comparison.training import training

    assert training(arm, base) is None


def test_an_adapter_of_another_base_stops_before_loading(
    adapters: list[str], loads: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["run", "--task", "fashion", "--model", "tiny-listopd", "--backend", "hf", "--limit", "1", "--quiet"]
    assert said(*common, "--adapter", "none", "--adapter", adapters[0], "--out", str(tmp_path / "x")) == 2
    told = capsys.readouterr().err
    assert f"the adapter was trained on '{BASE}', not on 'tiny-listopd'" in told
    assert told.count("\n") == 1
    assert loads == []


def test_on_the_command_line_several_adapters_are_several_runs(
    adapters: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["run", "--task", "fashion", "--model", "tiny-sft", "--backend", "hf", "--limit", "2", "--quiet"]
    common += ["--max-tokens", "20", "--out", str(tmp_path / "cli")]
    assert said(*common, "--adapter", adapters[0], "--adapter", adapters[1], "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["model"] for one in found] == ["tiny-sft+red", "tiny-sft+blue"]
    assert said("run", f"@{tmp_path / 'cli' / 'red'}", "--quiet", "--json") == 0
    assert json.loads(capsys.readouterr().out)["model"] == "tiny-sft+red"


@pytest.mark.parametrize("backend", ["null", "openai", "replay"])
def test_an_engine_that_takes_no_adapters_says_so(backend: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"the {backend} backend has no use for --adapter"):
        config(tmp_path, adapter="x", backend=backend).resolved(64, backend)


def test_two_adapters_of_one_name_need_names_of_their_own(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="two adapters are called 'a'"):
        with_adapters(config(tmp_path), ["x/a", "y/a"])
