"""Frozen networks in parts: each process holds a share of teacher and base, as FSDP2 has it hold one of the student.

The unit is the student's, a decoder layer, gathered for as long as a pass goes through it. What lies outside the
layers (embeddings, last norm, head) is gathered for a pass too; where a loss asks for a head's logits after the pass,
it stays whole until `release`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from listeval.errors import UserError

if TYPE_CHECKING:
    from accelerate import Accelerator
    from torch import nn

    from listopd.recipe import Recipe
    from listopd.score import Scorer

S = TypeVar("S", bound="Scorer")


def check_shardable(recipe: Recipe) -> None:
    """Raises UserError for a recipe that asks for what sharded networks do not have."""
    if recipe.precision.compile:
        cause = "sharded networks are not compiled, for nobody has seen that they give the same"
        raise UserError(cause, place="precision.compile", fix="precision.compile=false, or do not shard")


def shards_of(accelerator: Accelerator) -> int:
    """How many processes hold one copy of the weights: all, where they were launched to shard, else one."""
    sharded = getattr(accelerator.state, "fsdp_plugin", None) is not None
    return int(accelerator.num_processes) if sharded else 1


def shard(scorer: S, accelerator: Accelerator, *, keep_head: bool) -> S:
    """The frozen `scorer`, of whose weights this process keeps its part only where processes shard at all.

    From then on all processes must score together, by calling it. `keep_head`: logits are asked for after the call.
    """
    if getattr(accelerator.state, "fsdp_plugin", None) is None:
        return scorer
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(accelerator.device.type, (accelerator.num_processes,))
    for module in scorer.network.modules():
        if type(module).__name__ in scorer.units:
            fully_shard(module, mesh=mesh, reshard_after_forward=True)
    fully_shard(scorer, mesh=mesh, reshard_after_forward=not keep_head)
    return scorer


def release(scorers: Iterable[Any]) -> None:
    """Give back what is gathered of sharded scorers; nothing to others."""
    for scorer in scorers:
        if hasattr(scorer, "reshard"):
            scorer.reshard()


def held_bytes(network: nn.Module) -> int:
    """Of the weights that this process holds; of a sharded network its part."""
    parts = (weight.to_local() if hasattr(weight, "to_local") else weight for weight in network.parameters())
    return sum(part.numel() * part.element_size() for part in parts)
