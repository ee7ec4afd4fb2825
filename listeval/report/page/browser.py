"""The data of the sample browser: an index of all samples, and as many of their texts as a page has room for.

The index is what filters and sorts: kinds, scores, flags and tokens of every row. Texts are packed in blocks of samples
that the page unpacks when it shows them: the answers of the samples that matter most first, then prompts. What has no
room is counted, and the page says so. Blocks are JSON, compressed (raw deflate) and in base64.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from listeval.contract import Flag, Kind
from listeval.report.page.kind_groups import GROUPS
from listeval.report.page.samples import RightAnswer, Samples, by_importance
from listeval.runs.figures.row_table import ABSENT, KINDS, RowTable
from listeval.visible import visible

if TYPE_CHECKING:
    from listeval.runs.stored_row import StoredRow

ROOM = 4_300_000
"""Characters of all blocks, so that a page stays below 5 MB."""
_BLOCK = 128
"""Samples in a block."""
_TEXT, _PROMPT, _AROUND = 8_000, 8_000, 600
"""Characters of an answer and of a prompt that a page has at most, and those before a fault beyond that."""
_PROMPTS = 0.2
"""The share of the room that is kept for prompts while not all of them are in."""
_ABSENT = "~"
_MEANING = {kind.value: kind.meaning for kind in Kind}
_FLAGS = [flag.value for flag in Flag]


class Browser(NamedTuple):
    """`head` is small and plain; `blocks` are packed: the index, then texts, then prompts."""

    head: dict[str, Any]
    blocks: list[str]
    total: int
    answers: int
    """Samples whose answers are on the page."""
    prompts: int
    """Samples whose prompt is on the page."""
    cut: int
    """Texts that were shortened."""


def browser(samples: Samples, room: int = ROOM) -> Browser:
    """What the page's script reads. The same samples give the same bytes."""
    order = by_importance(samples)
    metrics = list(dict.fromkeys(name for table in samples.tables for name in table.scores))
    packed = [_pack(_index(samples, metrics))]
    left = room - len(packed[0])
    clip = _Clip()
    texts, left = _fill(order, left, lambda place: _answers(samples, place, clip), spare=int(left * _PROMPTS))
    shown = [place for block in texts for place in block.places]
    prompts, _ = _fill(shown, left, lambda place: _prompts(samples, place, clip), spare=0)
    head = {
        "arms": [visible(name) for name in samples.names],
        "paths": [visible(path) for path in samples.paths],
        "kinds": list(KINDS),
        "flags": _FLAGS,
        "groups": {name: [kind.value for kind in kinds] for name, (_, kinds) in GROUPS.items()},
        "metrics": metrics,
        "paired": samples.paired,
        "ranked": samples.ranked,
        "texts": [block.places for block in texts],
        "prompts": [block.places for block in prompts],
        "asked": _unlike_prompts(samples, [place for block in prompts for place in block.places]),
    }
    blocks = packed + [block.data for block in texts + prompts]
    asked = sum(len(block.places) for block in prompts)
    return Browser(head, blocks, len(order), len(shown), asked, clip.cut)


class _Filled(NamedTuple):
    places: list[int]
    data: str


def _fill(places: Sequence[int], room: int, read: Callable[[int], Any], *, spare: int) -> tuple[list[_Filled], int]:
    """Blocks of what `read` says of each place, in order, while there is room beyond `spare`; what is left of it."""
    found: list[_Filled] = []
    at, size = 0, _BLOCK
    while at < len(places):
        own = list(places[at : at + size])
        data = _pack([read(place) for place in own])
        if room - len(data) < spare:
            if size == 1 or len(own) == 1:
                break
            size = max(1, len(own) // 4)
            continue
        found.append(_Filled(own, data))
        room -= len(data)
        at += len(own)
    return found, room


def _index(samples: Samples, metrics: Sequence[str]) -> dict[str, Any]:
    """Columns over all samples, by arm."""
    return {
        "ids": [key.example for key in samples.keys],
        "seeds": [key.seed for key in samples.keys],
        "kinds": [_kinds(table) for table in samples.tables],
        "scores": [[_scores(table, name) for name in metrics] for table in samples.tables],
        "tokens": [[None if n != n else int(n) for n in table.tokens.tolist()] for table in samples.tables],
        "flags": [
            [[place, [_FLAGS.index(flag) for flag in flags if flag in _FLAGS]]
             for place, flags in enumerate(table.flags) if flags]
            for table in samples.tables
        ],
    }  # fmt: skip


def _kinds(table: RowTable) -> str:
    """A character a sample: the kind's place, counted from "0"."""
    return np.where(table.kinds == ABSENT, ord(_ABSENT), table.kinds + ord("0")).astype(np.uint8).tobytes().decode()


def _scores(table: RowTable, name: str) -> list[float | None]:
    """A column, None where a sample has no score."""
    if name not in table.scores:
        return [None] * len(table)
    return [None if value != value else value for value in table.scores[name].round(4).tolist()]


def _answers(samples: Samples, place: int, clip: _Clip) -> list[Any]:
    """The right answers that the arms' rows have, each once, and a cell for every arm."""
    rows = [arm[place] for arm in samples.rows]
    rights: list[str | None] = []
    known: list[tuple[RightAnswer | None, StoredRow, int]] = []
    cells: list[Any] = []
    texts: dict[str, int] = {}
    for at, (row, right) in enumerate(zip(rows, samples.right, strict=True)):
        if row is None:
            cells.append(0)
            continue
        # Arms mostly share their question: its answer is worked out once.
        told = next((own for by, first, own in known if by is right and row.same_target(first)), None)
        if told is None:
            answer = None if right is None else right(row.target)
            if answer not in rights:
                rights.append(answer)
            told = rights.index(answer)
            known.append((right, row, told))
        raw = samples.raw.get(f"{samples.names[at]}\0{row.key}")
        cells.append(_cell(row, told, texts.setdefault(row.text, at), at, raw, clip))
    return [[None if answer is None else clip(answer, _TEXT)[0] for answer in rights], cells]


def _cell(row: StoredRow, right: int, same: int, at: int, raw: str | None, clip: _Clip) -> dict[str, Any]:
    """What the page tells of one answer; `same` is the arm that said the same text first."""
    span = row.span if row.kind != Kind.OK else None
    start = 0 if span is None or span[1] <= _TEXT else max(0, span[0] - _AROUND)
    text, begin = clip(row.text, _TEXT, start)
    found: dict[str, Any] = {
        "t": text if same == at else same,
        "r": right,
        "d": row.error or row.detail or _MEANING[row.kind],
        "f": row.finish_reason,
        "n": len(row.text),
        "b": begin,
        "s": span,
        "v": row.verdict,
        "z": clip(row.reasoning, _TEXT)[0] if row.reasoning else None,
        "w": None if raw is None else clip(raw, _TEXT)[0],
        "a": [[one["kind"], one["detail"], clip(one["text"], _TEXT)[0]] for one in (row.attempts or ())[:-1]],
    }
    return {name: value for name, value in found.items() if value or name == "t"}


class _Asked(NamedTuple):
    """A row of a sample whose prompt none before it has, and the places of all arms that were asked it."""

    row: StoredRow
    arms: list[int]


def _asked(samples: Samples, place: int) -> list[_Asked]:
    """Each prompt of a sample once."""
    found: list[_Asked] = []
    for at, arm in enumerate(samples.rows):
        if (row := arm[place]) is None:
            continue
        same = next((own for own in found if row.same_prompt(own.row)), None)
        if same is None:
            found.append(_Asked(row, [at]))
        else:
            same.arms.append(at)
    return found


def _prompts(samples: Samples, place: int, clip: _Clip) -> list[str]:
    return [clip(own.row.prompt, _PROMPT)[0] for own in _asked(samples, place)]


def _unlike_prompts(samples: Samples, places: Sequence[int]) -> dict[int, list[list[int]]]:
    """The arms of each prompt, of samples that were not asked in one way by all arms."""
    asked = {place: [own.arms for own in _asked(samples, place)] for place in places}
    return {place: arms for place, arms in asked.items() if len(arms) > 1}


class _Clip:
    """Shortens texts, and counts how many."""

    def __init__(self) -> None:
        self.cut = 0

    def __call__(self, text: str, most: int, start: int = 0) -> tuple[str, int]:
        """`most` characters from `start` on, and where they begin."""
        if len(text) <= most:
            return text, 0
        self.cut += 1
        return text[start : start + most], start


def _pack(value: Any) -> str:
    try:
        data = msgspec.json.encode(value)
    except UnicodeEncodeError:
        # A lone surrogate becomes the escape by which JSON spells it.
        data = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
    # Level 5 takes two thirds of the time of level 6, and its pages are 2 % larger.
    made = zlib.compressobj(5, zlib.DEFLATED, -zlib.MAX_WBITS)
    return b64encode(made.compress(data) + made.flush()).decode()
