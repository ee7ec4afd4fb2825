"""Values as they cross from the answer's process to the tests' and back: copied, rebuilt from types that both know.

What arrives is never code and never an object of the sender's making: the receiver builds a list, a number or a
`Counter` of its own from JSON, whatever the sender has done to its interpreter. Everything else crosses as a
reference, which the two ends name and resolve by themselves (`remote`).

A call copies and restores: containers that went out are numbered, and come back with what the call made of them, so
that a function that sorts its argument in place has sorted the caller's list.
"""

from __future__ import annotations

import builtins
import collections
import contextlib
import json
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, NoReturn

_SMALL = 1 << 63
_ATOMS = frozenset({str, float, bool, type(None), int})
"""Types that JSON has."""
_CLASSES: dict[str, type] = {
    f"{kind.__module__}.{kind.__name__}": kind
    for kind in (
        *(collections.Counter, collections.OrderedDict, collections.deque, collections.defaultdict),
        *(kind for kind in vars(builtins).values() if isinstance(kind, type)),
    )
}
_CLASS_NAMES = {kind: name for name, kind in _CLASSES.items()}
_VIEWS = {"keys": type({}.keys()), "values": type({}.values()), "items": type({}.items())}
_DEPTH = 400
"""Nesting that is taken; far below where comparing two values would exhaust the stack."""


class Refused(Exception):
    """A value that cannot cross, or bytes that are no value."""


class Memo:
    """The mutable containers of one call, numbered alike at both ends in the order in which they were met."""

    def __init__(self) -> None:
        self.containers: list[Any] = []
        self._numbers: dict[int, int] = {}

    def number(self, container: Any) -> int | None:
        """Its number; None for one that is met the first time, which gets the next."""
        found = self._numbers.get(id(container))
        if found is None:
            self._numbers[id(container)] = len(self.containers)
            self.containers.append(container)
        return found


class Codec:
    """Values to JSON and back; `name` and `resolve` are for what has no value."""

    def __init__(self, name: Callable[[Any], list[Any]], resolve: Callable[[list[Any]], Any]) -> None:
        self._name, self._resolve = name, resolve

    def encode(self, value: Any, memo: Memo, depth: int = 0) -> Any:
        """JSON for `value`. Raises Refused for what neither has a value nor a reference, or nests too deeply."""
        kind = type(value)
        if kind in _ATOMS and _small(value):
            return value
        if depth > _DEPTH:
            raise Refused("a value that is nested too deeply")
        form = BY_VALUE.get(kind) or _late(kind)
        if form is not None:
            tag, body = form
            if tag in _EMPTY:
                number = memo.number(value)
                if number is not None:
                    return ["seen", number]
            return [tag, *self._cells(body(value), memo, depth)]
        if isinstance(value, type):
            if value in _CLASS_NAMES:
                return ["class", _CLASS_NAMES[value]]
            if _late(value) is not None:
                return ["class", f"{value.__module__}.{value.__name__}"]
        return self._name(value)

    def contents(self, container: Any, memo: Memo) -> Any:
        """JSON of what a numbered container holds now."""
        tag, body = BY_VALUE[type(container)]
        return [tag, *self._cells(body(container), memo, 0)]

    def decode(self, data: Any, memo: Memo) -> Any:
        """The value that `encode` wrote. Raises Refused for anything else, however it is malformed."""
        kind = type(data)
        if kind in _ATOMS:
            return data
        if kind is not list or not data or type(data[0]) is not str:
            raise Refused("what is no value")
        tag = data[0]
        if tag in _EMPTY:
            container = _EMPTY[tag](data)
            memo.number(container)
            self.fill(container, data, memo)
            return container
        if tag == "seen":
            return memo.containers[data[1]]
        if tag == "class":
            return _CLASSES[data[1]] if data[1] in _CLASSES else _late_class(data[1])
        if tag in LATE:
            return _build_late(tag, [self.decode(cell, memo) for cell in data[1:]])
        if tag in _BUILD:
            return _BUILD[tag](*[self.decode(cell, memo) for cell in data[1:]])
        return self._resolve(data)

    def fill(self, container: Any, data: Any, memo: Memo) -> None:
        """Give a container what `contents` wrote of its other copy."""
        cells = data[1:]
        if not _ATOMS.issuperset(map(type, cells)):
            cells = [self.decode(cell, memo) for cell in cells]
        if isinstance(container, dict):
            if isinstance(container, collections.defaultdict):
                container.default_factory = cells.pop(0)
            container.clear()
            for key, value in zip(cells[::2], cells[1::2], strict=True):
                container[key] = value
        elif isinstance(container, set):
            container.clear()
            container.update(cells)
        elif isinstance(container, bytearray):
            container[:] = cells[0].encode("latin-1")
        elif isinstance(container, collections.deque):
            container.clear()
            container.extend(cells[1:])
        else:
            container[:] = cells

    def _cells(self, cells: Iterable[Any], memo: Memo, depth: int) -> list[Any]:
        cells = list(cells)
        kinds = set(map(type, cells))
        if _ATOMS.issuperset(kinds) and (int not in kinds or all(_small(cell) for cell in cells)):
            return cells
        return [self.encode(cell, memo, depth + 1) for cell in cells]


def _small(cell: Any) -> bool:
    return type(cell) is not int or -_SMALL < cell < _SMALL


def _pairs(mapping: dict[Any, Any]) -> list[Any]:
    return [cell for pair in dict.items(mapping) for cell in pair]


def _clock(value: Any) -> list[Any]:
    return [value.hour, value.minute, value.second, value.microsecond, value.tzinfo, value.fold]


def _day(value: Any) -> list[Any]:
    return [value.year, value.month, value.day]


def _view(value: memoryview) -> list[Any]:
    if value.ndim != 1:
        raise Refused("a view of more or less than one dimension")
    return [value.tobytes(), value.format]


def _viewed(data: bytes, form: str) -> memoryview:
    return memoryview(data) if form == "B" else memoryview(data).cast(form)  # type: ignore[call-overload]


def _error(value: Any) -> list[Any]:
    kind, arguments, *_ = value.__reduce__()
    return [kind, *arguments]


def _as_error(kind: Any, *arguments: Any) -> Any:
    if kind not in _ERRORS:
        raise Refused("an exception of a class that is none")
    return kind(*arguments)


_ERRORS = frozenset(kind for kind in _CLASS_NAMES if issubclass(kind, BaseException))

BY_VALUE: dict[type, tuple[str, Callable[[Any], Iterable[Any]]]] = {
    int: ("int", lambda x: [hex(x)]),
    complex: ("complex", lambda x: [x.real, x.imag]),
    bytes: ("bytes", lambda x: [x.decode("latin-1")]),
    bytearray: ("bytearray", lambda x: [x.decode("latin-1")]),
    list: ("list", iter),
    tuple: ("tuple", iter),
    set: ("set", iter),
    frozenset: ("frozenset", iter),
    dict: ("dict", _pairs),
    range: ("range", lambda x: [x.start, x.stop, x.step]),
    slice: ("slice", lambda x: [x.start, x.stop, x.step]),
    type(...): ("ellipsis", lambda x: []),
    type(NotImplemented): ("not implemented", lambda x: []),
    collections.Counter: ("counter", _pairs),
    collections.OrderedDict: ("ordered", _pairs),
    collections.defaultdict: ("default", lambda x: [x.default_factory, *_pairs(x)]),
    collections.deque: ("deque", lambda x: [x.maxlen, *x]),
    _VIEWS["keys"]: ("keys", iter),
    _VIEWS["values"]: ("values", iter),
    _VIEWS["items"]: ("items", iter),
    memoryview: ("view", _view),
    **dict.fromkeys(_ERRORS, ("error", _error)),
}
"""Types that cross by value, exactly these and no subclass: how each is marked, and what it is rebuilt from."""
HERE_ONLY = frozenset(_CLASS_NAMES).difference(BY_VALUE, _ATOMS, (type,))
"""The other builtin types, of which both ends know what an object can do, but not what it is: `map`, `object`, ..."""
LATE: dict[str, Callable[[Any], Iterable[Any]]] = {
    "datetime.date": _day,
    "datetime.time": _clock,
    "datetime.datetime": lambda x: [*_day(x), *_clock(x)],
    "datetime.timedelta": lambda x: [x.days, x.seconds, x.microseconds],
    "datetime.timezone": lambda x: x.__getinitargs__(),
    "decimal.Decimal": lambda x: [str(x)],
    "fractions.Fraction": lambda x: [x.numerator, x.denominator],
}
"""The same for types of modules that most programs do not import."""
_FOLDED = ("datetime.time", "datetime.datetime")


def _late(kind: type) -> tuple[str, Callable[[Any], Iterable[Any]]] | None:
    """The form of a type whose module is read only where a program reads it: each costs every fork its share."""
    name = f"{kind.__module__}.{kind.__qualname__}"
    if name in LATE and vars(sys.modules.get(kind.__module__, builtins)).get(kind.__qualname__) is kind:
        return name, LATE[name]
    return None


def _late_class(name: str) -> type:
    if name not in LATE:
        raise Refused(f"a class {name!r}")
    module, _, short = name.rpartition(".")
    found: type = getattr(import_module(module), short)
    return found


def _build_late(name: str, cells: list[Any]) -> Any:
    kind = _late_class(name)
    return kind(*cells[:-1], fold=cells[-1]) if name in _FOLDED else kind(*cells)


_EMPTY: dict[str, Callable[[list[Any]], Any]] = {
    "list": lambda data: [],
    "dict": lambda data: {},
    "set": lambda data: set(),
    "bytearray": lambda data: bytearray(),
    "counter": lambda data: collections.Counter(),
    "ordered": lambda data: collections.OrderedDict(),
    "default": lambda data: collections.defaultdict(),
    "deque": lambda data: collections.deque(maxlen=data[1]),
}
"""Mutable containers: made empty and numbered before their contents, which may refer to them."""
_BUILD: dict[str, Callable[..., Any]] = {
    "int": lambda text: int(text, 16),
    "complex": complex,
    "bytes": lambda text: text.encode("latin-1"),
    "tuple": lambda *cells: cells,
    "frozenset": lambda *cells: frozenset(cells),
    "range": range,
    "slice": slice,
    "ellipsis": lambda: ...,
    "not implemented": lambda: NotImplemented,
    "keys": lambda *cells: dict.fromkeys(cells).keys(),
    "values": lambda *cells: dict(enumerate(cells)).values(),
    "items": lambda *cells: dict(cells).items(),
    "view": _viewed,
    "error": _as_error,
}


def literal(text: str) -> Any:
    """The value of a literal. Raises ValueError, SyntaxError, TypeError and RecursionError for what is none."""
    # Most are JSON but for the quotes, which is read in a tenth of the time.
    if '"' not in text and "\\" not in text:
        with contextlib.suppress(ValueError):
            return _read_json(text.replace("'", '"'))
    from ast import literal_eval  # not before the fork, where every program would pay for it

    return literal_eval(text)


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no literal")


_read_json = json.JSONDecoder(parse_constant=_refuse_constant).decode
