"""`python -m benchmarks.gpu`: every phase in turn, a table at the end; see benchmarks/README.md."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.gpu.plan import PHASES, chosen
from benchmarks.gpu.results import DONE, publish, read_lines, recorder, table
from benchmarks.gpu.runner import command, environment, run_phase

_PATIENCE = 6


def main(given: Sequence[str] | None = None) -> int:
    """0 where every case gave a result (out of memory is one), 1 where one did not, 2 for wrong arguments."""
    parser = _parser()
    options = parser.parse_args(given)
    try:
        phases = [] if options.show else chosen(options.phases)
    except ValueError as error:
        parser.error(str(error))
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    record = recorder(out, rehearse=options.rehearse)
    for phase in phases:
        # A rehearsal measures nothing, and a CPU that has other work takes its time.
        phase = replace(phase, limit_s=phase.limit_s * (_PATIENCE if options.rehearse else 1))
        print(f"== {phase.name} (at most {phase.limit_s:g} s): {phase.asks}", flush=True)
        start = command(phase, out.resolve(), rehearse=options.rehearse)
        run_phase(phase, start, out, record, environment(phase))
    lines = read_lines(out)
    print(f"\n{table(lines)}")
    if options.publish:
        try:
            print(f"\nwritten to {publish(lines)} and .md")
        except ValueError as error:
            parser.error(str(error))
    asked = {phase.name for phase in phases or PHASES}
    return int(not all(line["status"] in DONE for line in lines if line["phase"] in asked))


def _parser() -> argparse.ArgumentParser:
    limit = sum(phase.limit_s for phase in PHASES)
    text = f"Check trainer and masks on a GPU, {limit:g} s at most. Out of memory is a result, not an error."
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=text)
    names = ", ".join(phase.name for phase in PHASES)
    parser.add_argument("--phases", metavar="A,B", help=f"only these of {names}")
    text = "results.jsonl and what phases write (%(default)s)"
    parser.add_argument("--out", type=Path, default=Path("runs/gpu"), help=text)
    parser.add_argument("--rehearse", action="store_true", help="tiny sizes on the CPU: does every phase run?")
    parser.add_argument("--publish", action="store_true", help="also write the results to benchmarks/results, by card")
    parser.add_argument("--show", action="store_true", help="run nothing: table (and --publish) of what --out holds")
    return parser


if __name__ == "__main__":
    # Asked to stop, it takes the phase that runs with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())
