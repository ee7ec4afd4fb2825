"""Whether a task's version was raised when its prompts changed.

`version.json` beside the task's code holds, for each task there, the last version checked and
a hash of its prompts over the bundled sample. It is committed with the plug-in.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import to_json

from listeval.disk import write_atomic
from listeval.errors import UserError
from listeval.plugins.check import CheckResult, CheckState
from listeval.task import Task

FILE = "version.json"


class RecordedVersion(BaseModel):
    """One task's last checked version; `prompts` is a sha256 in hex."""

    model_config = ConfigDict(extra="forbid")

    version: int
    prompts: str


_RECORDS = TypeAdapter(dict[str, RecordedVersion])


def record_version(task: Task, folder: Path | None, *, sound: bool = True) -> CheckResult:
    """Compare the prompts of the bundled sample with those recorded; a new version of a `sound` task is recorded.

    `folder` is where the task's code is, None where that is unknown. Raises UserError where
    `version.json` is damaged or cannot be written.
    """
    if folder is None:
        return CheckResult("version", CheckState.SKIPPED, "the folder of the task's code is unknown")
    file, now = folder / FILE, RecordedVersion(version=task.version, prompts=_prompts(task))
    known = _read(file)
    before = known.get(task.name)
    if before == now:
        return CheckResult("version", CheckState.OK, f"version {now.version}, prompts unchanged")
    if before and before.version == now.version:
        text = f"the prompts (or the sample) changed, the version is still {now.version}: raise it in the task's code"
        return CheckResult("version", CheckState.FAILED, text)
    if before and before.version > now.version:
        return CheckResult(
            "version", CheckState.FAILED, f"version {now.version} is below the {before.version} in {FILE}"
        )
    if not sound:
        return CheckResult("version", CheckState.SKIPPED, f"version {now.version} is recorded once all checks pass")
    write_atomic(file, _RECORDS.dump_json({**known, task.name: now}, indent=1) + b"\n")
    return CheckResult("version", CheckState.OK, f"version {now.version} recorded in {FILE}")


def _read(file: Path) -> dict[str, RecordedVersion]:
    if not file.exists():
        return {}
    try:
        return _RECORDS.validate_json(file.read_bytes())
    except ValidationError as error:
        cause = f"not a version record: {error.errors()[0]['msg']}"
        raise UserError(cause, place=str(file), fix="delete it and check again") from None


def _prompts(task: Task) -> str:
    """What the default options ask on the bundled sample."""
    examples = type(task)().load(None, 0).examples
    return sha256(to_json([[example.id, example.messages] for example in examples])).hexdigest()
