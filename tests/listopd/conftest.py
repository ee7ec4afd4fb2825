"""A tiny task, tiny checkpoints, and training runs on them."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from listopd.recipe import Recipe
from tests.listopd.tiny import CHAT, save, tiny_tokenizer

TASKS = Path(__file__).parent / "tasks"


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Networks this small are slower on several, and far slower on a machine that does something else as well."""
    if find_spec("torch") is not None:
        import torch

        torch.set_num_threads(1)


@pytest.fixture
def pairs(monkeypatch):
    """Makes the task `pairs` known, and gives every test an accelerator of its own."""
    pytest.importorskip("accelerate", reason="needs accelerate")
    from accelerate.state import AcceleratorState, GradientState

    monkeypatch.setenv("LISTEVAL_PATH", str(TASKS))
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """`checkpoint(seed)`: a random Qwen3 with the tiny tokenizer, made once; `chat` is its template."""
    made: dict[str, Path] = {}

    def make(seed: int = 0, scale: float = 0.3, width: int | None = None, chat: str = CHAT) -> str:
        name = f"{seed}-{scale}-{width}-{len(chat)}"
        if name not in made:
            made[name] = save(
                tmp_path_factory.mktemp("model"), tiny_tokenizer(chat), seed=seed, scale=scale, width=width
            )
        return str(made[name])

    return make


@pytest.fixture
def opd_recipe(pairs, checkpoint):
    """`opd_recipe(precision=..., seed=..., **opd)`: two steps of student 0 towards teacher 1, unless said otherwise."""

    def make(*, optimiser=None, shared=None, **opd) -> Recipe:
        section = {
            "student": checkpoint(0),
            "teacher": checkpoint(1),
            "batch": 4,
            "max_tokens": 6,
            "optimiser": {"lr": 1e-2} | (optimiser or {}),
        } | opd
        if not {"steps", "epochs"} & set(opd):
            section["steps"] = 2
        return Recipe.model_validate({"task": "pairs", "opd": section} | (shared or {}))

    return make


@pytest.fixture(scope="session")
def taught(tmp_path_factory):
    """`taught(steps)`: a checkpoint after so many steps on right answers; 40 write most of one."""
    import os
    from unittest.mock import patch

    from listopd.stages import train as run

    folder = tmp_path_factory.mktemp("taught")
    made: dict[int, str] = {}

    def make(steps: int) -> str:
        if steps not in made:
            start = str(save(folder / f"start{steps}", tiny_tokenizer(), scale=0.1))
            section = {"model": start, "steps": steps, "batch": 8, "optimiser": {"lr": 1e-2}}
            recipe = Recipe.model_validate({"task": "pairs", "sft": section})
            with patch.dict(os.environ, {"LISTEVAL_PATH": str(TASKS)}):
                made[steps] = str(run(recipe, "sft", folder / f"run{steps}", lambda *_: None))
        return made[steps]

    return make


class Trained:
    """A finished training: its folder, the lines of its log and its weights."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
        self.manifest = json.loads((out / "manifest.json").read_text())

    @property
    def weights(self):
        return weights_in(self.out / "checkpoint")

    @property
    def figures(self):
        """The log without what depends on the machine's speed."""
        timed = ("seconds", "tokens_per_s", "times_floor")
        return [{k: v for k, v in line.items() if not k.startswith(timed)} for line in self.log]


def weights_in(folder):
    from safetensors.torch import load_file

    return load_file(str(Path(folder) / "model.safetensors"))


@pytest.fixture
def train(tmp_path):
    """`train(recipe)` in a directory of its own, which is given back as `Trained`."""
    from listopd.stages import train as run

    count = iter(range(1000))

    def go(recipe, stage="opd", out=None, resume=False, report=lambda *_: None) -> Trained:
        out = out or tmp_path / f"run{next(count)}"
        run(recipe, stage, out, report, resume=resume)
        return Trained(out)

    return go
