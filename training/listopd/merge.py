"""An adapter added to its base: a plain checkpoint, as the trainer itself writes one of a training with adapters."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from listeval.errors import UserError, first_line
from listeval.models.adapter import WEIGHTS, Adapter

if TYPE_CHECKING:
    from listeval.models.checkpoint import Checkpoint

_SAVED = ("float32", "bfloat16", "float16")


def merge(adapter: Adapter, base: str, out: Path, save: str | None = None) -> Path:
    """Write to the folder `out` the checkpoint that `base` with `adapter` is, and give it; weights are of type `save`.

    Products and sums are float32. Without `save` the type is the one of the training that the adapter lies in, else
    that of the base's own weights. Raises UserError where the two do not fit, where `base` is not the model that the
    adapter's training began from, for an adapter of a layer that shares its weight, and where `out` is there already.
    """
    from listopd.networks import load_network, open_model, save_network

    if out.exists():
        raise UserError("there is something of this name already", place=str(out), fix="another --out")
    training = _training(Path(adapter.path))
    opened = open_model(base)
    _check_base(opened, training, adapter)
    dtype = save or training.save or _own_type(opened.path)
    network = load_network(opened, _cpu(), None, frozen=True)
    whole = _merged(network, adapter)
    fresh = out.with_name(f".{out.name}.new")
    try:
        save_network(whole, opened, whole.state_dict(), fresh, dtype)
        fresh.rename(out)
    except Exception as error:  # safetensors has errors of its own for a full disk
        cause = f"the checkpoint cannot be written: {first_line(error)}"
        raise UserError(cause, place=str(out), fix="free disk space, or another --out") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return out


def _merged(network: Any, adapter: Adapter) -> Any:
    from safetensors import SafetensorError

    try:
        from peft import PeftModel
    except ImportError:
        raise UserError.missing_package("peft", "pip install 'listeval[train]'", "merging adapters") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of names that do not fit, which are an error here
            found = PeftModel.from_pretrained(network, adapter.path)
        _check_names(found, adapter)
        _check_own(found, adapter)
        return found.merge_and_unload(safe_merge=True)
    except (SafetensorError, ValueError, RuntimeError, KeyError, TypeError, OSError) as error:
        cause = f"the adapter does not fit the model: {first_line(error)}"
        raise UserError(cause, place=adapter.path, fix="name the model that it was trained on: --base") from None


def _check_names(model: Any, adapter: Adapter) -> None:
    """Raises ValueError unless the weights in the adapter's file are those that the model with it has."""
    from peft import get_peft_model_state_dict
    from safetensors import safe_open

    due = set(get_peft_model_state_dict(model, save_embedding_layers=False))
    with safe_open(str(Path(adapter.path) / WEIGHTS), framework="pt") as file:
        given = set(file.keys())
    # Embeddings that an adapter's training enlarged stand in its file under the model's own names.
    strange = sorted(given - due - set(model.state_dict()))
    if strange:
        raise ValueError(f"{len(strange)} of its weights have no place in it, first {strange[0]}")
    if missing := sorted(due - given):
        raise ValueError(f"it has no weights for {len(missing)} places, first {missing[0]}")


def _check_own(model: Any, adapter: Adapter) -> None:
    """Raises UserError for an adapter of a layer that shares its weight: as one weight the two cannot differ."""
    from listopd.adapters import shared_targets

    if shared := shared_targets(model.get_base_model()):
        cause = f"it adapts {shared[0]}, whose weight is another layer's, too (tied embeddings), so it cannot be merged"
        raise UserError(cause, place=adapter.path, fix="serve it as an adapter (--adapter), or train another layer")


class _Training(NamedTuple):
    """What the training directory around an adapter says: fingerprint of its start, and the type it saved."""

    start: str | None
    save: str | None


def _training(folder: Path) -> _Training:
    above = folder.resolve().parent
    # Earlier ends lie one folder deeper, but a training's own directory may be called so as well.
    if above.name == "adapters" and not (above / "manifest.json").exists():
        above = above.parent
    manifest, recipe = _read(above / "manifest.json"), _read(above / "recipe.yaml")
    models = _mapping(manifest.get("models"))
    started = _mapping(models.get("student") or models.get("start"))
    save = _mapping(recipe.get("precision")).get("save")
    return _Training(started.get("fingerprint"), save if save in _SAVED else None)


def _read(file: Path) -> Mapping[str, Any]:
    """What stands in a JSON or YAML file beside an adapter; nothing where there is none that can be read."""
    import yaml

    try:
        return _mapping(yaml.safe_load(file.read_bytes()))
    except (OSError, ValueError, yaml.YAMLError):
        return {}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _check_base(opened: Checkpoint, training: _Training, adapter: Adapter) -> None:
    if training.start in (None, opened.info.fingerprint):
        return
    cause = f"the adapter was trained on other weights ({training.start}) than these ({opened.info.fingerprint})"
    raise UserError(cause, place=opened.info.name, fix="name the model that it was trained on: --base")


def _own_type(folder: Path) -> str:
    config = _read(folder / "config.json")
    found = str(config.get("dtype") or config.get("torch_dtype") or "float32").removeprefix("torch.")
    return found if found in _SAVED else "float32"


def _cpu() -> Any:
    import torch

    return torch.device("cpu")
