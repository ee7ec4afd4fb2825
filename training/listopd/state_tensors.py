"""Weights and optimiser of a state, written by all processes and read by any number of them.

`torch.distributed.checkpoint` writes each tensor in the parts that processes hold and gives a reader the parts that it
holds, so that a state knows neither how many processes wrote it nor whether they sharded. Random numbers are no part of
it: rollouts draw from seeds of their own, nothing drops out.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from listeval.errors import UserError

if TYPE_CHECKING:
    from listopd.trainee import Trainee

_FOLDER = "tensors"


def save_tensors(folder: Path, trainee: Trainee) -> None:
    """Write this process' part under `folder`; all processes together. Raises the first failure, in all of them."""
    from torch.distributed import checkpoint as dcp
    from torch.distributed.checkpoint.api import CheckpointException

    writer = dcp.FileSystemWriter(folder / _FOLDER)
    try:
        with _unwarned():
            dcp.save(_tensors(trainee), storage_writer=writer, no_dist=_alone(trainee))
    except CheckpointException as error:
        raise _first(error) from error


def load_tensors(folder: Path, trainee: Trainee) -> None:
    """Set weights and optimiser to what `folder` holds. Raises what torch does, and UserError where it has none."""
    from torch.distributed import checkpoint as dcp
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.state_dict import set_optimizer_state_dict

    if not (folder / _FOLDER).is_dir():
        raise UserError("it holds no tensors, as states of an earlier version do", place=str(folder))
    tensors = _tensors(trainee)
    try:
        with _unwarned():
            dcp.load(tensors, storage_reader=dcp.FileSystemReader(folder / _FOLDER), no_dist=_alone(trainee))
    except CheckpointException as error:
        raise _first(error) from error
    # The weights were read into their places.
    set_optimizer_state_dict(trainee.head, _optimiser(trainee), optim_state_dict=tensors["optimiser"])


def _tensors(trainee: Trainee) -> dict[str, Any]:
    """Views of the live tensors; of a tied weight one."""
    from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict

    # Asked for first: what was gathered for a pass is given back by it.
    state = trainee.head.state_dict()
    weights = {name: state[name] for name, _ in trainee.head.named_parameters()}
    return {"weights": weights, "optimiser": get_optimizer_state_dict(trainee.head, _optimiser(trainee))}


def _optimiser(trainee: Trainee) -> Any:
    """Without accelerate's wrapper."""
    return getattr(trainee.optimiser, "optimizer", trainee.optimiser)


def _alone(trainee: Trainee) -> bool:
    return bool(trainee.accelerator.num_processes == 1)


@contextmanager
def _unwarned() -> Iterator[None]:
    """Without torch's word that one process saves alone, which it does."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*assuming the intent is to (save|load)")
        yield


def _first(error: Any) -> Exception:
    """Of the failures of all processes, for the exception itself only counts them; it is no Exception besides."""
    failure = next(iter(error.failures.values()), (RuntimeError("torch.distributed.checkpoint failed"), None))[0]
    return failure if isinstance(failure, Exception) else RuntimeError(str(failure))
