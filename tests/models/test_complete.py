"""A model folder that lacks something is refused with one line, before anything is loaded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from listeval.backends.protocol import BackendOptions
from listeval.errors import UserError
from listeval.models.checkpoint import open_checkpoint
from listeval.models.complete import check_tokenizer, check_weights

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n"
TINY = Path(__file__).resolve().parents[2] / "checkpoints" / "tiny-sft"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A whole checkpoint that a test may damage."""
    pytest.importorskip("transformers")
    return Path(shutil.copytree(TINY, tmp_path / "model"))


def remove(*names: str) -> Callable[[Path], object]:
    return lambda folder: [(folder / name).unlink() for name in names]


def write(name: str, content: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(content)


def cut(folder: Path) -> None:
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])


def split(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no tokenizer.json": (remove("tokenizer.json"), "no tokenizer can be loaded: the model folder has none"),
    "no tokenizer file at all": (
        remove("tokenizer.json", "tokenizer_config.json"),
        "no tokenizer can be loaded: the model folder has none",
    ),
    "no tokenizer and no template": (
        remove("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"),
        "no tokenizer can be loaded: the model folder has none",
    ),
    "a tokenizer of another class": (remove("tokenizer_config.json"), "tokenizer_config.json"),
    "an empty tokenizer": (write("tokenizer.json", ""), "tokenizer.json is empty"),
    "a damaged tokenizer": (write("tokenizer.json", "{"), "tokenizer"),
    "a pointer for a tokenizer": (write("tokenizer.json", POINTER), "git lfs pull"),
    "no template": (remove("chat_template.jinja"), "no chat template"),
    "no config": (remove("config.json"), "no config.json"),
    "an empty config": (write("config.json", ""), "config.json is not JSON"),
    "a config that is a list": (write("config.json", "[]"), "not a JSON object"),
    "no weights": (remove("model.safetensors"), "no weights"),
    "empty weights": (write("model.safetensors", ""), "model.safetensors is empty"),
    "a pointer for weights": (write("model.safetensors", POINTER), "git lfs pull"),
    "weights cut off": (cut, "cut off: 887,692 of 1,775,384 bytes"),
    "no safetensors in it": (write("model.safetensors", "x" * 5000), "damaged"),
    "one part of two, no index": (split, "model.safetensors.index.json"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_what_is_missing_is_named_with_place_and_cure(copy: Path, name: str) -> None:
    damage, words = DAMAGE[name]
    damage(copy)
    with pytest.raises(UserError) as refused:
        open_checkpoint(str(copy), BackendOptions())
    assert words in str(refused.value)
    assert refused.value.place and refused.value.fix
    assert "\n" not in str(refused.value)


def test_a_whole_checkpoint_opens_and_another_s_tokenizer_will_do(copy: Path) -> None:
    whole = open_checkpoint(str(copy), BackendOptions())
    (copy / "tokenizer.json").unlink()
    lent = open_checkpoint(str(copy), BackendOptions(tokenizer=str(TINY)))
    assert lent.info.tokenizer_hash == whole.info.tokenizer_hash


@pytest.mark.parametrize("name", ["tokenizer.model", "vocab.json", "vocab.txt", "tekken.json", "qwen.tiktoken"])
def test_other_tokenizer_files_count(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("x")
    check_tokenizer(tmp_path)


def test_all_parts_with_their_index_are_whole(tmp_path: Path) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    for part in (1, 2):
        file = tmp_path / f"model-0000{part}-of-00002.safetensors"
        file.write_bytes(len(header).to_bytes(8, "little") + header + b"\0" * 4)
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    check_weights(tmp_path)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"model-00002-of-00002\.safetensors is cut off"):
        check_weights(tmp_path)
