"""How a JSON text is spaced, read from the text: what an engine really left of a spacing policy."""

from __future__ import annotations

import re

_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"?|[,:\[\]{}]|[ \t\n\r]+|[^\s,:\[\]{}"]+')


def spacing_of(text: str) -> str:
    """`compact`, `gold` (one space after each `,` and `:`), `either` (some), `free` (whitespace elsewhere).

    `unseen` for a text without a separator. A text cut at its end is read as far as it goes.
    """
    seen: set[bool] = set()
    pieces = _PIECE.findall(text.strip())
    for before, piece, after in zip(["", *pieces], pieces, [*pieces[1:], ""], strict=False):
        if piece.isspace() and (before not in (",", ":") or piece != " "):
            return "free"
        if piece in (",", ":") and after:
            seen.add(after == " ")
    if len(seen) == 2:
        return "either"
    return {True: "gold", False: "compact"}[seen.pop()] if seen else "unseen"
