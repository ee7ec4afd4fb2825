"""The checkpoints that ship: small, with a card, and telling the story that the README tells of them."""

import json
from pathlib import Path

import pytest

from listeval.cli.main import main
from listeval.models.short_names import SHORT_NAMES

pytest.importorskip("torch")
TINY = ("tiny-teacher", "tiny-sft", "tiny-listopd")
LIMIT = 3 << 20


def listeval(*args: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main([*args])
    return int(stopped.value.code or 0)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each model on the first 24 groups of the bundled sample."""
    found = {name: tmp_path_factory.mktemp(name) / "run" for name in TINY}
    for name, out in found.items():
        given = ("--task", "fashion", "--model", name, "--backend", "hf", "--batch-size", "24", "--limit", "24")
        assert listeval("run", *given, "--max-tokens", "96", "--quiet", "--out", str(out)) == 0
    return found


@pytest.mark.parametrize("name", TINY)
def test_a_shipped_checkpoint_is_small_and_says_how_it_was_made(name: str) -> None:
    folder = SHORT_NAMES[name].checkpoint()
    assert (folder / "model.safetensors").stat().st_size <= LIMIT
    assert name in (folder / "README.md").read_text()
    assert json.loads((folder / "training.json").read_text())["data"]["counts"]["kept"] == 4000


def test_all_three_read_and_write_the_same_tokens() -> None:
    tokenizers = {(SHORT_NAMES[name].checkpoint() / "tokenizer.json").read_bytes() for name in TINY}
    assert len(tokenizers) == 1


def test_listopd_lifts_its_warm_start(runs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert listeval("compare", str(runs["tiny-sft"]), str(runs["tiny-listopd"]), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"]["choice"] == "train"
    parsed = {name: json.loads((out / "metrics.json").read_text())["kinds"]["ok"] for name, out in runs.items()}
    assert parsed["tiny-sft"] <= 14
    assert parsed["tiny-listopd"] >= 20
    assert parsed["tiny-teacher"] >= 20
