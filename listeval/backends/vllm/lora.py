"""LoRA adapters on a vLLM engine: what it is started with for them, and which one its requests name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from listeval.errors import UserError, first_line
from listeval.models.adapter import Adapter

_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Largest ranks that an engine can be started for."""


def lora_arguments(adapters: Sequence[Adapter]) -> dict[str, Any]:
    """For `vllm.LLM`: room for one adapter at a time, the largest of them."""
    if not adapters:
        return {}
    most = max(adapters, key=lambda adapter: adapter.rank)
    rank = next((size for size in _RANKS if size >= most.rank), None)
    if rank is None:
        cause = f"the adapter's rank is {most.rank}, vLLM takes {_RANKS[-1]} at most"
        raise UserError(cause, place=most.path, fix="--backend hf")
    return {"enable_lora": True, "max_lora_rank": rank, "max_loras": 1}


class LoraRequests:
    """Adapters by number, as vLLM tells them apart; `current` goes along with every request."""

    def __init__(self, core: Any) -> None:
        self._core = core
        self._numbers: dict[str, int] = {}
        self.current: Any = None

    def use(self, adapter: Adapter | None) -> None:
        """Raises UserError where vLLM cannot load it."""
        if adapter is None:
            self.current = None
            return
        from vllm.lora.request import LoRARequest

        number = self._numbers.setdefault(adapter.fingerprint, len(self._numbers) + 1)
        wanted = LoRARequest(adapter.name, number, adapter.path)
        try:
            self._core.add_lora(wanted)
        except Exception as error:  # whatever vLLM raises for a kind of LoRA that it does not have
            cause = f"vLLM does not take this adapter: {first_line(error)}"
            raise UserError(cause, place=adapter.path, fix="--backend hf, or merge it into its base") from error
        self.current = wanted
