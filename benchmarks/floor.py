"""Which floor of the target curve foretells trained students: the calibration behind `listopd.curve.locked`.

Pairs of K = 8 with the shipped tokenizer: the shipped one, whose teacher is surer than its base everywhere (no cliff is
to be foretold), and pairs with a planted flip, whose base is surer of the last comma. There the teacher learns answers
of which a share ends one item early, the base a smaller share: the smaller, the rarer is the token that the flip is
about, and the question is how rare it may be for training to find it. For every pair the curve is decoded at many
floors; then students are trained at some λ and evaluated by the harness on the same held-out groups.

    python -m benchmarks.floor --out runs/floor --pairs shipped --lambdas 1.5,3 --steps 80 --seeds 0
    python -m benchmarks.floor --out runs/floor                     # all of it: days on two cores, an hour on a GPU

Every step has a folder of its own below --out and is not done twice. A line of `floor.json` compares one trained
student with the curves: the figures that the floor is chosen by.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from listeval.disk import write_atomic

HERE = Path(__file__).parent
FLOORS = (0.0, 1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4)
EARLY = 0.3
"""Share of the planted teacher's answers that end early; it keeps the comma its first choice."""
RARE = (0.03, 0.01, 0.003, 0.001)
"""Shares of the planted bases."""
PLANT = ("opd=null", "sft.steps=60", "sft.batch=32", "sft.optimiser.lr=2e-4", "sft.optimiser.schedule=constant")


class Pair(NamedTuple):
    """A teacher and a base (which is the student's start), by name or folder, and the λ to train at."""

    name: str
    teacher: str
    base: str
    lams: tuple[float, ...]


def main() -> None:
    """Data, pairs, curves, trainings, comparison."""
    options = _options()
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    data = _data(out)
    found = []
    for pair in _pairs(out, data, options.pairs):
        lams = options.lambdas or pair.lams
        curves = {floor: _curve(out, data, pair, floor, lams, options.groups) for floor in FLOORS}
        for steps in options.steps:
            for lam in lams:
                for seed in options.seeds:
                    trained = _trained(out, data, pair, lam, steps, seed, options)
                    found.append(_line(pair, lam, steps, seed, trained, curves))
                    print(_said(found[-1]), flush=True)
                    write_atomic(out / "floor.json", json.dumps(found, indent=1).encode())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ["shipped", *(f"planted-{rare:g}" for rare in RARE)]
    parser.add_argument("--out", type=Path, default=Path("runs/floor"))
    parser.add_argument("--pairs", type=_list(str), default=names, help=", ".join(names))
    parser.add_argument("--lambdas", type=_list(float), help="in place of each pair's own")
    parser.add_argument("--steps", type=_list(int), default=[80, 320])
    parser.add_argument("--seeds", type=_list(int), default=[0, 1, 2])
    parser.add_argument("--groups", type=int, default=500, help="held-out groups")
    parser.add_argument("--objective", choices=["exact", "sampled"], default="exact")
    return parser.parse_args()


def _list(kind: type) -> Any:
    return lambda text: [kind(part) for part in text.split(",")]


def _data(out: Path) -> Path:
    path = out / "data.jsonl"
    if not path.exists():
        script = HERE.parent / "tasks" / "fashion" / "generate.py"
        words = [sys.executable, str(script), "--groups", "4500", "--seed", "11", "--train-share", "0.889"]
        write_atomic(path, subprocess.run(words, check=True, capture_output=True).stdout)
    return path


def _pairs(out: Path, data: Path, names: Sequence[str]) -> list[Pair]:
    found = []
    if "shipped" in names:
        found.append(Pair("shipped", "tiny-teacher", "tiny-sft", (1.5, 2.0, 3.0, 5.0)))
    for rare in RARE:
        if f"planted-{rare:g}" in names:
            teacher, base = _planted(out, data, EARLY, 1), _planted(out, data, rare, 2)
            found.append(Pair(f"planted-{rare:g}", teacher, base, (1.05, 1.1, 1.2, 1.3, 1.5, 2.0)))
    return found


def _planted(out: Path, data: Path, early: float, seed: int) -> str:
    folder = out / f"early-{early:g}"
    changes = ["task=fashion_early", f"options.early={early}", "sft.model=tiny-teacher", f"seed={seed}", *PLANT]
    return _train("sft", folder, data, changes)


def _train(stage: str, folder: Path, data: Path, changes: Sequence[str]) -> str:
    """The folder of the checkpoint, trained unless it is there; a training that was stopped goes on."""
    if not (folder / "checkpoint" / "config.json").exists():
        resume = ["--resume"] if (folder / "state").exists() else []
        _listeval("train", stage, "tiny", *changes, f"data={data}", "save_every=20", "--out", str(folder), *resume)
    return str(folder / "checkpoint")


def _trained(
    out: Path, data: Path, pair: Pair, lam: float, steps: int, seed: int, options: argparse.Namespace
) -> dict[str, Any]:
    """How a student trained at λ keeps the contract on the held-out groups."""
    folder = out / f"{pair.name}-{options.objective}-{lam:g}-{steps}-{seed}"
    changes = [
        f"opd.student={pair.base}",
        f"opd.teacher={pair.teacher}",
        f"opd.extrapolation.value={lam}",
        f"opd.steps={steps}",
        f"opd.objective.divergence={'rkl' if options.objective == 'exact' else 'sampled'}",
        f"seed={seed}",
    ]
    checkpoint = _train("opd", folder, data, changes)
    words = ["--task", "fashion", "--set", "k=8", "--data", str(data), "--limit", str(options.groups)]
    told = _listeval("run", "--model", checkpoint, *words, "--json", "--quiet", "--out", str(folder / "run"))
    answer: dict[str, Any] = json.loads(told)
    return answer


def _curve(
    out: Path, data: Path, pair: Pair, floor: float, lams: Sequence[float], groups: int
) -> dict[float, dict[str, Any]]:
    """Parse rate, its interval and the kinds of failure by λ."""
    path = out / f"curve-{pair.name}-{floor:g}.json"
    if not path.exists():
        words = ["--teacher", pair.teacher, "--base", pair.base, "--task", "fashion", "--set", "k=8", "--curve"]
        grid = ",".join(f"{lam:g}" for lam in sorted({1.0, *lams}))
        words += ["--data", str(data), "--limit", str(groups), "--lambdas", grid, "--floor", str(floor)]
        _listeval("probe", *words, "--on", "gold", "--bootstrap", "1000", "--out", str(path), "--quiet")
    points = json.loads(path.read_bytes())["curve"]["points"]
    return {point["lambda"]: point["metrics"]["parse_rate"] | {"kinds": point["kinds"]} for point in points}


def _listeval(*words: str) -> str:
    paths = [str(HERE / "planted"), os.environ.get("LISTEVAL_PATH", "")]
    env = os.environ | {"LISTEVAL_PATH": os.pathsep.join(path for path in paths if path)}
    command = [sys.executable, "-m", "listeval", *words]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=env).stdout


def _line(
    pair: Pair, lam: float, steps: int, seed: int, trained: dict[str, Any], curves: dict[float, dict[float, Any]]
) -> dict[str, Any]:
    return {
        "pair": pair.name,
        "lambda": lam,
        "steps": steps,
        "seed": seed,
        "trained": trained["parse_rate"],
        "kinds": {name: n for name, n in trained["kinds"].items() if n},
        "curves": {f"{floor:g}": curve[lam] for floor, curve in curves.items()},
    }


def _said(line: dict[str, Any]) -> str:
    curves = " ".join(f"{floor}:{found['value']:.3f}" for floor, found in line["curves"].items())
    arm = f"{line['pair']} λ={line['lambda']:g} {line['steps']} steps seed {line['seed']}"
    return f"{arm}: trained {line['trained']['value']:.3f}, curves {curves}"


if __name__ == "__main__":
    main()
