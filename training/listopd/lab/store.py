"""Starts and the states of arms as safetensors: a start in half precision, which holds its numbers exactly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from listeval.disk import write_atomic
from listeval.errors import UserError, first_line
from listopd.lab.starts import RECIPES, LabStart, MeasuredStart, full_name, split_name

_STATE = "state.safetensors"


class ArmState(NamedTuple):
    """Of one arm after `step` optimiser steps: weights and moments [P], and updates that were no numbers."""

    step: int
    failed: int
    weights: Tensor
    first: Tensor
    second: Tensor


def recipe_digest(name: str) -> str:
    """sha256 of how a start is made, its origins included."""
    recipe, number = split_name(name)
    own = asdict(RECIPES[recipe])
    origin = RECIPES[recipe].origin
    chain = [json.dumps(own, sort_keys=True), recipe_digest(full_name(origin, number)) if origin else ""]
    return sha256("".join([*chain, str(number)]).encode()).hexdigest()


def weights_digest(start: LabStart) -> str:
    """sha256 of a start's weights."""
    return sha256(start.weights.half().numpy().tobytes()).hexdigest()


def save_start(folder: Path, name: str, start: LabStart, network: str) -> None:
    """Write a start for networks of these sizes. Raises UserError where the disk refuses."""
    from safetensors.torch import save

    said = {"measured": json.dumps(start.measured._asdict()), "recipe": recipe_digest(name), "network": network}
    _make(folder)
    write_atomic(_start_file(folder, name), save({"weights": start.weights.half()}, said))


def load_start(folder: Path, name: str, network: str) -> LabStart | None:
    """The start, None where there is no file. Raises UserError for one that is damaged, or made in another way."""
    file = _start_file(folder, name)
    if not file.exists():
        return None
    tensors, said = _read(file, ("weights",), "delete it: it will be trained again")
    if said.get("recipe") != recipe_digest(name) or said.get("network") != network:
        cause = f"the start '{name}' was made by another recipe, or for other sizes"
        raise UserError(cause, place=str(file), fix="move it away: it will be trained again")
    return LabStart(tensors["weights"].float(), MeasuredStart(**json.loads(said["measured"])))


def save_state(folder: Path, state: ArmState) -> None:
    """Write what a resume goes on from, whole or not at all."""
    from safetensors.torch import save

    tensors = {name: getattr(state, name).contiguous() for name in ("weights", "first", "second")}
    write_atomic(folder / _STATE, save(tensors, {"step": str(state.step), "failed": str(state.failed)}))


def load_state(folder: Path) -> ArmState | None:
    """The last state, None without one. Raises UserError for a damaged file."""
    file = folder / _STATE
    if not file.exists():
        return None
    tensors, said = _read(file, ("weights", "first", "second"), "delete it: the arm begins anew")
    return ArmState(int(said["step"]), int(said["failed"]), *(tensors[n] for n in ("weights", "first", "second")))


def drop_state(folder: Path) -> None:
    """Of an arm that is finished."""
    (folder / _STATE).unlink(missing_ok=True)


def saved_step(folder: Path) -> int:
    """The step of the last state, 0 without one. Raises as `load_state`."""
    state = load_state(folder)
    return state.step if state else 0


def _read(file: Path, names: tuple[str, ...], fix: str) -> tuple[dict[str, Tensor], Mapping[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "pt") as opened:
            tensors: dict[str, Tensor] = {name: opened.get_tensor(name) for name in names}
            return tensors, dict(opened.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise UserError(f"the file cannot be read: {first_line(error)}", place=str(file), fix=fix) from None


def _start_file(folder: Path, name: str) -> Path:
    return folder / f"{name}.safetensors"


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"no folder for starts: {error.strerror}", place=str(folder), fix="another folder") from None


def stacked(states: list[ArmState]) -> tuple[Tensor, Tensor, Tensor]:
    """Weights and moments [A, P] of arms."""
    columns = ([getattr(state, name) for state in states] for name in ("weights", "first", "second"))
    weights, first, second = (torch.stack(column) for column in columns)
    return weights, first, second
