"""A phase's own process: `python -m benchmarks.gpu.job PHASE DIR` prints a JSON line for each case as it ends.

A case that runs out of memory, or raises, gives a line that says so, with what it had measured till then, and the next
case begins with the memory free. Nothing but these lines goes to stdout, whatever libraries print.
"""

from __future__ import annotations

import gc
import json
import math
import os
import resource
import shutil
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from benchmarks.gpu.runner import out_of_memory

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
_WORDS = 300


class Absent(Exception):
    """What a case compares with is not installed."""


class Job:
    """What a phase is given: a device, a folder of its own, and `case`, which reports."""

    def __init__(self, phase: str, out: Path, *, rehearse: bool) -> None:
        import torch

        if not rehearse and not torch.cuda.is_available():
            raise SystemExit("torch finds no CUDA device; --rehearse tries every phase on the CPU")
        self.phase, self.rehearse = phase, rehearse
        self.device: torch.device = torch.device("cpu" if rehearse else "cuda", None if rehearse else 0)
        if not rehearse:
            # Statistics of a card that nothing has touched yet cannot be reset.
            torch.cuda.init()
        self.folder = out / phase
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        sys.stdout.flush()
        self._said = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)

    def pick(self, real: T, tiny: T) -> T:
        """A size: of the measurement, or of its rehearsal."""
        return tiny if self.rehearse else real

    @contextmanager
    def case(self, name: str) -> Iterator[dict[str, Any]]:
        """Measure one case: put figures into what this gives; `passes` and `goal` where there is one to reach."""
        found: dict[str, Any] = {}
        line: dict[str, Any] = {"phase": self.phase, "case": name, "status": "ok"}
        reset_peak(self.device)
        started = time.perf_counter()
        try:
            yield found
        except Absent as error:
            line |= {"status": "absent", "error": str(error)}
        except Exception as error:  # noqa: BLE001  whatever it is, is the result
            traceback.print_exc()
            said = f"{type(error).__name__}: {error}".splitlines()[0][:_WORDS]
            line |= {"status": "oom" if out_of_memory(said) else "crash", "error": said}
            # The frames of the traceback hold the tensors that did not fit.
            traceback.clear_frames(error.__traceback__)
        wall = time.perf_counter() - started
        self._say(line | found | {"peak_gb": peak_gb(self.device), "wall_s": wall})
        free(self.device)

    def _say(self, line: dict[str, Any]) -> None:
        print(json.dumps(_plain(line), ensure_ascii=False, allow_nan=False), file=self._said, flush=True)


def wait(device: torch.device) -> float:
    """The clock, once the device has done what it was given."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def free(device: torch.device) -> None:
    """Give back what nothing holds any more."""
    import torch

    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def reset_peak(device: torch.device) -> None:
    """Begin to look for the most memory anew; on a CPU the process' peak cannot be forgotten."""
    import torch

    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_gb(device: torch.device) -> float:
    """The most memory that tensors took on the device since `reset_peak`; of the whole process on a CPU."""
    import torch

    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device)) / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def allocated_gb(device: torch.device) -> float:
    """The memory that tensors take on the device now; on a CPU the process' peak."""
    import torch

    return float(torch.cuda.memory_allocated(device)) / 1e9 if device.type == "cuda" else peak_gb(device)


def _plain(value: Any) -> Any:
    """JSON has no NaN and no infinity: they are said in words."""
    if isinstance(value, dict):
        return {str(name): _plain(x) for name, x in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(x) for x in value]
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value


def main() -> None:
    """`job PHASE DIR [--rehearse]`."""
    phase, out, *rest = sys.argv[1:]
    module = import_module(f"benchmarks.gpu.phases.{phase}")
    module.run(Job(phase, Path(out), rehearse="--rehearse" in rest))


if __name__ == "__main__":
    main()
