"""Engine adapters by name; importing this package imports no engine."""

from importlib import import_module
from importlib.util import find_spec
from typing import cast

from listeval.backends.protocol import Backend, BackendOptions
from listeval.errors import UserError, did_you_mean
from listeval.models.cpu import wait_passively

ADAPTERS: dict[str, str] = {
    "hf": "transformers, CPU or GPU",
    "vllm": "vLLM in this process, GPU or CPU build",
    "ray": "vLLM on many cards or machines, by Ray Data LLM",
    "openai": "any OpenAI-compatible server",
    "replay": "answers of an earlier run, or a JSONL of raw texts",
    "null": "no model: seeded answers, or --model gold, faults, garbage, to try harness and task",
}

_ENGINE = {name: f"{name}.{name}_engine" for name in ("hf", "vllm", "ray", "openai")}


def open_backend(name: str, model: str, options: BackendOptions) -> Backend:
    """Open `model` with the adapter `name`, or with the best one here for `auto`.

    Raises UserError for an unknown name, a missing package or a model that cannot be opened.
    """
    chosen = choose(name)
    module = "served.served_engine" if options.serve else _ENGINE.get(chosen, chosen)
    adapter = import_module(f"listeval.backends.{module}")
    return cast("Backend", adapter.open(model, options))


def choose(name: str) -> str:
    """The adapter that `name` stands for. Raises UserError for an unknown one."""
    if name == "auto":
        return _auto()
    if name not in ADAPTERS:
        raise UserError(f"unknown backend '{name}'", place="--backend", fix=did_you_mean(name, [*ADAPTERS, "auto"]))
    return name


def _auto() -> str:
    """`vllm` where it is importable and its device is there (a GPU, or the CPU build), else `hf`."""
    if find_spec("vllm") is None or find_spec("torch") is None:
        return "hf"
    wait_passively()
    import torch

    return "vllm" if torch.cuda.is_available() or "+cpu" in torch.__version__ else "hf"
