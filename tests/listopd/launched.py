"""Trainings in two processes, started as a user starts them, and held against one process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from tests.listopd.conftest import TASKS, Trained

ROOT = Path(__file__).parents[2]
FSDP = {
    "ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_RESHARD_AFTER_FORWARD": "true",
}  # fmt: skip
"""What `accelerate launch --use_fsdp --fsdp_version 2` sets for its processes."""
TORCHRUN = ["torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
ACCELERATE = ["accelerate.commands.launch", "--num_processes", "2"]
SHARDING = ["--use_fsdp", "--fsdp_version", "2"]
ON_CPU = str(Path(__file__).with_name("sharded_on_cpu.py"))


def launch(command, settings=None):
    """A finished process."""
    paths = {"PYTHONPATH": f"{ROOT}:{ROOT / 'training'}", "LISTEVAL_PATH": str(TASKS), "OMP_NUM_THREADS": "1"}
    env = os.environ | paths | (settings or {})
    return subprocess.run(
        [sys.executable, "-m", *map(str, command)], env=env, capture_output=True, text=True, timeout=580, check=False
    )


def written(recipe, out):
    file = out.with_suffix(".yaml")
    file.write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    return file


def trained(recipe, stage, out, settings, *flags, launcher=TORCHRUN):
    """The run of two processes; `settings` is FSDP, or empty for DDP. Of a resumed run the manifest is its first's."""
    program = [ON_CPU] if settings else ["-m", "listeval"]
    command = [*launcher, *program, "train", stage, written(recipe, out), "--out", out, *flags]
    done = launch(command, settings)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.count("checkpoint:") == 1, "one process speaks"
    run = Trained(out)
    if "--resume" not in flags:
        expected = (2, "FSDP" if settings else "MULTI_CPU")
        assert (run.manifest["processes"], run.manifest["parallel"]) == expected
    return run


def assert_alike(two, one):
    for ours, alone in zip(two.figures, one.figures, strict=True):
        assert ours.keys() == alone.keys()
        for name in ("loss", "grad_norm", "reverse_kl", "answer_tokens", "parse_rate"):
            if name in alone:
                assert ours[name] == pytest.approx(alone[name], rel=2e-4, abs=1e-5), name
    assert_near(two.weights, one.weights)


def assert_near(two, one):
    # AdamW turns rounding of a vanishing gradient into a whole step, so a few weights may be one apart.
    gaps = torch.cat([(two[name] - tensor).abs().flatten() for name, tensor in one.items()])
    assert float(gaps.quantile(0.99)) < 1e-4 and float(gaps.mean()) < 1e-5
