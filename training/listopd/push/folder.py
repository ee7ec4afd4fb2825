"""The folder that goes to the hub: the files of a checkpoint and nothing else, the training's record, and the card."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import yaml

from listeval.disk import write_atomic
from listeval.errors import UserError
from listeval.export.hub_upload import Repository, check_name, fresh_folder, place_file, push
from listopd.push.card import CardDetails, check_runs, make_card
from listopd.push.origin import Origin
from listopd.push.training_facts import portable

if TYPE_CHECKING:
    from listeval.runs.store import Run

_PARTS = (
    "config.json", "generation_config.json", "*.safetensors", "*.safetensors.index.json", "tokenizer*", "vocab*",
    "merges.txt", "special_tokens_map.json", "added_tokens.json", "*.jinja", "*.model", "*.tiktoken", "tekken.json",
    "*processor_config.json", "LICENSE*", "NOTICE*",
)  # fmt: skip
"""What belongs to a checkpoint. Anything else in its folder may be private and stays where it is."""
_RECORD = ("README.md", "recipe.yaml", "training.json")


class PushResult(NamedTuple):
    """Where it went, as an address or a folder, and which files of the checkpoint's folder did not."""

    place: str
    left_out: list[str]


def push_checkpoint(
    origin: Origin, runs: Sequence[Run], said: CardDetails, *, private: bool = False, dry_run: Path | None = None
) -> PushResult:
    """Upload checkpoint, record and card in one commit; with `dry_run` write that folder instead and send nothing.

    Raises UserError for what is no name of a repository, for a run that is not of this checkpoint, and as `push` does.
    """
    check_name(said.repository, "OWNER/NAME")
    if said.base is not None:
        check_name(said.base, "--base", "model of the hub")
    check_runs(origin, runs)
    card = re.sub(r"\n{3,}", "\n\n", str(make_card(origin, runs, said)).rstrip()) + "\n"
    files = list(_files(origin.checkpoint))
    others = {file.name for file in origin.checkpoint.iterdir()} - {file.name for file in files} - {*_RECORD}
    if dry_run is not None:
        _fill(fresh_folder(dry_run), files, origin, card, copied=True)
        return PushResult(str(dry_run), sorted(others))
    with TemporaryDirectory(prefix="listeval-") as made:
        _fill(Path(made), files, origin, card, copied=False)
        place = push(Path(made), Repository(said.repository, "model", private), _message(origin, runs))
    return PushResult(place, sorted(others))


def _files(checkpoint: Path) -> Iterator[Path]:
    """Raises UserError for a link that leads out of the folder: it could send a file that nobody meant to show."""
    for file in sorted({file for pattern in _PARTS for file in checkpoint.glob(pattern)}):
        if not file.is_file():
            continue
        if file.is_symlink() and not _ours(file, checkpoint):
            cause = "a link that leads out of the checkpoint is not uploaded"
            raise UserError(cause, place=str(file), fix="put the file itself there")
        yield file


def _ours(link: Path, checkpoint: Path) -> bool:
    """Whether a link stays in the folder, or in the same repository of the hub's own cache."""
    inside = checkpoint.resolve()
    cached = inside.parent.parent if inside.parent.name == "snapshots" else inside
    return link.resolve().is_relative_to(cached)


def _fill(folder: Path, files: Sequence[Path], origin: Origin, card: str, *, copied: bool) -> None:
    for file in files:
        place_file(file, folder / file.name, copied=copied)
    if origin.manifest:
        recipe = yaml.safe_dump(portable(origin.recipe), sort_keys=False, allow_unicode=True)
        write_atomic(folder / "recipe.yaml", recipe.encode())
        record = json.dumps(portable(origin.manifest), indent=2, ensure_ascii=False)
        write_atomic(folder / "training.json", record.encode() + b"\n")
    write_atomic(folder / "README.md", card.encode())


def _message(origin: Origin, runs: Sequence[Run]) -> str:
    stage = str(origin.manifest.get("stage") or "checkpoint")
    return f"Upload by listeval: {stage}, {len(runs)} evaluation{'s' * (len(runs) != 1)} on its card"
