"""LoRA adapters inside a loaded network (by peft): the base's weights stay, so that one load serves several of them."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from listeval.errors import UserError, first_line
from listeval.models.adapter import PLACE, Adapter


class Adapters:
    """Those of one network, each loaded when it is first used."""

    def __init__(self, network: Any) -> None:
        self._network = network
        self._wrapped: Any = None
        self._names: dict[str, str] = {}

    def use(self, adapter: Adapter | None) -> None:
        """Compute with `adapter` from now on, or with the base alone. Raises UserError where it cannot be loaded."""
        if adapter is None:
            if self._wrapped is not None:
                self._wrapped.base_model.disable_adapter_layers()
            return
        if adapter.fingerprint not in self._names:
            self._load(adapter)
        self._wrapped.base_model.enable_adapter_layers()
        self._wrapped.set_adapter(self._names[adapter.fingerprint])
        self._wrapped.eval()

    def _load(self, adapter: Adapter) -> None:
        if find_spec("peft") is None:
            raise UserError.missing_package("peft", "pip install 'listeval[adapters]'", PLACE)
        from peft import PeftModel

        name = f"adapter{len(self._names) + 1}"
        try:
            if self._wrapped is None:
                # The layers are exchanged inside the network, which goes on being what generates.
                self._wrapped = PeftModel.from_pretrained(self._network, adapter.path, adapter_name=name)
            else:
                self._wrapped.load_adapter(adapter.path, adapter_name=name)
        except Exception as error:  # a broken adapter raises anything: KeyError, RuntimeError, OutOfMemoryError
            cause = f"the adapter cannot be loaded: {first_line(error)}"
            raise UserError(cause, place=adapter.path, fix="check that it was trained on this model") from error
        self._names[adapter.fingerprint] = name
        _check_loaded(self._wrapped, adapter, name)


def _check_loaded(wrapped: Any, adapter: Adapter, name: str) -> None:
    """peft only warns of weights that fit no layer. Raises UserError where what it saves is not what was given."""
    from peft import get_peft_model_state_dict
    from safetensors import safe_open

    with safe_open(f"{adapter.path}/adapter_model.safetensors", framework="pt") as opened:
        given = set(opened.keys())
    loaded = get_peft_model_state_dict(wrapped, adapter_name=name)
    if odd := sorted(given ^ loaded.keys()):
        cause = f"the adapter does not fit this model: {len(odd)} weights have no counterpart, first {odd[0]}"
        raise UserError(cause, place=adapter.path, fix="name the base that it was trained on")
