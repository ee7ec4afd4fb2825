"""Quantised checkpoints: what one says of itself, and the package without which transformers cannot load it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from listeval.errors import UserError

_PACKAGES = {
    "aqlm": "aqlm",
    "awq": "gptqmodel",
    "bitsandbytes": "bitsandbytes",
    "compressed-tensors": "compressed_tensors",
    "gptq": "gptqmodel",
    "hqq": "hqq",
    "mxfp4": "kernels",
    "quanto": "optimum",
    "torchao": "torchao",
}
"""The importable package behind each method of transformers that needs one."""
_INSTALL = {"compressed_tensors": "compressed-tensors", "optimum": "optimum-quanto"}


def quantization(config: Mapping[str, Any]) -> dict[str, Any] | None:
    """How the weights of a `config.json` are quantised, by the names that it uses; None where they are not."""
    text = config.get("text_config")
    found = config.get("quantization_config") or (text.get("quantization_config") if isinstance(text, dict) else None)
    return dict(found) if isinstance(found, dict) else None


def of_folder(path: Path) -> dict[str, Any] | None:
    """As `quantization`, of a model folder that was found to be one."""
    return quantization(json.loads((path / "config.json").read_bytes()))


def method(found: Mapping[str, Any]) -> str:
    """The method's name; bitsandbytes' older configurations only say how many bits they load."""
    told = str(found.get("quant_method") or "")
    if not told and (found.get("load_in_4bit") or found.get("load_in_8bit")):
        return "bitsandbytes"
    return told


def check_package(found: Mapping[str, Any], place: Path) -> None:
    """Raises UserError with the line to type where the method's package is not installed."""
    package = _PACKAGES.get(method(found))
    if package is not None and find_spec(package) is None:
        name = _INSTALL.get(package, package)
        why = f"{place.name} is quantised by {method(found)}, and transformers"
        raise UserError.missing_package(name, f"pip install {name}", why)
