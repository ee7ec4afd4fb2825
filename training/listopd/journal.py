"""The run directory of a training: recipe, manifest, a log line a step, states to resume from, the checkpoint.

recipe.yaml     resolved, with nulls; `listeval train STAGE DIR` repeats the run from it
manifest.json   what the numbers depend on: models, data, objective, versions, hardware
log.jsonl       one line an optimiser step
state/          weights, optimiser, random numbers, λ: what `--resume` goes on from
checkpoint/     the trained model
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from listeval.errors import UserError, first_line

if TYPE_CHECKING:
    from accelerate import Accelerator

    from listopd.recipe import Recipe

_LOG, _STATE, _OLD_STATE, _STEP = "log.jsonl", "state", ".state.old", "step.json"


class Journal:
    """Writes one run directory; only the main process writes."""

    def __init__(self, out: Path, recipe: Recipe, stage: str) -> None:
        self.out, self.recipe, self.stage = out, recipe, stage
        self.log, self.state, self.checkpoint = out / _LOG, out / _STATE, out / "checkpoint"
        self._accelerator: Accelerator | None = None
        self._inputs: dict[str, str] = {}

    def begin(self, accelerator: Accelerator, manifest: Mapping[str, Any], *, resume: bool) -> int:
        """Open the directory and give the step to go on from, 0 for a fresh run.

        Raises UserError for a directory that cannot be made, and for a resume without a state that fits.
        """
        self._accelerator = accelerator
        self._inputs = inputs_of(manifest)
        done = self._resumed(accelerator) if resume else 0
        if accelerator.is_main_process:
            make_directory(self.out)
            text = yaml.safe_dump(self.recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
            (self.out / "recipe.yaml").write_text(text, encoding="utf-8")
            if not resume:
                content = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
                (self.out / "manifest.json").write_text(content, encoding="utf-8")
            self._cut_log(done)
        accelerator.wait_for_everyone()
        if self.recipe.trackers:
            accelerator.init_trackers("listopd", config={"stage": self.stage})
        return done

    def write(self, step: int, figures: Mapping[str, Any]) -> None:
        """Append the figures of optimiser step `step` (from 1)."""
        assert self._accelerator is not None, "a journal begins before it is written"
        if self._accelerator.is_main_process:
            with self.log.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({"step": step, **figures}) + "\n")
        if self.recipe.trackers:
            flat = {name: value for name, value in figures.items() if isinstance(value, int | float)}
            self._accelerator.log(flat, step=step)

    def save_state(self, step: int) -> None:
        """Replace the resumable state by the present one, never leaving none."""
        assert self._accelerator is not None, "a journal begins before it is written"
        fresh, old = self.out / ".state.new", self.out / _OLD_STATE
        if self._accelerator.is_main_process:
            shutil.rmtree(fresh, ignore_errors=True)
        self._accelerator.wait_for_everyone()
        self._accelerator.save_state(str(fresh), safe_serialization=True)
        # Every process writes its random numbers there.
        self._accelerator.wait_for_everyone()
        if self._accelerator.is_main_process:
            (fresh / _STEP).write_text(
                json.dumps({"step": step, "recipe": self._identity(), "inputs": self._inputs}), "utf-8"
            )
            shutil.rmtree(old, ignore_errors=True)
            if self.state.exists():
                self.state.rename(old)
            fresh.rename(self.state)
            shutil.rmtree(old, ignore_errors=True)
        self._accelerator.wait_for_everyone()

    def end(self) -> None:
        """Close the trackers, and the connection between processes."""
        if self._accelerator is not None:
            self._accelerator.end_training()

    def _resumed(self, accelerator: Accelerator) -> int:
        old = self.out / _OLD_STATE
        if accelerator.is_main_process and not self.state.exists() and old.exists():
            old.rename(self.state)
        accelerator.wait_for_everyone()
        file = self.state / _STEP
        if not file.exists():
            raise UserError(
                "there is no state to resume from", place=str(self.out), fix="start without --resume, in another --out"
            )
        saved = _saved(file)
        if saved["recipe"] != self._identity():
            raise UserError(
                "the recipe is not the one that the state was trained by", place=str(self.out), fix="undo the change"
            )
        changed = [name for name, value in self._inputs.items() if saved["inputs"].get(name) != value]
        if changed:
            raise UserError(
                f"the state was trained with another {', '.join(changed)}",
                place=str(self.out),
                fix="put the old one back",
            )
        accelerator.load_state(str(self.state))
        return int(saved["step"])

    def _identity(self) -> dict[str, Any]:
        """What a resumed run must share with its past: all of the recipe but where and how often it is written."""
        return self.recipe.model_dump(mode="json", exclude={"save_every", "trackers"})

    def _cut_log(self, done: int) -> None:
        """Drop lines of steps after the state; they are trained again."""
        if not self.log.exists():
            self.log.touch()
            return
        kept = [line for line in self.log.read_text(encoding="utf-8").splitlines() if _step_of(line) <= done]
        self.log.write_text("".join(line + "\n" for line in kept), encoding="utf-8")


def check_out(out: Path) -> None:
    """Raises UserError unless a fresh run may be written to `out`; before anything is loaded."""
    file = next((path for path in (out, *out.parents) if path.exists() and not path.is_dir()), None)
    if file is not None:
        raise UserError("a file stands where the run directory should be", place=str(file), fix="another --out")
    log = out / _LOG
    if log.exists() and log.stat().st_size:
        saved = (out / _STATE).exists() or (out / _OLD_STATE).exists()
        fix = "--resume to go on, or another --out" if saved else "another --out, or delete the directory"
        raise UserError("the directory holds a training already", place=str(out), fix=fix)


def make_directory(out: Path) -> None:
    """Raises UserError where the directory cannot be made."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        cause = f"the run directory cannot be made: {error.strerror}"
        raise UserError(cause, place=str(out), fix="another --out") from None


def inputs_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Fingerprints of what a run reads besides its recipe: models by role, data, the task's code."""
    models = {role: model["fingerprint"] for role, model in manifest.get("models", {}).items() if model}
    data, task = manifest.get("data", {}), manifest.get("task", {})
    return models | {"data": str(data.get("fingerprint")), "task code": str(task.get("code"))}


def _saved(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return {name: content[name] for name in ("step", "recipe", "inputs")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        cause = f"the state cannot be read: {first_line(error)}"
        raise UserError(cause, place=str(file), fix="start without --resume, in another --out") from None


def _step_of(line: str) -> int:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        # A line torn by a kill; its step is trained again.
        return 1 << 62
