"""Whole trainings of the tiny checkpoints on this device, and what is read of them: through the public entry points.

A run that is killed and resumed is held against one that was not. Where the two differ already before the kill, the
device does not repeat itself, and the resume cannot be judged to the bit (`reproducible` is false).
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml

from benchmarks.gpu.bench import make_recipe
from benchmarks.gpu.job import Job
from benchmarks.gpu.networks import STUDENT, TEACHER
from listopd.recipe import Recipe
from listopd.stages import train

TASK = {"split": "all", "k": 8}
_TIMED = ("seconds", "tokens_per_s", "times_floor")


def run(job: Job) -> None:
    """Five cases."""
    torch.set_float32_matmul_precision("highest")
    recipe = make_distillation(job)
    whole = job.folder / "whole"
    with job.case("opd") as found:
        found |= distil(job, recipe, whole)
    with job.case("kill, resume") as found:
        found |= kill_and_resume(job, recipe, whole)
    with job.case("run, permutation") as found:
        found |= constrained(job)
    with job.case("probe") as found:
        found |= probe_here_and_on_a_cpu(job)
    with job.case("sft") as found:
        found |= warm_start(job)


def make_distillation(job: Job) -> Recipe:
    """20 steps by the exact divergence, as tiny.yaml has it; float32 and what repeats itself to the bit."""
    steps, batch, tokens = job.pick((20, 16, 96), (4, 2, 24))
    numerics = {"save": "float32", "deterministic": True}
    opd = make_recipe(
        job, "float32", precision=numerics, steps=steps, batch=batch, max_tokens=tokens,
        objective={"divergence": "rkl"},
    )  # fmt: skip
    return opd.model_copy(update={"save_every": steps // 4})


def distil(job: Job, recipe: Recipe, out: Path) -> dict[str, Any]:
    """The run that nothing happens to; reverse KL a token over its first and its last quarter."""
    train(recipe, "opd", out, lambda *_: None)
    log = read_log(out)
    quarter = max(1, len(log) // 4)
    first, last = (sum(line["reverse_kl"] for line in part) / quarter for part in (log[:quarter], log[-quarter:]))
    seconds = sorted(line["seconds"] for line in log)[len(log) // 2]
    return {
        "reverse_kl_first": first,
        "reverse_kl_last": last,
        "seconds_step": seconds,
        "parse_rate_last": log[-1]["parse_rate"],
        # Four steps of two answers, as in a rehearsal, show nothing.
        "passes": None if job.rehearse else last < first,
        "goal": "reverse KL falls",
    }


def kill_and_resume(job: Job, recipe: Recipe, whole: Path) -> dict[str, Any]:
    """The same recipe in a process of its own, killed without warning past the half, and taken up again."""
    assert recipe.opd is not None and recipe.opd.steps is not None
    file, out = job.folder / "recipe.yaml", job.folder / "killed"
    file.write_text(yaml.safe_dump(recipe.model_dump(mode="json")), encoding="utf-8")
    command = [sys.executable, "-m", "listeval", "train", "opd", str(file), "--out", str(out), "--quiet"]
    killed = kill_after(command, out, recipe.opd.steps // 2)
    subprocess.run([*command, "--resume"], check=True, stdout=sys.stderr)
    pairs = zip(read_log(whole), killed, strict=False)
    reproducible = all(_figures(once) == _figures(twice) for once, twice in pairs)
    largest = largest_difference(whole, out)
    return {
        "killed_at": len(killed),
        "same_weights": largest == 0,
        "reproducible": reproducible,
        "largest_difference": largest,
        "passes": largest == 0 if reproducible else None,
        "goal": "the same weights to the bit",
    }


def kill_after(command: Sequence[str], out: Path, steps: int) -> list[dict[str, Any]]:
    """Start, kill once so many steps are logged, and give the log. Raises RuntimeError where it ends before."""
    process = subprocess.Popen(command, stdout=sys.stderr)
    try:
        while len(log := read_log(out)) < steps:
            if process.poll() is not None:
                raise RuntimeError(f"training ended with {process.returncode} after {len(log)} steps")
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    return read_log(out)


def read_log(out: Path) -> list[dict[str, Any]]:
    """Whole lines only."""
    file = out / "log.jsonl"
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def largest_difference(one: Path, other: Path) -> float:
    """Between the weights of two finished runs."""
    from safetensors.torch import load_file

    a, b = (load_file(str(out / "checkpoint" / "model.safetensors")) for out in (one, other))
    return max(float((tensor - b[name]).abs().max()) for name, tensor in a.items())


def constrained(job: Job) -> dict[str, Any]:
    """`listeval run --constraint permutation`: every answer keeps the contract."""
    from listeval.runs import run as evaluate
    from listeval.runs.config import build_config

    started = time.perf_counter()
    done = evaluate(
        build_config(
            {
                "task": "fashion", "options": TASK, "model": "tiny-listopd", "backend": "hf", "device": job.device.type,
                "constraint": "permutation", "limit": job.pick(32, 2),
                "out": str(job.folder / "constrained"),
            }
        )
    )  # fmt: skip
    parsed, n = done.summary.kinds["ok"], done.summary.n
    seconds = time.perf_counter() - started
    return {"parsed": parsed, "n": n, "seconds": seconds, "passes": parsed == n > 0, "goal": "every answer parses"}


def probe_here_and_on_a_cpu(job: Job) -> dict[str, Any]:
    """p and b of every class on right answers, here and on this machine's CPU."""
    from listopd.probe.probe_config import build_config
    from listopd.probe.run_probe import probe

    def classes(device: str) -> Mapping[str, tuple[float, float, int]]:
        asked = {
            "teacher": TEACHER, "base": STUDENT, "task": "fashion", "options": TASK, "limit": job.pick(16, 2),
            "on": "gold", "device": device, "bootstrap": 100,
        }  # fmt: skip
        return {str(row.kind): (row.p.mean, row.b.mean, row.n) for row in probe(build_config(asked)).parts[0].classes}

    here, there = classes(job.device.type), classes("cpu")
    p, b = (max(abs(here[name][i] - there[name][i]) for name in there) for i in (0, 1))
    return {
        "p_difference": p,
        "b_difference": b,
        "positions": sum(n for *_, n in there.values()),
        "passes": max(p, b) <= 1e-4 and here.keys() == there.keys(),
        "goal": "p, b to 1e-4",
    }


def warm_start(job: Job) -> dict[str, Any]:
    """Supervised steps on right answers."""
    steps, batch = job.pick((10, 16), (2, 2))
    section = {"model": STUDENT, "steps": steps, "batch": batch, "optimiser": {"lr": 1e-4}}
    numerics = {"device": job.device.type}
    recipe = Recipe.model_validate({"task": "fashion", "options": TASK, "precision": numerics, "sft": section})
    out = job.folder / "sft"
    train(recipe, "sft", out, lambda *_: None)
    losses = [line["loss"] for line in read_log(out)]
    return {"loss_first": losses[0], "loss_last": losses[-1], "steps": steps}


def _figures(line: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if not name.startswith(_TIMED)}
