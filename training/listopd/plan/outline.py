"""A network as planning needs it: counted without its weights, its activations on tensors without data."""

from __future__ import annotations

import copy
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from listopd.floor import Size
from listopd.networks import round_products

_MASKLESS = "listopd_planned"
_SHORT, _LONG = 128, 256
"""Tokens of the two passes that tell what grows with them from what does not."""


@dataclass(frozen=True)
class KeptBytes:
    """Bytes that a forward pass keeps for the way back: `once` (weights that autocast rounded) and `token` a token."""

    once: float
    token: float

    def bytes(self, tokens: int) -> float:
        """Of a pass of so many tokens."""
        return self.once + self.token * tokens


@dataclass(frozen=True)
class Outline:
    """Of one network: its work a token, its weights, and the bytes of float32 weights and of rounded ones."""

    size: Size
    weights: int
    rounded_bytes: int
    layers: int
    cache_token: int
    """Bytes of keys and values of one token in bfloat16."""

    @property
    def bytes(self) -> int:
        """In float32."""
        return 4 * self.weights

    @classmethod
    def of(cls, config: Any) -> Outline:
        """Counted from a transformers configuration; of each once in a process."""
        return _outline(_Configuration.of(config))


@dataclass(frozen=True)
class _Configuration:
    """A transformers configuration by its content: networks of the same one are alike, and slow to build."""

    kind: type
    text: str
    values: Any = field(compare=False)

    @classmethod
    def of(cls, config: Any) -> _Configuration:
        """Of a copy, which nobody changes."""
        return cls(type(config), config.to_json_string(use_diff=False), copy.deepcopy(config))


@lru_cache(maxsize=32)
def _outline(known: _Configuration) -> Outline:
    config = known.values
    network = _network(config, torch.device("meta"))
    size, weights = Size.of(network), sum(p.numel() for p in network.parameters())
    rounded = round_products(network, torch.bfloat16)
    text = config.get_text_config(decoder=True)
    head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    groups = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    return Outline(
        size,
        weights,
        sum(p.numel() * p.itemsize for p in rounded.parameters()),
        text.num_hidden_layers,
        2 * 2 * text.num_hidden_layers * groups * head,
    )


def kept_for_backward(config: Any, *, bfloat16: bool, recomputed: bool) -> KeptBytes:
    """What a pass of a learning network keeps, from passes of one and two layers; the head apart.

    Where activations are recomputed, the inputs of all layers, and once all that one layer keeps.
    """
    return _kept_bytes(_Configuration.of(config), bfloat16=bfloat16, recomputed=recomputed)


@lru_cache(maxsize=32)
def _kept_bytes(known: _Configuration, *, bfloat16: bool, recomputed: bool) -> KeptBytes:
    config = known.values
    plain = _per_layer(config, bfloat16=bfloat16, recomputed=False)
    layers = config.get_text_config(decoder=True).num_hidden_layers
    if not recomputed:
        return _sum(plain, layers)
    inputs, layer = _sum(_per_layer(config, bfloat16=bfloat16, recomputed=True), layers), plain[1]
    return KeptBytes(inputs.once + layer.once, inputs.token + layer.token)


def _sum(found: tuple[KeptBytes, KeptBytes], layers: int) -> KeptBytes:
    rest, layer = found
    return KeptBytes(rest.once + layers * layer.once, rest.token + layers * layer.token)


def _per_layer(config: Any, *, bfloat16: bool, recomputed: bool) -> tuple[KeptBytes, KeptBytes]:
    """What stands beside the layers, and each layer."""
    one, two = (_of_pass(config, n, bfloat16=bfloat16, recomputed=recomputed) for n in (1, 2))
    layer = KeptBytes(two.once - one.once, two.token - one.token)
    return KeptBytes(one.once - layer.once, one.token - layer.token), layer


def _of_pass(config: Any, layers: int, *, bfloat16: bool, recomputed: bool) -> KeptBytes:
    short, long = (_kept(config, layers, n, bfloat16=bfloat16, recomputed=recomputed) for n in (_SHORT, _LONG))
    token = (long - short) / (_LONG - _SHORT)
    return KeptBytes(short - token * _SHORT, token)


def _kept(config: Any, layers: int, tokens: int, *, bfloat16: bool, recomputed: bool) -> int:
    """Bytes that one pass saves, every storage once and without the weights themselves."""
    found: dict[int, torch.Tensor] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        found.setdefault(tensor.untyped_storage()._cdata, tensor)
        return tensor

    with ExitStack() as stack:
        stack.enter_context(FakeTensorMode())
        network = _network(cut(config, layers), torch.device("cpu"))
        if recomputed:
            network.gradient_checkpointing_enable({"use_reentrant": False})
            network.train()
        stack.enter_context(torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor))
        stack.enter_context(torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16))
        ids = torch.zeros(1, tokens, dtype=torch.long)
        states = network.base_model(input_ids=ids, use_cache=False).last_hidden_state
        own = {weight.untyped_storage()._cdata for weight in network.parameters()}
        kept: int = sum(x.untyped_storage().nbytes() for place, x in found.items() if place not in own)
        del states
    return kept


def cut(config: Any, layers: int) -> Any:
    """The same network with so many layers."""
    cut = copy.deepcopy(config)
    text = cut.get_text_config(decoder=True)
    text.num_hidden_layers = layers
    if getattr(text, "layer_types", None):
        text.layer_types = (list(text.layer_types) * layers)[:layers]
    return cut


def _network(config: Any, device: torch.device) -> Any:
    from transformers import AttentionInterface, AutoModelForCausalLM
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    # transformers' own, by a name that it makes no mask for: without data it cannot see that none is needed.
    AttentionInterface.register(_MASKLESS, sdpa_attention_forward)
    with device:
        return AutoModelForCausalLM.from_config(
            copy.deepcopy(config), dtype=torch.float32, attn_implementation=_MASKLESS
        )
