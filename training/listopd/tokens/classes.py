"""What a character of a JSON list does: the classes that tokens and probabilities are sorted into."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple


class TokenClass(StrEnum):
    """The step from one character of an answer to the next, named by what it writes.

    Classes are of characters, not of tokens, so that they mean the same under every tokenizer. An item is an
    object of the outermost list, or the outermost object itself.
    """

    OPEN_LIST = "list_open"
    OPEN_ITEM = "item_open"
    QUOTE = "quote"
    KEY = "key"
    COLON = "colon"
    ID = "id"
    MEMBER = "member"
    VALUE = "value"
    CLOSE_ITEM = "item_close"
    NEXT_ITEM = "item_next"
    CLOSE_LIST = "list_close"
    END = "end"
    SPACE = "space"
    NESTED = "nested"
    OTHER = "other"

    @property
    def meaning(self) -> str:
        """The step in characters, for tables."""
        return _MEANING[self]

    @property
    def is_scaffold(self) -> bool:
        """Whether the contract fixes it, up to the order of items: all but values and text outside the JSON."""
        return self not in (TokenClass.VALUE, TokenClass.OTHER)

    @property
    def is_decision(self) -> bool:
        """Whether more than one character can keep the format there, so that the step says something.

        A value's end is none: the alternative is one more digit, which a score rarely has, and a merged `},` is
        to count as the step to the next item.
        """
        return self in _DECISIONS


_MEANING = {
    TokenClass.OPEN_LIST: "[ of the list",
    TokenClass.OPEN_ITEM: "{ of an item",
    TokenClass.QUOTE: "quote",
    TokenClass.KEY: "key",
    TokenClass.COLON: ":",
    TokenClass.ID: "id echo",
    TokenClass.MEMBER: ", in an item",
    TokenClass.VALUE: "value",
    TokenClass.CLOSE_ITEM: "} of an item",
    TokenClass.NEXT_ITEM: "} to ,",
    TokenClass.CLOSE_LIST: "} to ]",
    TokenClass.END: "end",
    TokenClass.SPACE: "space",
    TokenClass.NESTED: "nested JSON",
    TokenClass.OTHER: "outside",
}
_DECISIONS = frozenset(
    (
        TokenClass.OPEN_LIST,
        TokenClass.ID,
        TokenClass.VALUE,
        TokenClass.NEXT_ITEM,
        TokenClass.CLOSE_LIST,
        TokenClass.END,
        TokenClass.NESTED,
        TokenClass.OTHER,
    )
)


class TokenLabel(NamedTuple):
    """A class, and the item it belongs to: 1 for the first, 0 before it. The step after an item's `}` is its own."""

    kind: TokenClass
    item: int


def leading_place(kinds: Sequence[TokenClass]) -> int:
    """Which step of a token gives it its class: the first decision, else the first that is no space, else the first."""
    places = range(len(kinds))
    decision = next((i for i in places if kinds[i].is_decision), None)
    return next((i for i in places if kinds[i] is not TokenClass.SPACE), 0) if decision is None else decision
