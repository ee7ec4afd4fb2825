"""Low-rank adapters (LoRA, by peft) inside the student: its own weights stay, so the base needs no second copy."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from listeval.errors import UserError, first_line

if TYPE_CHECKING:
    from listeval.models.info import ModelInfo
    from listopd.batch import Batch
    from listopd.recipe import Lora
    from listopd.score import Scorer, Scores

_NAME = "default"
_PLACE = "lora"
_ONE_NAME = re.compile(r"\w+(?:\.\w+)*")
_FIX = "a list of names of linear layers ([q_proj, v_proj]), an expression of whole names, or all-linear"
_PEFT = "base_model.model."
"""Before each weight's name in an adapter that peft has written."""


def add_adapters(network: Any, lora: Lora, seed: int) -> None:
    """Put adapters into `network`, which starts as it was, and freeze its own weights.

    Raises UserError where peft is not installed, where the targets fit no linear layer, and for a layer whose weight
    another one uses, too.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError:
        raise UserError.missing_package("peft", "pip install 'listeval[train]'", "training adapters") from None
    targets = _targets(lora)
    config = LoraConfig(r=lora.rank, lora_alpha=lora.alpha, target_modules=targets, lora_dropout=0.0)
    with torch.random.fork_rng(devices=[network.device] if network.device.type == "cuda" else []):
        torch.manual_seed(seed)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of tied weights, which are refused below
                inject_adapter_in_model(config, network, adapter_name=_NAME)
        except (ValueError, re.error) as error:
            raise UserError(f"no adapters: {first_line(error)}", place=f"{_PLACE}.targets", fix=_FIX) from None
    if unused := _unused(targets, network):
        raise UserError(f"no layer is called {unused[0]}", place=f"{_PLACE}.targets", fix=_FIX)
    if any("lora_embedding" in name for name, _ in network.named_parameters()):
        raise UserError("embeddings cannot be adapted", place=f"{_PLACE}.targets", fix="names of linear layers")
    if shared := shared_targets(network):
        cause = f"{shared[0]} cannot be adapted: its weight is another layer's, too (tied embeddings)"
        raise UserError(cause, place=f"{_PLACE}.targets", fix="leave it out, or 'all-linear', which does")


def _targets(lora: Lora) -> str | list[str]:
    """As peft takes them: a text is an expression of whole names, unless it is one name, which is a list of one."""
    if isinstance(lora.targets, str):
        return [lora.targets] if _ONE_NAME.fullmatch(lora.targets) else lora.targets
    return list(lora.targets)


def _unused(targets: str | list[str], network: Any) -> list[str]:
    """Names in a list that no adapted layer has, which peft passes over."""
    if isinstance(targets, str):
        return []
    names = [f".{name}" for name, _ in _adapted(network)]
    return [target for target in targets if not any(name.endswith(f".{target}") for name in names)]


def _adapted(network: Any) -> Iterator[tuple[str, Any]]:
    """Layers that have an adapter, with their names."""
    for name, layer in network.named_modules():
        if getattr(layer, "lora_A", None) or getattr(layer, "lora_embedding_A", None):
            yield name, layer


def shared_targets(network: Any) -> list[str]:
    """Names of the adapted layers whose own weight another layer uses, too.

    The one weight that a checkpoint has for both would be changed, or kept, for both.
    """
    users = Counter(id(weight) for module in network.modules() for weight in module.parameters(recurse=False))
    return [
        name
        for name, layer in _adapted(network)
        if any(users[id(weight)] > 1 for weight in layer.get_base_layer().parameters(recurse=False))
    ]


class Delta(NamedTuple):
    """What an adapter adds to the weight that it adapts: two factors, by their names in the network's state."""

    down: str
    up: str
    scaling: float
    transposed: bool

    def of(self, down: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        """Shaped as the weight, from the whole factors."""
        delta = up @ down * self.scaling
        return delta.T if self.transposed else delta


def deltas(network: Any) -> dict[str, Delta]:
    """What the adapters add, by the name of the weight that they adapt."""
    return {
        f"{name}.base_layer.weight": Delta(
            f"{name}.lora_A.{_NAME}.weight",
            f"{name}.lora_B.{_NAME}.weight",
            layer.scaling[_NAME],
            layer.fan_in_fan_out,
        )
        for name, layer in network.named_modules()
        if _NAME in getattr(layer, "lora_A", ())
    }


def save_adapter(network: Any, state: Mapping[str, torch.Tensor], base: ModelInfo, folder: Path) -> None:
    """The adapters of `network` as a folder that peft and vLLM load, in float32; `state` has their whole weights.

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
    if not isinstance(config.target_modules, str):
        config.target_modules = sorted(config.target_modules)
    config.save_pretrained(str(folder))


class WithoutAdapters:
    """The student as it was before it learnt; scores through `scorer`, which may be wrapped for several processes."""

    def __init__(self, head: Scorer, scorer: Any) -> None:
        self.network, self.device = head.network, head.device
        self._head, self._scorer = head, scorer

    def __call__(self, batch: Batch, others: torch.Tensor | None = None, states_only: bool = False) -> Any:
        """As of `Scorer`."""
        with _off(self.network):
            return self._scorer(batch, states_only=states_only, others=others)

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
