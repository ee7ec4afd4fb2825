"""Short words that tell runs apart: of paths their ends, of data their names, of long texts the beginning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from listeval.runs.store import Run

_LONGEST = 40
"""Characters of a value."""
_DIGITS = 6


def ends(paths: Iterable[str]) -> dict[str, str]:
    """Of each path as many of its last names as no other of them ends with: `sft/checkpoint`, `listopd/checkpoint`."""
    parts = {path: PurePath(path).parts or ("",) for path in paths}
    return {path: _end(own, [other for other in parts.values() if other != own]) for path, own in parts.items()}


def _end(own: Sequence[str], others: Sequence[Sequence[str]]) -> str:
    for n in range(1, len(own)):
        if all(other[-n:] != own[-n:] for other in others):
            return str(PurePath(*own[-n:]))
    return str(PurePath(*own))


def data_words(runs: Sequence[Run]) -> list[str]:
    """Of each run what its data is called: the same words for the same examples, others for others."""
    first = [next(iter(run.manifest.data.values())) for run in runs]
    places: dict[str, str] = {}
    for entry in first:
        places.setdefault(entry.fingerprint, entry.source)
    short = ends(places.values())
    words = {fingerprint: short[place] for fingerprint, place in places.items()}
    return [_with_digits(words, entry.fingerprint) for entry in first]


def _with_digits(words: Mapping[str, str], fingerprint: str) -> str:
    own = words[fingerprint]
    return own if list(words.values()).count(own) == 1 else f"{own} ({fingerprint[:_DIGITS]})"


def short(value: object) -> str:
    """Of a long text the beginning, and what tells it from others that begin so."""
    text = " ".join(str(value).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({sha256(text.encode()).hexdigest()[:_DIGITS]})"
