"""Kills a training at many points and lets it go on; prints one JSON line a kill. Run by `test_train_kills`.

Torch is imported once and never used here: every training is a fork, which dies by its own hand at its n-th operation
on a file of the run directory, or by ours after some time.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_OPERATIONS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir")


def train(recipe: Path, out: Path, resume: bool, kill_at: int | None, counted: Path | None) -> int:
    """In a fork: train, and give the exit code; the process is gone before where `kill_at` is reached."""
    from listeval.errors import UserError
    from listopd.recipe import read_recipe
    from listopd.stages import train as run

    operations = 0

    def watch(event: str, args: tuple[Any, ...]) -> None:
        nonlocal operations
        if event in _OPERATIONS and str(args[0]).startswith(str(out)):
            operations += 1
            if operations == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    try:
        run(read_recipe(recipe), "opd", out, lambda *_: None, resume=resume)
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if counted is not None:
        counted.write_text(str(operations))
    return 0


def fork(work: Callable[[], int], after: float | None = None) -> int:
    """The exit code of `work` in a process of its own, negative for a signal; killed `after` some seconds."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = work()
        except Exception:  # noqa: BLE001  (a fork says what went wrong, and ends)
            import traceback

            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    if after is not None:
        time.sleep(after)
        os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def outcome(recipe: Path, out: Path, whole: dict[str, Any]) -> dict[str, Any]:
    """Go on from whatever the kill left, as a user would, and compare with the run that was not killed."""
    from listopd.journal import has_state

    resumed = has_state(out)
    if not resumed:
        shutil.rmtree(out, ignore_errors=True)
    code = fork(lambda: train(recipe, out, resumed, None, None))
    left = sorted(file.name for file in out.glob(".*"))
    return {"resumed": resumed, "code": code, "same": code == 0 and fingerprint(out) == whole, "left": left}


def fingerprint(out: Path) -> dict[str, Any]:
    """What two equal trainings share: weights and figures."""
    from hashlib import sha256

    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    timed = ("seconds", "tokens_per_s", "times_floor")
    figures = [{k: v for k, v in line.items() if not k.startswith(timed)} for line in lines]
    weights = sorted(out.glob("checkpoint*/**/model.safetensors"))
    return {"figures": figures, "weights": [sha256(file.read_bytes()).hexdigest() for file in weights]}


def main(recipe: Path, folder: Path, by_operation: int, by_time: int) -> None:
    import torch

    torch.set_num_threads(1)
    import transformers.models.qwen3.modeling_qwen3  # noqa: F401

    import listopd.on_policy  # noqa: F401

    began = time.monotonic()
    assert fork(lambda: train(recipe, folder / "whole", False, None, folder / "count")) == 0
    lasted, operations = time.monotonic() - began, int((folder / "count").read_text())
    whole = fingerprint(folder / "whole")
    points = [1 + i * (operations - 1) // max(1, by_operation - 1) for i in range(by_operation)]
    moments = random.Random(0)
    kills: list[tuple[int | None, float | None]] = [(at, None) for at in points]
    kills += [(None, moments.uniform(0, lasted)) for _ in range(by_time)]
    for number, (at, after) in enumerate(kills):
        out = folder / f"run{number}"
        code = fork(lambda out=out, at=at: train(recipe, out, False, at, None), after)  # type: ignore[misc]
        found = {"at": at, "after": after, "killed": code == -signal.SIGKILL, **outcome(recipe, out, whole)}
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()
        shutil.rmtree(out, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
