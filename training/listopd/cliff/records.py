"""An arm's directory: what every runner writes there, and how it is read back.

arm.json              the arm's specification
state*                what a resume goes on from, in the runner's own form; may be removed once the arm is finished
log.jsonl             one line an optimiser step: step, parse_rate, fmc, kinds, reverse_kl, and by token class p, b,
                      theta (mean probability of the modal token under teacher, base, student) and clipped
outcomes-000042.jsonl the held-out answers after 42 steps as the harness judged them, one line a prompt
done.json             written last: the arm is finished; `manifest` says what the numbers depend on
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import TypeAdapter

from listeval.disk import read_regular, write_atomic
from listeval.errors import UserError, first_line

if TYPE_CHECKING:
    from listopd.cliff.arms import ArmSpec

OK, ENGINE_ERROR = "ok", "engine_error"
_SPEC, _LOG, _DONE = "arm.json", "log.jsonl", "done.json"


class AnswerOutcome(NamedTuple):
    """One held-out answer as the harness judged it."""

    prompt: str
    """The same key for the same prompt in every arm of a pair, whatever its seed."""
    kind: str
    """`listeval.contract.Kind`: "ok" where the contract is kept."""
    fmc: bool = False
    """All ids real and different, and exactly one is missing."""
    useful: float | None = None
    """Useful NDCG@1, 0 for a failure; None where it is undefined."""
    cluster: str = ""
    """Prompts that belong together, such as those of one product; empty: it stands alone."""
    example: str = ""
    """A failed answer's text, shortened; may be left empty."""

    @property
    def parsed(self) -> bool:
        """Whether the contract was kept."""
        return self.kind == OK

    @property
    def known(self) -> bool:
        """An engine's failure says nothing of the model."""
        return self.kind != ENGINE_ERROR


_OUTCOME = TypeAdapter(AnswerOutcome)
"""What comes back from a file is checked: the folder may be somebody else's."""


def begin(folder: Path, arm: ArmSpec) -> None:
    """Make an arm's directory and note what it is for. Raises UserError where it stands for another arm."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / _SPEC
        if file.exists() and json.loads(file.read_text(encoding="utf-8")) != arm.to_json():
            raise UserError("the directory belongs to another arm", place=str(folder), fix="move it away")
        write_atomic(file, (json.dumps(arm.to_json(), indent=1) + "\n").encode())
    except (OSError, ValueError) as error:
        raise UserError(f"the arm cannot begin: {first_line(error)}", place=str(folder), fix="move it away") from None


def log_file(folder: Path) -> Path:
    """Where the steps of an arm are logged, a JSON object a line."""
    return folder / _LOG


def write_outcomes(folder: Path, steps: int, outcomes: Iterable[AnswerOutcome]) -> None:
    """The held-out answers after `steps` steps, complete or absent."""
    lines = "".join(json.dumps(outcome._asdict(), ensure_ascii=False) + "\n" for outcome in outcomes)
    write_atomic(_outcomes_file(folder, steps), lines.encode(errors="replace"))


def read_outcomes(folder: Path, steps: int) -> list[AnswerOutcome]:
    """What `write_outcomes` wrote. Raises UserError for a file that is absent or damaged."""
    file = _outcomes_file(folder, steps)
    try:
        return [_OUTCOME.validate_json(line) for line in read_regular(file).splitlines()]
    except (OSError, ValueError) as error:
        cause = f"the answers after {steps} steps cannot be read: {first_line(error)}"
        raise UserError(cause, place=str(file), fix="delete the arm's done.json and sweep again") from None


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The steps in order; a line that a kill tore is left out, and of a step that was trained again the last counts."""
    try:
        lines = log_file(folder).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    found: dict[int, dict[str, Any]] = {}
    for line in lines:
        try:
            value = json.loads(line)
            found[int(value["step"])] = value
        except (ValueError, KeyError, TypeError):
            continue
    return [found[step] for step in sorted(found)]


def finish(folder: Path, arm: ArmSpec, manifest: Mapping[str, Any]) -> None:
    """Say that an arm is finished: all its answers are written. Raises UserError where some are not."""
    for steps in arm.budgets:
        read_outcomes(folder, steps)
    value = {"arm": arm.digest, "manifest": dict(manifest)}
    write_atomic(folder / _DONE, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())


def manifest_of(folder: Path, arm: ArmSpec) -> dict[str, Any] | None:
    """The manifest of a finished arm, None of one that is not. Raises UserError for another arm's or a damaged one."""
    file = folder / _DONE
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
        owner, manifest = value["arm"], dict(value["manifest"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        cause = f"the arm's end cannot be read: {first_line(error)}"
        raise UserError(cause, place=str(file), fix="delete it and sweep again") from None
    if owner != arm.digest:
        raise UserError("this is the end of another arm", place=str(file), fix="move the directory away")
    return manifest


def is_done(folder: Path, arm: ArmSpec) -> bool:
    """Whether an arm is finished. Raises UserError as `manifest_of`."""
    return manifest_of(folder, arm) is not None


def unfinished(arms: Sequence[ArmSpec], out: Path) -> list[ArmSpec]:
    """Those that are still to be trained or evaluated. Raises UserError as `manifest_of`."""
    return [arm for arm in arms if not is_done(out / arm.id, arm)]


def _outcomes_file(folder: Path, steps: int) -> Path:
    return folder / f"outcomes-{steps:06d}.jsonl"
