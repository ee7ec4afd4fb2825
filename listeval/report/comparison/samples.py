"""Answers side by side for the page: which samples are shown, and their texts as marked pieces.

A page that held every answer of 60,000 rows would open in no browser. So a few samples stand for every kind of every
arm and for every change of kind, the rest is spread evenly over the run, and the page says how many it shows.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from listeval.contract import Kind
from listeval.visible import visible

if TYPE_CHECKING:
    from listeval.comparison import Comparison
    from listeval.runs.rows import Row

SHOWN = 200
"""Samples on a page at most."""
_EACH = 2
"""Samples for every (arm, kind) and every change of kind, as far as there is room."""
_TEXT, _PROMPT, _AROUND = 1_400, 1_600, 320
_MOST_OF_IT, _SHORT = 0.6, 80
_WORD = re.compile(r"[\w.+-]+|[^\w\s]")
_BUDGET = 3_500_000
"""Characters of all samples together, so that the page stays below 5 MB."""

Piece = tuple[str, str]
"""A mark (empty, `fault`, `diff`, `cut`) and text."""

Span = tuple[int, int]


def samples(comparison: Comparison) -> list[dict[str, Any]]:
    """The chosen samples in the baseline's order, as JSON values."""
    found, size = [], 0
    for place in chosen(comparison.pairing.rows):
        rows = [arm[place] for arm in comparison.pairing.rows]
        sample = _sample(rows)
        size += sum(len(text) for row in sample["rows"] for _, text in row["pieces"]) + len(sample["prompt"])
        if size > _BUDGET:
            break
        found.append(sample)
    return found


def chosen(rows: Sequence[Sequence[Row]], most: int = SHOWN) -> list[int]:
    """Places of the samples to show; `rows` are (arms, samples). The same rows give the same places."""
    n = len(rows[0])
    if n <= most:
        return list(range(n))
    taken: set[int] = set()
    seen: Counter[tuple[int, str, str]] = Counter()
    for place in range(n):
        cells = [(at, rows[0][place]["kind"], arm[place]["kind"]) for at, arm in enumerate(rows)]
        if len(taken) < most and any(seen[cell] < _EACH for cell in cells):
            taken.add(place)
            seen.update(cells)
    for step in range(most):
        if len(taken) >= most:
            break
        taken.add(step * n // most)
    return sorted(taken)


def _sample(rows: Sequence[Row]) -> dict[str, Any]:
    first = rows[0]
    return {
        "id": visible(first["example"]),
        "seed": first["seed"],
        "prompt": _clip(first["prompt"], _PROMPT),
        "rows": [_answer(row, first) for row in rows],
    }


def _answer(row: Row, first: Row) -> dict[str, Any]:
    return {
        "kind": row["kind"],
        "detail": visible(row["detail"])[:300] or Kind(row["kind"]).meaning,
        "verdict": row["verdict"],
        "flags": list(row["flags"]),
        "finish": row["finish_reason"],
        "tokens": row["n_tokens"],
        "scores": {name: round(value, 4) for name, value in row["scores"].items() if value is not None},
        "same": row is not first and row["text"] == first["text"],
        "pieces": [piece for piece in pieces(row, first) if piece[1]],
    }


def pieces(row: Row, first: Row) -> Iterator[Piece]:
    """The answer in marked pieces: what broke the contract, else what differs from the baseline's answer."""
    text = row["text"]
    if not text:
        yield "cut", "(no text)"
        return
    mark, spans = _marked(row, first)
    begin = max(0, min(spans[0][0] - _AROUND if spans else 0, len(text) - _TEXT))
    end = min(len(text), begin + _TEXT)
    if begin:
        yield "cut", f"… {begin:,} characters … "
    at = begin
    for start, stop in spans:
        start, stop = max(start, at), min(stop, end)
        if start < stop:
            yield from (("", visible(text[at:start])), (mark, visible(text[start:stop])))
            at = stop
    yield "", visible(text[at:end])
    if end < len(text):
        yield "cut", f" … {len(text) - end:,} more characters"


def _marked(row: Row, first: Row) -> tuple[str, list[Span]]:
    """Which mark, and where. A fault that is nearly the whole answer (an id that is missing) points at nothing."""
    span, text = row["span"], row["text"]
    if row["kind"] != Kind.OK and span is not None and 0 <= span[0] < span[1]:
        whole = span[1] - span[0] > _MOST_OF_IT * len(text) and len(text) > _SHORT
        return "fault", [] if whole else [(span[0], span[1])]
    return "diff", [] if row is first else differing(first["text"], text)


def differing(before: str, after: str) -> list[Span]:
    """Where `after` departs from `before`, spaces aside; linear in the texts.

    Answers of one shape differ in ids and scores, so words at one place are the same field and are compared one by one;
    where most of them differ the shapes do, and what lies between a common beginning and a common end is one stretch.
    """
    old, new = [found[0] for found in _WORD.finditer(before)], list(_WORD.finditer(after))
    most = min(len(old), len(new))
    changed = [at for at in range(most) if old[at] != new[at][0]]
    if len(changed) <= most // 2:
        beyond = [(new[most].start(), new[-1].end())] if len(new) > most else []
        return [new[at].span() for at in changed] + beyond
    head = changed[0]
    tail = next((at for at in range(most - head) if old[-1 - at] != new[-1 - at][0]), most - head)
    return [(new[head].start(), new[len(new) - tail - 1].end())]


def _clip(text: str, most: int) -> str:
    return visible(text) if len(text) <= most else f"{visible(text[:most])} … {len(text) - most:,} more characters"
