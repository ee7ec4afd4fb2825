"""Text that somebody else wrote (data, models, servers, file names), made fit for a terminal.

A terminal obeys control characters: they move the cursor, rewrite what stood above, set the clipboard. A reader is
misled by what cannot be seen: bidirectional overrides, zero-width characters, line ends that forge a line of ours.
Whatever is not printable is therefore written as Python would escape it. Everything that listeval prints goes
through here: by `listeval.cli.say`, by `listeval.report.console`, or, for errors, by `listeval.cli.main`.
"""

from __future__ import annotations


def visible(text: str) -> str:
    """`text` with everything escaped that a terminal or a browser would obey or hide; line feeds stay."""
    if text.isprintable():
        return text
    return "".join(c if c == "\n" or c.isprintable() else repr(c)[1:-1] for c in text)


def inline(text: object) -> str:
    """`str(text)` as part of one line: `visible`, and its line feeds escaped too."""
    return visible(str(text)).replace("\n", "\\n")


def shortened(text: str, most: int) -> str:
    """Its first characters, at most so many with the mark for those that are left out."""
    return text if len(text) <= most else text[: most - 1] + "…"


def counted(n: int, one: str) -> str:
    """`1 run`, `2,000 runs`: of a noun whose plural has an s."""
    return f"{n:,} {one}" if n == 1 else f"{n:,} {one}s"


def storable(text: str) -> str:
    """Text that UTF-8 can hold: lone surrogates, which JSON can spell and Python takes, become U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
