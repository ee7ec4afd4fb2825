"""What keeps the contract at every character of an answer: the steps whose probability is measured.

On a right answer every step is its own. An answer of a student is followed until it leaves the contract: that last step
is measured against what should have come (the early `]` after item K - 1 against `,`), and nothing after it, where
there is no right continuation any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from listopd.tokens import Scanner, TokenClass

_QUOTE = b'"'
_SPACES = b" \t\r\n"
_NAMED = (TokenClass.ID, TokenClass.KEY)


class StructuralStep(NamedTuple):
    """One character transition: before byte `at`, any byte of `wanted` keeps the contract.

    An empty `wanted` stands for a stop token; `at` is then where the text ends, or should have ended.
    """

    at: int
    kind: TokenClass
    item: int
    wanted: bytes


class WalkReference(NamedTuple):
    """What right answers to an example have in common, read off one of them: the names as JSON spells them."""

    key: str | None
    opening: bytes
    items: int
    ids: frozenset[bytes]
    keys: frozenset[bytes]


def reference(gold: bytes, key: str | None) -> WalkReference:
    """The reference of a right answer; `key` names the member with an item's id, None for none."""
    scanner = Scanner(key)
    names: dict[TokenClass, set[bytes]] = {kind: set() for kind in _NAMED}
    for byte in gold:
        inside = scanner.inside
        scanner.feed(byte)
        if inside in names and scanner.inside is None:
            names[inside].add(bytes(scanner.text))
    opening = next((bytes([byte]) for byte in gold if byte in b"[{"), b"")
    return WalkReference(key, opening, scanner.item, frozenset(names[TokenClass.ID]), frozenset(names[TokenClass.KEY]))


def walk(text: bytes, stopped: bool, right: WalkReference) -> Iterator[StructuralStep]:
    """The steps of an answer up to the one that leaves the contract; `stopped` says whether a stop token ended it."""
    walker = _Walker(right)
    for at, byte in enumerate(text):
        step = walker.step(at, byte)
        if step is not None:
            yield step
        if walker.left:
            return
    if stopped and (last := walker.stop(len(text))):
        yield last


class _Walker:
    """Follows one answer. `left` is true from the byte that no right answer has there."""

    def __init__(self, right: WalkReference) -> None:
        self.scanner = Scanner(right.key)
        self.left = self._opened = self._prose = False
        self._right = right
        self._unused = {TokenClass.ID: set(right.ids), TokenClass.KEY: set(right.keys)}

    @property
    def closed(self) -> bool:
        """The list is complete, and nothing but a stop token is due."""
        return self._opened and self.scanner.done

    def step(self, at: int, byte: int) -> StructuralStep | None:
        """The step that `byte` takes; None for text before the list, where there is no contract yet."""
        if self.closed:
            self.left = byte not in _SPACES
            return StructuralStep(at, TokenClass.END, self.scanner.item, b"") if self.left else None
        if not self._opened:
            return self._before(at, byte)
        due = None if byte in _SPACES and self.scanner.inside is None else self._due()
        inside = self.scanner.inside
        label = self.scanner.feed(byte)
        kind, wanted = due or self._member(label.kind) or (label.kind, bytes([byte]))
        self._count(label.kind, inside)
        self.left = byte not in wanted or label.kind is TokenClass.OTHER
        return None if label.kind is TokenClass.OTHER and not due else StructuralStep(at, kind, label.item, wanted)

    def stop(self, at: int) -> StructuralStep | None:
        """The step that a stop token takes: the right one, or what was due in its place, where that is known."""
        if self.closed:
            return StructuralStep(at, TokenClass.END, self.scanner.item, b"")
        due = self._due() if self._opened else None
        return StructuralStep(at, due[0], self.scanner.item, due[1]) if due else None

    def _before(self, at: int, byte: int) -> StructuralStep | None:
        """Text may come first; whether the list opens at once is a step, later it is none."""
        label = self.scanner.feed(byte)
        self._opened = not self.scanner.done
        opening = self._right.opening
        self.left = self._opened and byte not in opening
        if self._prose or (byte in _SPACES and not self._opened):
            return None
        self._prose = not self._opened
        kind = TokenClass.OPEN_LIST if opening == b"[" else TokenClass.OPEN_ITEM
        return StructuralStep(at, kind, label.item, opening)

    def _due(self) -> tuple[TokenClass, bytes] | None:
        """What has to come here, spaces aside, whatever does come: the steps between items, the letters of a name."""
        inside = self.scanner.inside
        if self.scanner.between_items and self._right.items:
            if not self.scanner.after_item:
                return TokenClass.OPEN_ITEM, b"{"
            more = self.scanner.item < self._right.items
            return (TokenClass.NEXT_ITEM, b",") if more else (TokenClass.CLOSE_LIST, b"]")
        letters = self._letters(inside) if inside in _NAMED else b""
        if inside is None or not letters:
            return None
        return TokenClass.QUOTE if letters == _QUOTE else inside, letters

    def _letters(self, kind: TokenClass) -> bytes:
        """The bytes that go on with, or end, a name that is still to be written; none where names are not known."""
        begun = bytes(self.scanner.text)
        n = len(begun)
        return bytes(sorted({(name + _QUOTE)[n] for name in self._unused[kind] if name.startswith(begun)}))

    def _member(self, kind: TokenClass) -> tuple[TokenClass, bytes] | None:
        """After a value: another member while keys are missing, else the item's end."""
        if kind not in (TokenClass.MEMBER, TokenClass.CLOSE_ITEM) or not self._right.keys:
            return None
        missing = self._unused[TokenClass.KEY]
        return (TokenClass.MEMBER, b",") if missing else (TokenClass.CLOSE_ITEM, b"}")

    def _count(self, kind: TokenClass, inside: TokenClass | None) -> None:
        if kind is TokenClass.OPEN_ITEM:
            self._unused[TokenClass.KEY] = set(self._right.keys)
        elif inside in _NAMED and self.scanner.inside is None:
            self._unused[inside].discard(bytes(self.scanner.text))
