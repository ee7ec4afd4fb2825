"""Starts a phase, reads its lines as they come, ends it at its limit, and leaves a line for whatever gave none.

Whatever happens to the phase is a result: out of memory, out of time, dead with its last words, or silent.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.gpu.plan import Phase

ROOT = Path(__file__).resolve().parents[2]
FSDP = {
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_TRANSFORMER_CLS_TO_WRAP": "Qwen3DecoderLayer",
    "FSDP_RESHARD_AFTER_FORWARD": "true",
}
"""What `accelerate launch --use_fsdp --fsdp_version 2` sets."""
_TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "1")
_NO_MEMORY = ("OutOfMemoryError", "CUDA out of memory", "can't allocate memory", "MemoryError")
_RAISED = re.compile(r"[\w.]*(Error|Exception|Interrupt|Exit)(: .+)?$")
"""The last line of a traceback."""
_LAST_READ_S, _WORDS = 5, 300

Line = dict[str, Any]


def command(phase: Phase, out: Path, *, rehearse: bool) -> list[str]:
    """What starts the phase's process."""
    start = [sys.executable, *(_TORCHRUN if phase.sharded else ()), "-m", "benchmarks.gpu.job", phase.name, str(out)]
    return [*start, "--rehearse"] if rehearse else start


def environment(phase: Phase) -> dict[str, str]:
    """Of the phase's process: the packages need not be installed."""
    paths = [str(ROOT), str(ROOT / "training"), os.environ.get("PYTHONPATH", "")]
    quiet = {"TOKENIZERS_PARALLELISM": "false", "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1",
             "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"}  # fmt: skip
    found = {**quiet, **os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return found | (FSDP if phase.sharded else {})


def run_phase(
    phase: Phase, started_by: Sequence[str], out: Path, record: Callable[[Line], None], env: Mapping[str, str]
) -> None:
    """Run the phase; `record` gets each line at once, and one for every case that had none when the process ended."""
    seen: set[str] = set()

    def read(stream: Any) -> None:
        for text in stream:
            line = parse(text, phase)
            if line is not None and line["case"] not in seen:
                seen.add(line["case"])
                record(line)

    errors = out / f"{phase.name}.err"
    with errors.open("w", encoding="utf-8") as stderr:
        process = subprocess.Popen(
            started_by, stdout=subprocess.PIPE, stderr=stderr, env=env, cwd=ROOT, start_new_session=True,
            encoding="utf-8", errors="replace",
        )  # fmt: skip
        reader = threading.Thread(target=read, args=(process.stdout,), daemon=True)
        reader.start()
        try:
            code: int | None = process.wait(phase.limit_s)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _end(process)
        # A grandchild that got away may hold the pipe open for ever.
        reader.join(_LAST_READ_S)
    status, cause = outcome(code, errors, phase.limit_s)
    for case in phase.cases:
        if case not in seen:
            record({"phase": phase.name, "case": case, "status": status, "error": cause})


def parse(text: str, phase: Phase) -> Line | None:
    """A line of the phase's output as a result; None for whatever else is printed."""
    try:
        line = json.loads(text)
    except ValueError:
        return None
    if not isinstance(line, dict) or line.get("phase") != phase.name or line.get("case") not in phase.cases:
        return None
    lacking = [key for key in phase.cases[line["case"]] if key not in line]
    if line.get("status") == "ok" and lacking:
        return line | {"status": "garbage", "error": f"lacks {', '.join(lacking)}"}
    return line if isinstance(line.get("status"), str) else None


def outcome(code: int | None, errors: Path, limit_s: float) -> tuple[str, str]:
    """Status and cause of a process that ended with `code` (None: was ended) before it gave its line."""
    if code is None:
        return "timeout", f"not within the {limit_s:g} s of the phase"
    lines = [line.strip() for line in errors.read_text(encoding="utf-8", errors="replace").splitlines()]
    last = next((line for line in reversed(lines) if line), "no word")[:_WORDS]
    if code == 0:
        return "garbage", f"ended well without this result; {last}"
    if code < 0:
        return "crash", f"ended by {signal.Signals(-code).name}; {last}"
    # torchrun writes a page of its own below the traceback of its child.
    raised = next((line for line in reversed(lines) if _RAISED.match(line)), last)[:_WORDS]
    return ("oom" if out_of_memory(raised) else "crash"), raised


def out_of_memory(said: str) -> bool:
    """Whether an error's text says that memory, the card's or the machine's, ran out."""
    return any(word in said for word in _NO_MEMORY)


def _end(process: subprocess.Popen[str]) -> None:
    """The process and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
