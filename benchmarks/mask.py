"""Masks of the exact permutation: our automaton against stock engines on grammars of the same language.

All write the same answer over Qwen's 151,643 tokens, each engine and K in a process of its own (`peers/masks.py`), and
all leave the spacing open as `--spacing either` does: nothing or one space after each separator. A step makes the mask
twice, then writes the next token. "Cold" is the first mask of a step, "hot" the second. Before each round everything
that was compiled is compiled anew, and all that ours ever walked is dropped; the vocabulary's trie stays, as the tables
stay that engines make of a vocabulary. Engines get a grammar of 2^K rules (a regular expression of K! orders where an
engine has no grammars) while that is built within the time limit.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.harness import Report, arguments, publish

SIZES = (5, 8, 10, 13, 20, 50, 100)
LIMIT_S = 120
OURS = ("listeval", "listeval, as a bitmask")
PEERS = ("xgrammar", "llguidance", "outlines-core")
HOT_US, COLD_US = 5, 300
"""Goals for ours at every K. It compiles nothing; its "compile" is binding a request to a layout never seen before."""


def main() -> None:
    """Every engine at every K, then publish."""
    options = arguments(__doc__, rounds=5)
    report = Report("mask")
    for size in SIZES:
        for engine in (*OURS, *PEERS):
            found = measure(engine, size, options.rounds)
            if "unsupported" in found:
                report.facts[f"{engine}, K = {size}"] = f"unsupported: {found['unsupported']}"
            else:
                add(report, engine, size, found)
    versions = ["numpy", "tokenizers", "xgrammar", "llguidance", "outlines-core"]
    publish(report, versions, dry=options.dry)


def add(report: Report, engine: str, size: int, found: dict[str, Any]) -> None:
    """The figures of one engine at one K."""
    case = f"K = {size}, {found['steps']} tokens"
    for unit, name, seconds, most in figures(found):
        if name != "compile" or engine != OURS[1]:
            report.figure(case, f"{engine}: {name}", seconds, unit, most if engine == OURS[0] else None)
    report.facts[f"{engine}, K = {size}"] = f"peak {found['peak_mb']:.1f} MB, {found['refused']} tokens refused"
    if engine == OURS[0]:
        report.facts["listeval, vocabulary's trie, once"] = f"{found['trie_s']:.2f} s"


def figures(found: dict[str, Any]) -> Iterator[tuple[str, str, list[float], float | None]]:
    """Unit, name, seconds by round, goal."""
    yield "ms", "compile", found["compile"], None
    for kind, most in (("cold", COLD_US), ("hot", HOT_US)):
        yield "us", f"{kind} p50", [p50 for p50, _ in found[kind]], None if kind == "cold" else most
        yield "us", f"{kind} p99", [p99 for _, p99 in found[kind]], most if kind == "cold" else None


def measure(engine: str, size: int, rounds: int) -> dict[str, Any]:
    """One child's report; what it says last counts, as engines print too."""
    command = [sys.executable, "-m", "benchmarks.peers.masks", engine, str(size), str(rounds)]
    root = Path(__file__).resolve().parents[1]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False, cwd=root)
    except subprocess.TimeoutExpired:
        return {"unsupported": f"not built within {LIMIT_S} s"}
    if done.returncode != 0:
        return {"unsupported": f"died with {done.returncode}: {done.stderr.strip().splitlines()[-1:]}"}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
