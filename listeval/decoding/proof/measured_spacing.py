"""Which spacing an engine really leaves: one value in several spellings is walked through it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from listeval.contract.separators import USUAL, Separators

COMPACT = Separators(",", ":")


def measured_spacing(accepts: Callable[[str], bool], value: Any, gold: Separators) -> str:
    """The spacing policy whose spellings `accepts` takes; else the names of those that it takes, or `none`.

    `value` has to keep the constraint. Policies that write it alike cannot be told apart; the narrower is named.
    """
    tight = {
        "compact": dumps(value, COMPACT),
        "gold": dumps(value, gold),
        "both spaced": dumps(value, USUAL),
        "items spaced": dumps(value, Separators(", ", ":")),
        "keys spaced": dumps(value, Separators(",", ": ")),
    }
    loose = {
        "indented": json.dumps(value, ensure_ascii=False, indent=1),
        "padded": dumps(value, COMPACT)[:1] + " " + dumps(value, COMPACT)[1:],
        "two spaces": dumps(value, USUAL).replace(": ", ":  ").replace(", ", ",  "),
    }
    taken = {name for name, text in {**tight, **loose}.items() if accepts(text)}
    if taken & (loose.keys()):
        return "free" if taken >= tight.keys() else ", ".join(sorted(taken))
    texts = {tight[name] for name in taken}
    if texts == set(tight.values()) and len(texts) > 1:
        return "either"
    if len(texts) == 1:
        return "compact" if tight["compact"] in texts else "gold" if tight["gold"] in texts else taken.pop()
    return ", ".join(sorted(taken)) or "none"


def dumps(value: Any, separators: Separators) -> str:
    """JSON as answers write it."""
    return json.dumps(value, ensure_ascii=False, separators=separators)
