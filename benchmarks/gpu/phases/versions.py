"""What this machine is: card, driver, memory, and the versions of all that takes part."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import torch

from benchmarks.gpu.job import Job

_PACKAGES = ("torch", "transformers", "accelerate", "peft", "triton", "tokenizers", "numpy", "pydantic", "xgrammar",
             "vllm", "flash-attn")  # fmt: skip


def run(job: Job) -> None:
    """One case."""
    with job.case("machine") as found:
        found |= card(job.device) | {
            "python": platform.python_version(),
            "cuda": torch.version.cuda,
            "versions": {name: version for name in _PACKAGES if (version := _version(name))},
            "date": datetime.now(UTC).date().isoformat(),
        }


def card(device: torch.device) -> dict[str, Any]:
    """Its name and memory; of a CPU the name."""
    if device.type != "cuda":
        return {"card": platform.processor() or platform.machine(), "free_gb": 0.0, "total_gb": 0.0}
    free, total = torch.cuda.mem_get_info(device)
    properties = torch.cuda.get_device_properties(device)
    return {
        "card": torch.cuda.get_device_name(device),
        "free_gb": free / 1e9,
        "total_gb": total / 1e9,
        "capability": f"{properties.major}.{properties.minor}",
        "processors": properties.multi_processor_count,
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
