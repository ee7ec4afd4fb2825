"""Disjoint sets that grow together (union-find with path halving and union by size)."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class DisjointSets(Generic[T]):
    """Sets of hashable things. `find` names the set of a thing, which starts as its own; near-constant time."""

    def __init__(self) -> None:
        self._parent: dict[T, T] = {}
        self._size: dict[T, int] = {}

    def find(self, thing: T) -> T:
        """The thing that stands for the set of `thing`; it changes when sets are joined."""
        parent = self._parent
        if parent.setdefault(thing, thing) == thing:
            return thing
        while parent[thing] != thing:
            parent[thing] = thing = parent[parent[thing]]
        return thing

    def join(self, one: T, other: T) -> None:
        """Make the sets of `one` and `other` the same."""
        large, small = self.find(one), self.find(other)
        if large == small:
            return
        if self._size.get(large, 1) < self._size.get(small, 1):
            large, small = small, large
        self._parent[small] = large
        self._size[large] = self._size.get(large, 1) + self._size.get(small, 1)
