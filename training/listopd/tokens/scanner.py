"""A lexer of JSON lists that never fails: every byte of any text gets a class, broken answers included."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, auto

from listopd.tokens.classes import TokenClass, TokenLabel

_LIST, _OBJECT, _QUOTE, _ESCAPE = b'[{"\\'
_SPACES = frozenset(b" \t\r\n")


class _Place(Enum):
    """Where a byte stands: between items, among an item's members, or deeper."""

    LIST = auto()
    ITEM = auto()
    DEEP = auto()


class Scanner:
    """Reads an answer byte by byte. `key` names the member that holds an item's id, None where items have none.

    text: the string or scalar that is being written, or was written last
    item: the number of items opened so far in the current list
    after_item: an item of the list has just been closed, and nothing but spaces came since
    """

    def __init__(self, key: str | None) -> None:
        self._key = None if key is None else key.encode()
        self._stack = bytearray()
        self._in_string = self._escaped = self._in_scalar = self._expects_key = False
        self._name = b""
        self.text = bytearray()
        self.item = 0
        self.after_item = False

    @property
    def done(self) -> bool:
        """Whether no list or object is open."""
        return not self._stack

    @property
    def between_items(self) -> bool:
        """Whether the next byte stands in the outermost list itself."""
        return bool(self._stack) and not self._in_string and self._place is _Place.LIST

    @property
    def inside(self) -> TokenClass | None:
        """What the open string is: KEY, ID, VALUE or NESTED; None outside strings."""
        return self._letters() if self._in_string else None

    def feed(self, byte: int) -> TokenLabel:
        """Read the next byte; its class and item."""
        if self._in_string:
            return TokenLabel(self._string(byte), self.item)
        if byte in _SPACES and self._stack:
            self._in_scalar = False
            return TokenLabel(TokenClass.SPACE, self.item)
        self.after_item = False
        if not self._stack and byte not in (_LIST, _OBJECT):
            return TokenLabel(TokenClass.OTHER, self.item)
        step = _STEPS.get(byte)
        if step is None:
            return TokenLabel(self._scalar(byte), self.item)
        self._in_scalar = False
        kind = step(self)
        return TokenLabel(kind, self.item)

    @property
    def _place(self) -> _Place:
        depth, top = len(self._stack), self._stack[-1]
        if top == _LIST:
            return _Place.LIST if depth == 1 else _Place.DEEP
        return _Place.ITEM if depth == (2 if self._stack[0] == _LIST else 1) else _Place.DEEP

    def _letters(self) -> TokenClass:
        """The class of what is written in a string or scalar here."""
        place = self._place
        if self._expects_key and self._stack[-1] == _OBJECT:
            return TokenClass.KEY if place is _Place.ITEM else TokenClass.NESTED
        return TokenClass.ID if place is _Place.ITEM and self._name == self._key else TokenClass.VALUE

    def _structure(self, kind: TokenClass) -> TokenClass:
        return TokenClass.NESTED if self._place is _Place.DEEP else kind

    def _string(self, byte: int) -> TokenClass:
        if byte == _QUOTE and not self._escaped:
            self._in_string = False
            return self._structure(TokenClass.QUOTE)
        self._escaped = byte == _ESCAPE and not self._escaped
        self.text.append(byte)
        return self._letters()

    def _scalar(self, byte: int) -> TokenClass:
        if not self._in_scalar:
            self.text.clear()
        self._in_scalar = True
        self.text.append(byte)
        return self._letters()

    def _open_string(self) -> TokenClass:
        self._in_string, self._escaped = True, False
        self.text.clear()
        return self._structure(TokenClass.QUOTE)

    def _open_list(self) -> TokenClass:
        first = not self._stack
        self._stack.append(_LIST)
        if first:
            self.item = 0
        return TokenClass.OPEN_LIST if first else TokenClass.NESTED

    def _open_object(self) -> TokenClass:
        if not self._stack:
            self.item = 0
        self._stack.append(_OBJECT)
        self._expects_key = True
        if self._place is _Place.DEEP:
            return TokenClass.NESTED
        self.item += 1
        return TokenClass.OPEN_ITEM

    def _comma(self) -> TokenClass:
        self._expects_key = self._stack[-1] == _OBJECT
        return TokenClass.NEXT_ITEM if self._place is _Place.LIST else self._structure(TokenClass.MEMBER)

    def _colon(self) -> TokenClass:
        self._name, self._expects_key = bytes(self.text), False
        return TokenClass.OTHER if self._place is _Place.LIST else self._structure(TokenClass.COLON)

    def _close_object(self) -> TokenClass:
        at = self._stack.rfind(_OBJECT)
        if at < 0:
            return TokenClass.OTHER
        del self._stack[at + 1 :]
        kind = self._structure(TokenClass.CLOSE_ITEM)
        del self._stack[at:]
        self._expects_key = False
        self.after_item = kind is TokenClass.CLOSE_ITEM and at == 1
        return kind

    def _close_list(self) -> TokenClass:
        at = self._stack.rfind(_LIST)
        if at < 0:
            return TokenClass.OTHER
        del self._stack[at:]
        self._expects_key = False
        return TokenClass.NESTED if at else TokenClass.CLOSE_LIST


_STEPS: Mapping[int, Callable[[Scanner], TokenClass]] = {
    _QUOTE: Scanner._open_string,
    _LIST: Scanner._open_list,
    _OBJECT: Scanner._open_object,
    ord(","): Scanner._comma,
    ord(":"): Scanner._colon,
    ord("}"): Scanner._close_object,
    ord("]"): Scanner._close_list,
}


def scan(text: bytes, key: str | None) -> list[TokenLabel]:
    """The label of every byte of `text`."""
    scanner = Scanner(key)
    return [scanner.feed(byte) for byte in text]
