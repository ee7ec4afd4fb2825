"""Random numbers by name: what is drawn depends on its purpose, seed and step, and on nothing that ran before."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def generator(purpose: str, seed: int, step: int = 0) -> torch.Generator:
    """A generator on the CPU, whatever the device of the training: a GPU's own would draw other numbers."""
    import torch

    digest = sha256(f"{purpose}/{seed}/{step}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
