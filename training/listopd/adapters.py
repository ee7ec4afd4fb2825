"""Low-rank adapters (LoRA, by peft) inside the student: its own weights stay, so the base needs no second copy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from listeval.errors import UserError, first_line

if TYPE_CHECKING:
    from listeval.models.info import ModelInfo
    from listopd.batch import Batch
    from listopd.recipe import Lora
    from listopd.score import Scorer, Scores

_NAME = "default"
_PLACE = "lora"
_PEFT = "base_model.model."
"""Before each weight's name in an adapter that peft has written."""


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


def merged(network: Any, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The whole `state` of `network` by the names that a checkpoint has, adapters added to what they adapt."""
    added = deltas(network, state)
    found = {name: tensor + added[name] if name in added else tensor for name, tensor in state.items()}
    return {name.replace(".base_layer", ""): tensor for name, tensor in found.items() if "lora_" not in name}


def save_adapter(network: Any, state: Mapping[str, torch.Tensor], base: ModelInfo, folder: Path) -> None:
    """The adapters of `network` as a folder that peft and vLLM load, in float32; `state` is the network's whole state.

    `base` is the model that they are for: its id on the hub with the revision, or the absolute path of its folder.
    """
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    # Asked about embeddings, peft would look the base up on the hub; none is adapted here.
    found = get_peft_model_state_dict(network, dict(state), _NAME, save_embedding_layers=False)
    tensors = {
        f"{_PEFT}{name}": tensor.detach().to("cpu", torch.float32).contiguous() for name, tensor in found.items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, str(folder / "adapter_model.safetensors"), metadata={"format": "pt"})
    config = copy(network.peft_config[_NAME])
    config.base_model_name_or_path = base.name if base.revision is not None else base.path
    config.revision, config.task_type, config.inference_mode = base.revision, "CAUSAL_LM", True
    config.target_modules = sorted(config.target_modules)
    config.save_pretrained(str(folder))


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
