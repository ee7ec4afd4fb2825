"""The run directory of a training: recipe, manifest, a log line a step, states to resume from, the checkpoint.

recipe.yaml     resolved, with nulls; `listeval train STAGE DIR` repeats the run from it
manifest.json   what the numbers depend on: models, data, objective, versions, hardware
log.jsonl       one line an optimiser step
state/          weights, optimiser, λ: what `--resume` goes on from, in any number of processes
checkpoint/     the trained model
adapter/        what was trained alone, as peft keeps it, where the recipe says `lora`
checkpoints/    step-000014, ...: the model on the way, where the recipe says `keep_every`, and at an earlier end of a
                training that was given more steps (its adapter in adapters/)
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from listeval.disk import make_directory, write_atomic
from listeval.errors import UserError, first_line
from listopd import state as states
from listopd.state_tensors import load_tensors, save_tensors

if TYPE_CHECKING:
    from listopd.extrapolation import LambdaPolicy
    from listopd.recipe import Recipe, Stage
    from listopd.trainee import Trainee

_LOGGER = logging.getLogger(__name__)
_LOG, _STATE, _OLD_STATE, _NEW_STATE = "log.jsonl", "state", ".state.old", ".state.new"
_NOT_IDENTITY = {"save_every": True, "keep_every": True, "trackers": True}
_LENGTH = {"steps": True, "epochs": True}


class Journal:
    """Writes one run directory; only the main process writes."""

    def __init__(self, out: Path, recipe: Recipe, stage: Stage, policy: LambdaPolicy | None = None) -> None:
        self.out, self.recipe, self.stage, self.policy = out, recipe, stage, policy
        self.log, self.state, self.checkpoint = out / _LOG, out / _STATE, out / "checkpoint"
        self.adapter = out / "adapter"
        self._steps = 0
        self._trainee: Trainee | None = None
        self._inputs: dict[str, str] = {}
        self._clock: str | None = None

    def begin(self, trainee: Trainee, manifest: Mapping[str, Any], *, resume: bool) -> int:
        """Open the directory and give the step to go on from, 0 for a fresh run.

        Raises UserError for a directory that cannot be made or written, and for a resume without a state that fits.
        """
        self._trainee, accelerator = trainee, trainee.accelerator
        self._inputs, self._steps = inputs_of(manifest), int(manifest["steps"])
        self._clock = manifest.get("clock")
        saved = self._resumed(trainee) if resume else None
        done = saved.step if saved is not None else 0
        if accelerator.is_main_process:
            make_directory(self.out)
            _sweep(self.out)
            with _writing("the run directory", self.out):
                if saved is not None:
                    self._set_aside(saved.steps)
                text = yaml.safe_dump(self.recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
                write_atomic(self.out / "recipe.yaml", text.encode())
                self._write_manifest(manifest, done)
                self._cut_log(done)
        accelerator.wait_for_everyone()
        if self.recipe.trackers:
            accelerator.init_trackers("listopd", config={"stage": self.stage})
        return done

    def write(self, step: int, figures: Mapping[str, Any]) -> None:
        """Append the figures of optimiser step `step` (from 1)."""
        accelerator = self._begun.accelerator
        if accelerator.is_main_process:
            with _writing("the log", self.log), self.log.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({"step": step, **figures}) + "\n")
        if self.recipe.trackers:
            flat = {name: value for name, value in figures.items() if isinstance(value, int | float)}
            accelerator.log(flat, step=step)

    def save_state(self, step: int) -> None:
        """Replace the resumable state by the present one, never leaving none.

        Raises UserError where it cannot be written; the state before it is kept.
        """
        trainee, accelerator = self._begun, self._begun.accelerator
        fresh = self.out / _NEW_STATE
        if accelerator.is_main_process:
            shutil.rmtree(fresh, ignore_errors=True)
        accelerator.wait_for_everyone()
        try:
            save_tensors(fresh, trainee)
            if accelerator.is_main_process:
                policy = self.policy.state_dict() if self.policy is not None else {}
                saved = states.SavedState(step, self._steps, self._identity(), self._inputs, policy, self._clock)
                states.seal(fresh, saved)
                self._replace_state(fresh)
        except Exception as error:  # torch and safetensors have errors of their own for a full disk
            raise self._unsaved(step, error) from error
        accelerator.wait_for_everyone()

    def kept(self, step: int) -> Path:
        """The folder of the checkpoint on the way, after optimiser step `step`."""
        return self.out / "checkpoints" / f"step-{step:06d}"

    def write_checkpoint(self, folder: Path, write: Callable[[Path], None]) -> None:
        """A folder that `write` fills, complete or absent. Raises UserError where it cannot be written."""
        fresh = folder.with_name(f".{folder.name}.new")
        try:
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(parents=True)
            write(fresh)
            shutil.rmtree(folder, ignore_errors=True)
            fresh.rename(folder)
        except Exception as error:  # safetensors has errors of its own for a full disk
            shutil.rmtree(fresh, ignore_errors=True)
            cause = f"the checkpoint cannot be written: {first_line(error)}"
            raise UserError(cause, place=str(folder), fix=self.resume_advice("free disk space")) from error

    def resume_advice(self, advice: str) -> str:
        """`advice`, and where a later run would go on from, if anywhere."""
        if not has_state(self.out):
            return f"{advice}, and begin anew: no state was saved (see save_every)"
        return f"{advice}; --resume goes on from the last state"

    def _unsaved(self, step: int, error: Exception) -> UserError:
        shutil.rmtree(self.out / _NEW_STATE, ignore_errors=True)
        cause = f"the state of step {step} cannot be saved: {first_line(error)}"
        return UserError(cause, place=str(self.out), fix=self.resume_advice("free disk space"))

    def _replace_state(self, fresh: Path) -> None:
        old = self.out / _OLD_STATE
        shutil.rmtree(old, ignore_errors=True)
        if self.state.exists():
            self.state.rename(old)
        fresh.rename(self.state)
        shutil.rmtree(old, ignore_errors=True)

    def end(self) -> None:
        """Close the trackers, and the connection between processes."""
        if self._trainee is not None:
            self._trainee.accelerator.end_training()

    @property
    def _begun(self) -> Trainee:
        assert self._trainee is not None, "a journal begins before it is written"
        return self._trainee

    def _resumed(self, trainee: Trainee) -> states.SavedState:
        old, accelerator = self.out / _OLD_STATE, trainee.accelerator
        if accelerator.is_main_process and self.state.exists():
            shutil.rmtree(old, ignore_errors=True)
        elif accelerator.is_main_process and old.exists():
            old.rename(self.state)
        accelerator.wait_for_everyone()
        if not self.state.is_dir():
            fix = "start without --resume, in another --out (save_every says how often states are saved)"
            raise UserError("there is no state to resume from", place=str(self.out), fix=fix)
        saved = states.unseal(self.state)
        self._check_fits(saved)
        try:
            load_tensors(self.state, trainee)
        except Exception as error:  # whatever torch raises for a state of another shape
            cause = f"the state cannot be loaded: {first_line(error)}"
            raise UserError(cause, place=str(self.state), fix="start without --resume, in another --out") from error
        if self.policy is not None:
            self.policy.load_state_dict(saved.policy)
        return saved

    def _check_fits(self, saved: states.SavedState) -> None:
        """Raises UserError unless going on from `saved` gives what one run would have given."""
        place = str(self.out)
        if saved.recipe != self._identity():
            changed = ", ".join(_changed(saved.recipe, self._identity()))
            cause = f"the recipe is not the one that the state was trained by ({changed})"
            raise UserError(cause, place=place, fix="undo the change")
        # States of an earlier version do not know the curve, but the first manifest does.
        known = inputs_of(_manifest_in(self.out)) | saved.inputs
        inputs = [name for name, value in self._inputs.items() if known.get(name) != value]
        if inputs:
            cause = f"the state was trained with another {', '.join(inputs)}"
            raise UserError(cause, place=place, fix="put the old one back")
        section = self.recipe.section(self.stage, place)
        if self._steps != saved.steps and section.optimiser.schedule != "constant":
            cause = (
                f"a {section.optimiser.schedule} schedule of {saved.steps} steps has other learning rates than one of"
                f" {self._steps}, also in the steps that are done"
            )
            raise UserError(cause, place=place, fix="keep the number of steps, or train with schedule: constant")
        if self._steps < saved.step:
            cause = f"{saved.step} steps are trained already, more than {self._steps}"
            raise UserError(cause, place=place, fix="ask for as many steps or more")

    def _identity(self) -> dict[str, Any]:
        """What a resumed run must share with its past: all of the recipe but how long it goes on and what it writes."""
        found = self.recipe.model_dump(mode="json", exclude={**_NOT_IDENTITY, self.stage: _LENGTH})
        # As it comes back from a file.
        identity: dict[str, Any] = json.loads(json.dumps(found))
        return identity

    def _set_aside(self, planned: int) -> None:
        """Move what the training wrote at an earlier end to where the name says after how many steps.

        The manifest is about to say another number. `planned` is the state's, for a manifest that is gone.
        """
        before = _manifest_in(self.out).get("steps", planned)
        if before == self._steps or not isinstance(before, int):
            return
        places = (self.checkpoint, self.kept(before)), (self.adapter, self.out / "adapters" / self.kept(before).name)
        for written, kept in places:
            if written.is_dir():
                shutil.rmtree(kept, ignore_errors=True)
                kept.parent.mkdir(exist_ok=True)
                written.rename(kept)
                _LOGGER.warning("%s is of step %d, and lies in %s now", written, before, kept)

    def _write_manifest(self, manifest: Mapping[str, Any], done: int) -> None:
        """Of a resumed run the first manifest stays, with the number of steps that there are to be now."""
        file = self.out / "manifest.json"
        kept = dict(manifest)
        if done and file.exists():
            try:
                kept = {**json.loads(file.read_text(encoding="utf-8")), "steps": manifest["steps"]}
            except ValueError as error:
                cause = f"the manifest is damaged: {first_line(error)}"
                fix = "delete it, and it is written anew"
                raise UserError(cause, place=str(file), fix=fix) from None
        write_atomic(file, (json.dumps(kept, indent=2, ensure_ascii=False) + "\n").encode())

    def _cut_log(self, done: int) -> None:
        """Drop lines of steps after the state; they are trained again."""
        if not self.log.exists():
            self.log.touch()
            return
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        kept = [line for line in lines if _step_of(line) <= done]
        write_atomic(self.log, "".join(line + "\n" for line in kept).encode())


def check_out(out: Path) -> None:
    """Raises UserError unless a fresh run may be written to `out`; before anything is loaded."""
    file = next((path for path in (out, *out.parents) if path.exists() and not path.is_dir()), None)
    if file is not None:
        raise UserError("a file stands where the run directory should be", place=str(file), fix="another --out")
    log = out / _LOG
    if log.exists() and log.stat().st_size:
        fix = "--resume to go on, or another --out" if has_state(out) else "another --out, or delete the directory"
        raise UserError("the directory holds a training already", place=str(out), fix=fix)


def has_state(out: Path) -> bool:
    """Whether `--resume` has something to go on from."""
    return (out / _STATE).exists() or (out / _OLD_STATE).exists()


def recorded_clock(out: Path) -> datetime | None:
    """The clock of the training in `out`: as its state or its manifest says, else when it began; None if none does."""
    manifest = _manifest_in(out)
    for told in (*(states.told_clock(out / name) for name in (_STATE, _OLD_STATE)), manifest.get("clock")):
        if found := _time(told):
            return found
    began = _time(manifest.get("created"))
    return began and began.astimezone()


def _time(told: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(told))
    except ValueError:
        return None


def _manifest_in(out: Path) -> Mapping[str, Any]:
    """What the manifest says; nothing where it cannot be read, which whoever writes it anew is told of."""
    try:
        found = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def inputs_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Fingerprints of what a run reads besides its recipe: models by role, data, the task's code, a target curve."""
    models = {role: model["fingerprint"] for role, model in manifest.get("models", {}).items() if model}
    data, task, curve = (manifest.get(name) or {} for name in ("data", "task", "curve"))
    found = models | {"data": str(data.get("fingerprint")), "task code": str(task.get("code"))}
    # Where its file lies is the recipe's to say.
    said = json.dumps({name: value for name, value in curve.items() if name != "place"}, sort_keys=True)
    return found | ({"target curve": sha256(said.encode()).hexdigest()} if curve else {})


def _sweep(out: Path) -> None:
    """Remove what a killed write left behind: half a state, half a checkpoint, a file under its temporary name."""
    files = [f".{name}.*" for name in ("recipe.yaml", "manifest.json", _LOG)]
    for pattern in (_NEW_STATE, ".checkpoint.new", ".adapter.new", "checkpoints/.*.new", *files):
        for left in out.glob(pattern):
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


@contextmanager
def _writing(what: str, place: Path) -> Iterator[None]:
    """A full disk, or one that may not be written, is one line."""
    try:
        yield
    except OSError as error:
        cause = f"{what} cannot be written: {error.strerror}"
        raise UserError(cause, place=str(place), fix="free disk space, or another --out") from None


def _changed(before: Mapping[str, Any], now: Mapping[str, Any], path: str = "") -> list[str]:
    """The dotted paths of what differs."""
    found: list[str] = []
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            found += _changed(old, new, f"{path}{name}.")
        elif old != new:
            found.append(f"{path}{name}")
    return found


def _step_of(line: str) -> int:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        # A line torn by a kill; its step is trained again.
        return 1 << 62
