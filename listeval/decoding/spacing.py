"""How freely a constrained answer may be spaced, and what that means between the pieces of its JSON."""

from __future__ import annotations

from enum import StrEnum

WHITESPACE = " \t\n\r"
"""What JSON allows between its pieces, and `free` with it."""
MOST_WHITESPACE = 12
"""Most whitespace characters in a row under `free`: a list indented by four has nine before a key, line end included.

A bound, because a model that may write spaces for ever can; with it every answer ends.
"""


class Spacing(StrEnum):
    """The whitespace that a constraint leaves to the model, the default first.

    A scaffold writes its text itself, as the task's gold answers do wherever the policy has that: under `gold` always,
    under `either` and `free` unless gold has other whitespace than these allow (then as `json.dumps` does), under
    `compact` without any.
    """

    EITHER = "either"
    """Nothing or one space after each `,` and each `:`, nothing anywhere else."""
    GOLD = "gold"
    """Exactly what the task's gold answers have after `,` and `:` (`Contract.separators`), nothing anywhere else."""
    COMPACT = "compact"
    """No whitespace at all."""
    FREE = "free"
    """Up to MOST_WHITESPACE characters of WHITESPACE wherever JSON allows some, but none after the answer's end."""
