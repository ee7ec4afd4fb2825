"""Low-rank adapters (LoRA, by peft) inside the student: its own weights stay, so the base needs no second copy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from listeval.errors import UserError, first_line

if TYPE_CHECKING:
    from listopd.batch import Batch
    from listopd.recipe import Lora
    from listopd.score import Scorer, Scores

_NAME = "default"
_PLACE = "lora"


def add_adapters(network: Any, lora: Lora, seed: int) -> None:
    """Put adapters into `network`, which starts as it was, and freeze its own weights.

    Raises UserError where peft is not installed and where the targets fit no linear layer.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError:
        raise UserError.missing_package("peft", "pip install 'listeval[train]'", "training adapters") from None
    targets = lora.targets if isinstance(lora.targets, str) else list(lora.targets)
    config = LoraConfig(r=lora.rank, lora_alpha=lora.alpha, target_modules=targets, lora_dropout=0.0)
    with torch.random.fork_rng(devices=[network.device] if network.device.type == "cuda" else []):
        torch.manual_seed(seed)
        try:
            inject_adapter_in_model(config, network, adapter_name=_NAME)
        except ValueError as error:
            fix = "names of linear layers, or 'all-linear'"
            raise UserError(f"no adapters: {first_line(error)}", place=f"{_PLACE}.targets", fix=fix) from None
    if any("lora_embedding" in name for name, _ in network.named_parameters()):
        raise UserError("embeddings cannot be adapted", place=f"{_PLACE}.targets", fix="names of linear layers")


def deltas(network: Any, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What the adapters add, by the name of the weight in `state`, the network's whole state."""
    found = {}
    for name, layer in network.named_modules():
        if _NAME in getattr(layer, "lora_A", ()):
            down, up = (state[f"{name}.{part}.{_NAME}.weight"] for part in ("lora_A", "lora_B"))
            delta = up @ down * layer.scaling[_NAME]
            found[f"{name}.base_layer.weight"] = delta.T if layer.fan_in_fan_out else delta
    return found


class WithoutAdapters:
    """The student as it was before it learnt; scores through `scorer`, which may be wrapped for several processes."""

    def __init__(self, head: Scorer, scorer: Any) -> None:
        self.network, self.device = head.network, head.device
        self._head, self._scorer = head, scorer

    def __call__(self, batch: Batch, others: torch.Tensor | None = None) -> Scores:
        with _off(self.network):
            scores: Scores = self._scorer(batch, others=others)
        return scores

    def states(self, batch: Batch) -> torch.Tensor:
        """`[N, H]`, as of `Scorer`."""
        with _off(self.network):
            states: torch.Tensor = self._scorer(batch, states_only=True)
        return states

    def scores(self, states: torch.Tensor, batch: Batch, *, others: torch.Tensor | None = None) -> Scores:
        """As of `Scorer`."""
        with _off(self.network):
            return self._head.scores(states, batch, others=others)

    def logits(self, states: torch.Tensor) -> torch.Tensor:
        """`[N, V]`, as of `Scorer`."""
        with _off(self.network):
            return self._head.logits(states)


@contextmanager
def _off(network: Any) -> Iterator[None]:
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = [module for module in network.modules() if isinstance(module, BaseTunerLayer)]
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)
