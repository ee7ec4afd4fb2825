"""An adapter is read before anything is loaded, and refused in one line where it is none or of another base."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from listeval.errors import UserError
from listeval.models.adapter import CONFIG, WEIGHTS, check_base, open_adapter
from listeval.models.resolve import fingerprint, resolve

numpy = pytest.importorskip("safetensors.numpy")
import numpy as np  # noqa: E402

BASE = resolve("tiny-sft").path
LAYER = "model.layers.0.self_attn.q_proj"


@pytest.fixture
def make(tmp_path: Path) -> Any:
    """`make(rank=4, layer=..., out=128, seed=0, **config)`: an adapter's folder."""

    def made(
        name: str = "own", rank: int = 4, layer: str = LAYER, out: int = 128, seed: int = 0, **config: Any
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        rng = np.random.default_rng(seed)
        weights = {
            f"base_model.model.{layer}.lora_A.weight": rng.normal(size=(rank, 128)).astype(np.float32),
            f"base_model.model.{layer}.lora_B.weight": rng.normal(size=(out, rank)).astype(np.float32),
        }
        numpy.save_file(weights, folder / WEIGHTS)
        told = {"peft_type": "LORA", "r": rank, "target_modules": ["q_proj"], "base_model_name_or_path": str(BASE)}
        (folder / CONFIG).write_text(json.dumps(told | config))
        return folder

    return made


def fits(folder: Path, model: str = "tiny-sft") -> None:
    path = resolve(model).path
    check_base(open_adapter(str(folder)), model, path, fingerprint(path))


def test_an_adapter_of_this_base_fits(make: Any) -> None:
    found = open_adapter(str(make(rank=4)))
    assert (found.name, found.rank, found.base) == ("own", 4, str(BASE))
    fits(Path(found.path))


@pytest.mark.parametrize("base", [None, "tiny-sft", "/not/on/this/machine", "owner/any", ""])
def test_a_base_that_cannot_be_looked_up_is_left_to_the_shapes(make: Any, base: str | None) -> None:
    fits(make(base_model_name_or_path=base))


def test_a_copy_of_the_base_is_the_base(make: Any, tmp_path: Path) -> None:
    shutil.copytree(BASE, tmp_path / "copy")
    fits(make(base_model_name_or_path=str(tmp_path / "copy")))


@pytest.mark.parametrize("base", ["tiny-listopd", str(resolve("tiny-teacher").path)])
def test_another_base_is_refused_by_its_weights(make: Any, base: str) -> None:
    with pytest.raises(UserError, match=f"trained on '{base}', not on 'tiny-sft'"):
        fits(make(base_model_name_or_path=base))


@pytest.mark.parametrize(
    ("base", "model", "refused"),
    [
        ("Qwen/Qwen3-0.6B", "Qwen/Qwen3-1.7B", True),
        ("qwen/qwen3-0.6b", "Qwen/Qwen3-0.6B", False),
        ("Qwen/Qwen3-0.6B", "/models/mine", False),
    ],
)
def test_hub_ids_are_compared_by_name(make: Any, base: str, model: str, refused: bool) -> None:
    adapter = open_adapter(str(make(base_model_name_or_path=base)))
    if refused:
        with pytest.raises(UserError, match="was trained on"):
            check_base(adapter, model, BASE, "sha256:x")
    else:
        check_base(adapter, model, BASE, "sha256:x")


@pytest.mark.parametrize("model", ["models--Qwen--Qwen3-0.6B", "models--Qwen--Qwen3-1.7B"])
def test_a_folder_of_the_hubs_cache_has_the_hubs_name(make: Any, tmp_path: Path, model: str) -> None:
    folder = tmp_path / model / "snapshots" / "abc"
    shutil.copytree(BASE, folder)
    adapter = open_adapter(str(make(base_model_name_or_path="Qwen/Qwen3-0.6B")))
    if "0.6B" in model:
        check_base(adapter, str(folder), folder, "sha256:x")
    else:
        with pytest.raises(UserError, match="was trained on"):
            check_base(adapter, str(folder), folder, "sha256:x")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"out": 96}, "q_proj is 128x128 there, and the adapter's B is 96x4"),
        ({"layer": "model.layers.0.self_attn.k_proj", "out": 64}, "k_proj is 128x128 there"),
    ],
)
def test_a_shape_of_another_model_is_refused(make: Any, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=f"the adapter is of another model.*{told}"):
        fits(make(base_model_name_or_path="some/mirror", **changes))


def test_a_layer_that_the_base_lacks_is_named(make: Any) -> None:
    folder = make()
    weights = numpy.load_file(folder / WEIGHTS)
    deeper = {name.replace("layers.0", "layers.7"): value for name, value in weights.items()}
    numpy.save_file(weights | deeper, folder / WEIGHTS)
    with pytest.raises(UserError, match=r"no layer model\.layers\.7\.self_attn\.q_proj"):
        fits(folder)


def test_a_transposed_layer_may_be_either_way_round(make: Any) -> None:
    fits(make(fan_in_fan_out=True))


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"peft_type": "IA3"}, "kind 'IA3', not LORA"),
        ({"peft_type": None}, "not LORA"),
        ({"megatron_config": {"a": 1}, "megatron_core": "os"}, "names code to import"),
    ],
)
def test_other_kinds_and_code_are_refused(make: Any, config: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        open_adapter(str(make(**config)))


def test_what_is_no_adapter_says_so(make: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such folder"):
        open_adapter(str(tmp_path / "absent"))
    with pytest.raises(UserError, match=f"the folder has no {CONFIG}"):
        open_adapter(str(tmp_path))
    folder = make()
    for content in ("[]", "{", "[" * 99999):
        (folder / CONFIG).write_text(content)
        with pytest.raises(UserError, match=CONFIG):
            open_adapter(str(folder))


def test_a_pickle_is_no_adapter_and_damage_is_named(make: Any) -> None:
    folder = make()
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:100])
    with pytest.raises(UserError, match="damaged"):
        open_adapter(str(folder))
    numpy.save_file({"x": np.zeros(3)}, folder / WEIGHTS)
    with pytest.raises(UserError, match="no LoRA weights"):
        open_adapter(str(folder))
    (folder / WEIGHTS).rename(folder / "adapter_model.bin")
    with pytest.raises(UserError, match=f"has no {WEIGHTS}"):
        open_adapter(str(folder))


def test_the_fingerprint_is_of_what_changes_numbers(make: Any) -> None:
    one = open_adapter(str(make("one", target_modules=["q_proj", "v_proj"])))
    same = make(
        "same", target_modules=["v_proj", "q_proj"], base_model_name_or_path="x", peft_version="9", revision="a"
    )
    assert open_adapter(str(same)).fingerprint == one.fingerprint
    for name, changes in (("alpha", {"lora_alpha": 99}), ("seed", {"seed": 1}), ("dora", {"use_dora": True})):
        assert open_adapter(str(make(name, **changes))).fingerprint != one.fingerprint


def test_a_folder_that_was_written_anew_is_read_anew(make: Any) -> None:
    folder = make()
    before = open_adapter(str(folder)).fingerprint
    told = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(told | {"lora_alpha": 12345}))
    assert open_adapter(str(folder)).fingerprint != before
