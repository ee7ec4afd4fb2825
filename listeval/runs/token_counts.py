"""Whether a row's count of tokens is one: rows hold integers, and 0 stands there too where nobody told the count.

A prompt is never of no token, and no more is an answer with words. So such a 0 is of a server without `usage`, or of
answers from a file, and means that the count is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable

from listeval.contract import Kind

_WORDLESS = (Kind.EMPTY, Kind.REFUSAL)
"""A server's content filter may stop an answer before its first word."""


def written_tokens(kind: str, written: int, read: int) -> int | None:
    """Generated tokens of an answer of that kind, None where they are unknown; `read` are its prompt's.

    An engine's failure has written none. An answer that may have no word has, where the prompt's tokens were told.
    """
    return written if written or kind == Kind.ENGINE_ERROR or (read and kind in _WORDLESS) else None


def read_tokens(kind: str, read: int) -> int | None:
    """Tokens of the prompt of an answer of that kind, None where they are unknown."""
    return read if read or kind == Kind.ENGINE_ERROR else None


def total(counts: Iterable[int | None]) -> int | None:
    """The sum, None where one is unknown."""
    known = list(counts)
    return None if None in known else sum(n for n in known if n is not None)
