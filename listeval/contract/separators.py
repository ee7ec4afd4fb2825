"""How a JSON text is spaced: what stands between items and after keys, where a text writes both always alike."""

from __future__ import annotations

import json
import re
from typing import NamedTuple, Self

_MARK = re.compile(r'"(?:[^"\\]|\\.)*"|[,:]|[ \t\n\r]+')


class Separators(NamedTuple):
    """As `json.dumps` takes and by default writes them. Each is a `,` or a `:` and spaces after it."""

    item: str = ", "
    key: str = ": "

    @classmethod
    def of(cls, text: str) -> Self | None:
        """Those that the JSON text writes, the defaults for what it has no place for.

        None where the text has whitespace elsewhere (as indented JSON has), writes one separator in two ways,
        or is no JSON.
        """
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            return None
        found: dict[str, set[str]] = {",": set(), ":": set()}
        marks = _MARK.findall(text)
        for mark, following in zip(["", *marks], [*marks, ""], strict=True):
            space = following if following.isspace() else ""
            if mark in found:
                found[mark].add(mark + space)
            elif space:
                return None
        if any(len(ways) > 1 for ways in found.values()):
            return None
        return cls(*(ways.pop() if ways else default for ways, default in zip(found.values(), cls(), strict=True)))


USUAL = Separators()
