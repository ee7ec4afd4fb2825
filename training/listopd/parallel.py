"""One process, data parallel (DDP) or sharded (FSDP2): accelerate decides from how it was launched.

`accelerate launch --num_processes 8 -m listeval train opd RECIPE`, with `--use_fsdp
--fsdp_version 2` to shard. Every process takes its share of each global batch; sums go over all.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from listeval.errors import UserError, words_of
from listopd.sharding import check_shardable

if TYPE_CHECKING:
    import torch
    from accelerate import Accelerator

    from listopd.recipe import Recipe

T = TypeVar("T")


def make_accelerator(recipe: Recipe, out: Path) -> Accelerator:
    """Set up for the recipe's precision, device and trackers. Raises UserError where a package is missing."""
    from listeval.backends.hf.hf_engine import pick_device
    from listeval.runs.tracking.tracker import check_installed
    from listopd.networks import compute_type

    try:
        from accelerate import Accelerator
    except ImportError:
        raise UserError.missing_package("accelerate", "pip install 'listeval[cpu]'", "training") from None
    device = pick_device(recipe.precision.device, "precision.device")
    mixed = "bf16" if compute_type(recipe.precision, device) == "bfloat16" else "no"
    check_installed(recipe.trackers)
    # At every state it tells of a tied head that is stored once, which is how it should be.
    logging.getLogger("accelerate.utils.other").setLevel(logging.ERROR)
    _part_from_earlier(mixed, device)
    # Every process reads the checkpoint: where one does not, accelerate unties the head from its embeddings.
    os.environ["FSDP_CPU_RAM_EFFICIENT_LOADING"] = "false"
    accelerator = Accelerator(
        cpu=device.type == "cpu", mixed_precision=mixed, log_with=list(recipe.trackers) or None, project_dir=str(out)
    )
    keep_float32(accelerator)
    check_version(accelerator)
    if getattr(accelerator.state, "fsdp_plugin", None) is not None:
        check_shardable(recipe)
    return accelerator


def _part_from_earlier(mixed: str, device: torch.device) -> None:
    """Let a training begin with settings of its own in a process that has trained before.

    accelerate keeps precision and device for the whole process and refuses others. Here each training gets a state of
    its own where they differ: what was trained earlier keeps the one that it was made with. Processes that were
    launched together stay so.
    """
    from accelerate import state

    made = state.AcceleratorState._shared_state
    if not made or (made.get("_mixed_precision"), made["device"].type) == (mixed, device.type):
        return
    state.AcceleratorState._shared_state = state.SharedDict()
    state.GradientState._shared_state = state.SharedDict()
    if made["device"].type != device.type:
        state.PartialState._shared_state = state.SharedDict()


def keep_float32(accelerator: Accelerator) -> None:
    """Shard float32 weights as they are: autocast rounds them, for the student as for teacher and base.

    accelerate has FSDP2 compute in bfloat16 throughout, norms and residual stream included, where autocast does not.
    Student and base would differ by up to 0.3 nats at step 0, a hundred times what the teacher differs from the base
    on the scaffold. The price is twice the bytes between processes.
    """
    plugin = getattr(accelerator.state, "fsdp_plugin", None)
    if plugin is not None:
        plugin.mixed_precision_policy = None


def check_version(accelerator: Accelerator) -> None:
    """Raises UserError for the first FSDP."""
    plugin = getattr(accelerator.state, "fsdp_plugin", None)
    if plugin is not None and plugin.fsdp_version != 2:
        cause = "FSDP 1 hides a network's weights, of which a training keeps, saves and compares each by its name"
        raise UserError(cause, place="accelerate launch", fix="--fsdp_version 2")


def leave_group() -> None:
    """Leave a gloo group that a training left open because it failed or was stopped; `end_training` leaves any other.

    gloo's threads abort a Python that ends before they do. Of other backends nobody leaves a group alone: NCCL waits
    for what the others still compute.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        return
    group = torch.distributed
    if group.is_available() and group.is_initialized() and group.get_backend() == "gloo":
        group.destroy_process_group()


def of_lost_process(error: RuntimeError) -> bool:
    """Whether a group raised this because another process left it, or never came."""
    torch = sys.modules.get("torch")
    if torch is None:
        return False
    group, said = torch.distributed, words_of(error)
    if isinstance(error, group.DistBackendError):
        return "ncclRemoteError" in said or "communicator was aborted" in said
    # gloo has no type of its own: this is where in its source a connection ended.
    return isinstance(error, (group.DistNetworkError, group.DistStoreError)) or "gloo/transport/" in said


def is_main() -> bool:
    """Whether this process is the one that speaks; also after training has ended."""
    from accelerate import PartialState

    return bool(PartialState().is_main_process)


def check_shares(items: int, minibatches: int, accelerator: Accelerator) -> None:
    """Raises UserError unless every process gets as many of a step's `items`, and of each of its minibatches."""
    n = accelerator.num_processes
    if items % (n * minibatches):
        parts = f"{n} processes" if minibatches == 1 else f"{n} processes with {minibatches} minibatches each"
        fix = f"a multiple of {n * minibatches}"
        raise UserError(f"{parts} cannot share a batch of {items} evenly", place="batch", fix=fix)


def share(items: Sequence[T], accelerator: Accelerator) -> list[T]:
    """This process' part of a global batch."""
    return list(items[accelerator.process_index :: accelerator.num_processes])


def gathered(value: T, accelerator: Accelerator) -> list[T]:
    """`value` of every process, in their order."""
    if accelerator.num_processes == 1:
        return [value]
    from accelerate.utils import gather_object

    found: list[T] = gather_object([value])
    return found


def weights_of(accelerator: Accelerator, scorer: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """All weights of the scored network by its own names, whole, adapters added to what they adapt.

    One after the other, so that of a sharded network no process need hold more than one whole weight. There all
    processes must ask together, to the end, and each gets all.
    """
    from listopd.adapters import deltas

    network = accelerator.unwrap_model(scorer).network
    state, added = network.state_dict(), deltas(network)
    for name, tensor in state.items():
        if "lora_" in name:
            continue
        whole = _whole(tensor)
        if name in added:
            delta = added[name]
            whole = whole + delta.of(_whole(state[delta.down]), _whole(state[delta.up]))
        yield name.replace(".base_layer", ""), whole


def factors_of(accelerator: Accelerator, scorer: Any) -> dict[str, torch.Tensor]:
    """The adapters' own weights by the names of the network's state, whole; empty where there are none.

    All processes must ask together, and each gets all.
    """
    state = accelerator.unwrap_model(scorer).network.state_dict()
    return {name: _whole(tensor) for name, tensor in state.items() if "lora_" in name}


def _whole(tensor: Any) -> Any:
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
