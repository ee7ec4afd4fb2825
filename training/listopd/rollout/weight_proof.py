"""Proof that an engine holds the weights that it was sent: checksums of what is in its memory, after every transfer.

An engine lays weights out its own way: it stacks several of a checkpoint's into one, pads the vocabulary, and a CPU
build packs a linear layer's into a form that is not to be read. What can be read is compared to the bit, by a checksum
that is sensitive to values and to their order; of what is packed the layer's product with one fixed vector is
compared, which agrees but for rounding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import torch

_CHUNK = 1 << 20
_ODD = 0x9E3779B97F4A7C15 - (1 << 64)
_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_ROUNDING = {torch.float32: 1e-4}
_NARROW_ROUNDING = 2e-2


class WeightMark(NamedTuple):
    """Of one weight, as it was sent."""

    shape: tuple[int, ...]
    checksum: int
    product: torch.Tensor | None
    """`[rows]`, with the fixed vector, and before it `[rows]` of absolute values, which bound rounding: `[2, rows]`."""


class WeightFindings(NamedTuple):
    """Names, as the engine has them, of weights that are as sent, that are others, and that cannot be compared."""

    same: list[str]
    other: list[str]
    unread: list[str]


class WeightProof:
    """Marks weights of type `dtype` on their way to an engine, and holds its own against the marks."""

    def __init__(self, dtype: torch.dtype, *, packed: bool) -> None:
        self._dtype, self._packed = dtype, packed
        self._marks: dict[str, WeightMark] = {}

    def marking(self, weights: Iterable[tuple[str, torch.Tensor]]) -> Iterator[tuple[str, torch.Tensor]]:
        """The same weights."""
        for name, weight in weights:
            held = weight.detach().to(self._dtype)
            product = _product(held) if self._packed and held.dim() == 2 else None
            self._marks[name] = WeightMark(tuple(held.shape), checksum(held), product)
            yield name, weight

    def __call__(self, model: Any) -> WeightFindings:
        """Of an engine's network; run where the engine runs."""
        found = WeightFindings([], [], [])
        parts = getattr(model, "packed_modules_mapping", None) or {}
        for name, weight in model.named_parameters():
            if weight.numel():
                self._sort(found, name, self._holds(weight, self._sent(name, parts)))
        for name, module in model.named_modules() if self._packed else ():
            if hasattr(module, "cpu_linear"):
                self._sort(found, f"{name}, packed", self._multiplies(module, self._sent(f"{name}.weight", parts)))
        return found

    @staticmethod
    def _sort(found: WeightFindings, name: str, same: bool | None) -> None:
        (found.unread if same is None else found.same if same else found.other).append(name)

    def _sent(self, name: str, parts: dict[str, list[str]]) -> list[WeightMark]:
        """Of the weights that stand under each other in the engine's `name`; none where some were not sent."""
        for whole, pieces in parts.items():
            if f".{whole}." in name:
                names = [name.replace(f".{whole}.", f".{piece}.") for piece in pieces]
                break
        else:
            names = [name]
        return [self._marks[one] for one in names] if all(one in self._marks for one in names) else []

    def _holds(self, weight: torch.Tensor, sent: Sequence[WeightMark]) -> bool | None:
        """Rows beyond those that were sent pad the vocabulary."""
        rows = sum(mark.shape[0] for mark in sent if mark.shape)
        fitting = all(mark.shape and mark.shape[1:] == tuple(weight.shape[1:]) for mark in sent)
        if not sent or weight.dtype != self._dtype or not fitting or rows > weight.shape[0]:
            return None
        start = 0
        for mark in sent:
            if checksum(weight.detach()[start : start + mark.shape[0]]) != mark.checksum:
                return False
            start += mark.shape[0]
        return True

    def _multiplies(self, module: Any, sent: Sequence[WeightMark]) -> bool | None:
        products = [mark.product for mark in sent if mark.product is not None]
        if not products or len(products) < len(sent):
            return None
        expected, size = torch.cat(products, dim=1)
        vector = _vector(sent[0].shape[1], self._dtype, expected.device)
        with torch.no_grad():
            found = module.cpu_linear(vector.unsqueeze(0), module.weight, None)[0, : len(expected)].float()
        return bool(((found - expected).abs() <= _ROUNDING.get(self._dtype, _NARROW_ROUNDING) * size).all())


def checksum(tensor: torch.Tensor) -> int:
    """64 bits of the values and their order; every bit of every value changes it, computed where the tensor is."""
    bits = tensor.detach().contiguous().flatten().view(_BITS[tensor.element_size()])
    factors = torch.arange(min(_CHUNK, max(1, len(bits))), device=bits.device) * 2 * _ODD + 1
    total = torch.zeros((), dtype=torch.int64, device=bits.device)
    for start in range(0, len(bits), _CHUNK):
        part = bits[start : start + _CHUNK].long()
        # Odd factors, so that no change of one value vanishes; each chunk moves what came before it.
        total = total * 3 + (part * factors[: len(part)]).sum()
    return int(total)


def _product(weight: torch.Tensor) -> torch.Tensor:
    vector = _vector(weight.shape[1], weight.dtype, weight.device).float()
    return torch.stack([weight.float() @ vector, weight.float().abs() @ vector.abs()])


def _vector(size: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Fixed, of like and irregular numbers, none near 0, so that each weight of a row counts."""
    return (1.5 + torch.sin(torch.arange(size, device=device) * 12.9898)).to(dtype)
