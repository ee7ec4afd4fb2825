"""`vllm serve` for one run: the same model and arguments as vLLM in this process, asked over HTTP.

The server listens on the loopback alone and takes a key that is made for it, so nobody else's requests come between
and no key of the user's goes there. Prompts are rendered here, as for every engine on this machine; what the manifest
says of the model is read from its folder and not believed from a server.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from listeval.backends.openai import openai_engine as openai
from listeval.backends.protocol import BackendOptions, Completion, Request
from listeval.backends.served.server import Server, free_port
from listeval.backends.vllm.quiet import check_installed, report_nothing
from listeval.backends.vllm.vllm_constraint import served_arguments
from listeval.backends.vllm.vllm_engine import CEILING, KV_GIB, KV_SPACE, engine_arguments
from listeval.errors import UserError
from listeval.models.checkpoint import Checkpoint, open_checkpoint, package_versions, refuse_unused

_KEY = "LISTEVAL_SERVED_KEY"
"""The variable of this process that holds the server's key."""


def open(model: str, options: BackendOptions) -> ServedBackend:
    """Start a server of `model` and connect to it; `options.timeout_s` is also how long it may take to start.

    Raises UserError where vLLM or httpx is missing, the model cannot be opened, or the server does not come up.
    """
    refuse_unused(options, "served", ("base_url", "api_key_env", "structured", "ray_address"))
    check_installed()
    if find_spec("httpx") is None:
        raise UserError.missing_package("httpx", "pip install 'listeval[openai]'", "--serve")
    checkpoint = open_checkpoint(model, options, CEILING)
    told, environment = served_arguments(options.constraint)
    arguments = engine_arguments(checkpoint, replace(options, extra={**told, **options.extra}), device(options.device))
    port, key = free_port(), secrets.token_urlsafe(24)
    url = f"http://127.0.0.1:{port}"
    command = serve_command({**arguments, "host": "127.0.0.1", "port": port, "served_model_name": checkpoint.info.name})
    memory = {} if KV_SPACE in os.environ else {KV_SPACE: KV_GIB}
    report_nothing()
    server = Server(command, {**environment, **memory, "VLLM_API_KEY": key})
    try:
        server.wait(f"{url}/health", options.timeout_s)
        os.environ[_KEY] = key
        connected = openai.open(checkpoint.info.name, _as_client(options, checkpoint, f"{url}/v1"))
    except BaseException:
        server.stop()
        raise
    return ServedBackend(checkpoint, server, connected, arguments)


def device(asked: str | None) -> str:
    """`cpu` or `cuda`. Raises UserError for one that a server cannot be told."""
    import torch

    there = "cuda" if torch.cuda.is_available() else "cpu"
    if asked is not None and asked != there:
        raise UserError(f"the server would run on {there}, not {asked}", place="--device", fix=f"--device {there}")
    return there


def serve_command(arguments: Mapping[str, Any]) -> list[str]:
    """The command line of `vllm serve`: flags of its engine's arguments, mappings as JSON.

    vLLM's command first asks for the version of a package `vllm`; its CPU build has another name, and dies of that.
    There the server is started by its module.
    """
    flags: list[str] = []
    for name, value in arguments.items():
        flag = f"--{name.replace('_', '-')}"
        if name == "model" or value is None:
            continue
        if isinstance(value, bool):
            flags.append(flag if value else f"--no-{flag[2:]}")
        elif isinstance(value, list) and all(isinstance(part, str | int) for part in value):
            flags += [flag, *map(str, value)]
        else:
            flags += [flag, value if isinstance(value, str) else json.dumps(value)]
    model = str(arguments["model"])
    start = ["vllm.entrypoints.openai.api_server", "--model", model]
    if package_versions("vllm"):
        start = ["vllm.entrypoints.cli.main", "serve", model]
    return [sys.executable, "-m", *start, *flags]


def _as_client(options: BackendOptions, checkpoint: Checkpoint, url: str) -> BackendOptions:
    """What the openai engine is opened with; what the server was told needs no telling again."""
    tokenizer = str(checkpoint.renderer.tokenizer.name_or_path)
    own: dict[str, Any] = {
        "dtype": None,
        "device": None,
        "batch_size": None,
        "extra": {},
        "adapter": None,
        "adapters": (),
    }
    return replace(options, base_url=url, tokenizer=tokenizer, api_key_env=_KEY, **own)


class ServedBackend:
    """The openai engine with its server; see the module."""

    name = "openai"

    def __init__(
        self, checkpoint: Checkpoint, server: Server, connected: openai.OpenAIBackend, arguments: Mapping[str, Any]
    ) -> None:
        self.model, self.renderer, self.capabilities = checkpoint.info, connected.renderer, connected.capabilities
        self._server, self._connected = server, connected
        self._arguments = {name: value for name, value in arguments.items() if name not in ("model", "tokenizer")}

    def log_to(self, directory: Path) -> None:
        """Keep the server's log in a run's directory (`server.log`)."""
        self._server.log_to(directory)

    def versions(self) -> Mapping[str, str]:
        """httpx and the server."""
        return self._connected.versions()

    def settings(self) -> Mapping[str, object]:
        """What the server was started with, and the client's; the port is of no meaning afterwards."""
        plain = {
            k: v if isinstance(v, str | int | float | bool | None) else repr(v) for k, v in self._arguments.items()
        }
        return {**plain, **self._connected.settings(), "base_url": None, "served": "vllm serve"}

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """As the openai engine."""
        return self._connected.generate(requests)

    def score(self, token_ids: Sequence[Sequence[int]]) -> list[list[float]]:
        """Raises UserError, as the openai engine."""
        return self._connected.score(token_ids)

    def close(self) -> None:
        """Close the connections, then stop the server."""
        try:
            self._connected.close()
        finally:
            self._server.stop()
