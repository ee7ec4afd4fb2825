"""Quantised checkpoints: told in the manifest, and refused in one line where their package is missing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from listeval.errors import UserError
from listeval.models import quantized
from listeval.models.quantized import check_package, method, of_folder, quantization
from listeval.models.resolve import resolve


def folder(tmp_path: Path, **config: Any) -> Path:
    copy = tmp_path / "copy"
    shutil.copytree(resolve("tiny-sft").path, copy)
    told = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(told | config))
    return copy


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ({}, None),
        ({"quantization_config": None}, None),
        ({"quantization_config": {"quant_method": "fp8"}}, {"quant_method": "fp8"}),
        ({"text_config": {"quantization_config": {"quant_method": "awq"}}}, {"quant_method": "awq"}),
        ({"text_config": 3}, None),
    ],
)
def test_what_a_configuration_says(config: dict[str, Any], found: dict[str, Any] | None) -> None:
    assert quantization(config) == found


@pytest.mark.parametrize("name", sorted(quantized._PACKAGES))
def test_a_missing_package_is_named_with_the_line_to_type(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantized, "find_spec", lambda package: None)
    with pytest.raises(
        UserError, match=f"m is quantised by {name}, and transformers needs the package '.+'.*pip install"
    ):
        check_package({"quant_method": name}, Path("/models/m"))
    monkeypatch.setattr(quantized, "find_spec", lambda package: True)
    check_package({"quant_method": name}, Path("/models/m"))


def test_bits_alone_are_bitsandbytes_and_a_method_without_a_package_needs_none() -> None:
    assert method({"load_in_4bit": True}) == "bitsandbytes"
    check_package({"quant_method": "fp8"}, Path("/models/m"))


def test_the_hf_engine_refuses_before_it_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    from listeval.backends.hf import hf_engine
    from listeval.backends.protocol import BackendOptions

    monkeypatch.setattr(quantized, "find_spec", lambda package: None)
    monkeypatch.setattr(hf_engine, "load_network", lambda *args: pytest.fail("loaded"))
    path = folder(tmp_path, quantization_config={"quant_method": "gptq", "bits": 4})
    assert of_folder(path) == {"quant_method": "gptq", "bits": 4}
    with pytest.raises(UserError, match="pip install gptqmodel"):
        hf_engine.open(str(path), BackendOptions(device="cpu"))
    told = {"quantization_config": {"load_in_4bit": True}}
    with pytest.raises(UserError, match="pip install bitsandbytes"):
        hf_engine.open("tiny-sft", BackendOptions(device="cpu", extra=told))
