"""`KeyedList`: exactly K objects, each carrying one of the example's ids exactly once, in any order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from itertools import pairwise
from operator import attrgetter
from typing import Any, ClassVar, NamedTuple, TypeVar

from pydantic import TypeAdapter

from listeval.contract.base import Contract, list_validator, model_hash, model_keys, repeated_key
from listeval.contract.diagnose import quote
from listeval.contract.extract import Extraction
from listeval.contract.outcome import Fault
from listeval.contract.positions import are_positions, holds_id, stand_apart
from listeval.contract.strictness import laxity
from listeval.contract.taxonomy import Flag, Kind
from listeval.contract.value_forms import Item

ItemT = TypeVar("ItemT", bound=Item)


class KeyedList(Contract[list[ItemT]]):
    """A list with one object per input id (the paper's rule: outermost `[...]`, K objects, unique input ids).

    `item` is the model of one object, `key` its id field, `ids` the example's ids in input order.
    `scale` and `decimals` are what the prompt promises of numbers whose field states no bounds of its own: a
    constrained answer keeps to them, while parsing takes any number.
    Raises ValueError for ids that repeat, a `key` that the model lacks, a field with an alias, and a model within it
    that is not strict.
    """

    depth: ClassVar[int] = 1
    noun: ClassVar[str] = "list"
    extraction = Extraction.OUTERMOST_ARRAY

    def __init__(
        self,
        item: type[ItemT],
        *,
        key: str,
        ids: Sequence[str],
        scale: tuple[float, float] = (0, 10),
        decimals: int = 1,
    ) -> None:
        self.item, self.key, self.ids = item, key, tuple(ids)
        self.scale, self.decimals = scale, decimals
        self._layout = _layout(item, key)
        self.validate = self._layout.validate
        self._id_set = frozenset(self.ids)
        self._colons = len(self.ids) * self._layout.keys
        if len(self._id_set) != len(self.ids):
            raise ValueError(f"ids repeat: {[i for i, n in Counter(self.ids).items() if n > 1]}")

    def check(self, value: list[ItemT], block: str) -> Fault | None:
        id_of = self._layout.id_of
        if len(value) != len(self.ids) or self._id_set != set(map(id_of, value)):
            return self._fault(list(map(id_of, value)))
        # Each key brings one colon; as many colons as keys leave no room for a key written twice.
        return None if block.count(":") == self._colons else repeated_key(block)

    def _fault(self, named: list[str]) -> Fault:
        size = len(self.ids)
        if len(named) > size:
            return Fault(Kind.TOO_LONG, f"{len(named):,} objects where {size} are due")
        counts = Counter(named)
        unknown = [name for name in counts if name not in self._id_set]
        bare = [name for name in unknown if not holds_id(name, self._id_set)]
        placed = bool(unknown) and are_positions(bare, size)
        if placed and len(unknown) == len(counts):
            return self._positions(unknown)
        placed = placed and stand_apart(bare, self.ids)
        flags = (Flag.POSITIONS,) if placed else ()
        twice = [name for name, n in counts.items() if n > 1 and name in self._id_set]
        if twice:
            detail = f"{quote(twice[0])} stands {counts[twice[0]]} times" + _more(twice)
            return Fault(Kind.DUPLICATE_ID, detail, pointer=(self._pattern(twice[0]), 1), flags=flags)
        if placed:
            return self._positions(unknown)
        if unknown:
            detail = f"{quote(unknown[0])} is not one of the {size} input ids" + _more(unknown)
            return Fault(Kind.UNKNOWN_ID, detail, pointer=(self._pattern(unknown[0]), 0))
        absent = [name for name in self.ids if name not in counts]
        detail = f"{len(absent)} of {size} ids missing: {', '.join(map(quote, absent[:3]))}"
        return Fault(Kind.MISSING_ID, detail + (", ..." if len(absent) > 3 else ""), missing=len(absent))

    def _positions(self, names: list[str]) -> Fault:
        detail = f"the position {quote(names[0])}{_more(names)} in place of an id such as {quote(self.ids[0])}"
        pointer = (self._pattern(names[0]), 0)
        return Fault(Kind.POSITION_ONLY, detail, pointer=pointer, flags=(Flag.POSITIONS,))

    def _pattern(self, name: str) -> str:
        """Where an object names the id `name`, with or without quotes."""
        return rf'"{re.escape(self.key)}"\s*:\s*"?({re.escape(name)})"?\s*[,}}]'

    def value_flags(self, block: str) -> tuple[Flag, ...]:
        """Key order is that of the first and of the last object: all others would cost a second reading."""
        find, rfind = block.find, block.rfind
        for name, following in self._layout.pairs:
            if find(name) > find(following) or rfind(name) > rfind(following):
                return (Flag.KEY_ORDER,)
        return ()

    def keys(self) -> Collection[str]:
        return model_keys(self.item)

    def laxity(self) -> str:
        return laxity(self.item)

    def json_schema(self) -> dict[str, Any]:
        items = TypeAdapter(self.item).json_schema()
        items["properties"][self.key] = {"type": "string", "enum": list(self.ids)}
        defs = items.pop("$defs", None)
        size = len(self.ids)
        schema: dict[str, Any] = {"type": "array", "items": items, "minItems": size, "maxItems": size}
        return {**schema, "$defs": defs} if defs else schema

    def spec(self) -> dict[str, Any]:
        return {"shape": "keyed_list", "item": model_hash(self.item), "key": self.key, "ids": list(self.ids)}


class _Layout(NamedTuple):
    """What is known of an item model, worked out once for all examples that use it."""

    validate: Callable[[str], Any]
    id_of: Callable[[Any], str]
    pairs: tuple[tuple[str, str], ...]
    """Each field name and the next, as they stand in JSON, in the contract's order."""
    keys: int
    """Keys of one object; -1 where some may be left out, and counting proves nothing."""


@lru_cache(maxsize=256)
def _layout(item: type[Item], key: str) -> _Layout:
    fields = item.model_fields
    if key not in fields:
        raise ValueError(f"{item.__name__} has no field {key!r}")
    aliased = [name for name, field in fields.items() if field.alias or field.validation_alias]
    if aliased:
        raise ValueError(f"{item.__name__}.{aliased[0]} has an alias: name the field as the answer does")
    fixed = all(field.is_required() for field in fields.values())
    quoted = [f'"{name}"' for name in fields]
    return _Layout(list_validator(item), attrgetter(key), tuple(pairwise(quoted)), len(fields) if fixed else -1)


def _more(names: list[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""
