"""The answer's end: its objects stay here and are worked on from the tests' process, by number.

All of it runs in the interpreter that the answer may have changed, and nothing of it is believed there.
"""

from __future__ import annotations

import contextlib
import marshal
import operator
import re
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

from listeval.scoring.execution.inside.peer import QUICK, SKIPPED, Peer, builtin_exception
from listeval.scoring.execution.inside.values import BY_VALUE, Memo, Refused

UNARY = ("neg", "pos", "abs", "invert", "round", "trunc", "floor", "ceil")
BINARY = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "lshift", "rshift", "and", "or", "xor")
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
OTHERS = (
    *("call", "getitem", "setitem", "delitem", "len", "iter", "next", "contains", "bool", "str", "repr", "hash"),
    *("int", "float", "complex", "index", "enter", "exit", "reversed", "divmod", "format", "await"),
)
SPECIAL = frozenset(f"__{name}__" for name in (*UNARY, *BINARY, *COMPARISONS, *OTHERS))
"""The special methods that a test may reach through an operator or a builtin."""

_PLAIN = (int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset)


SHORT = 2000
"""Characters of a literal beyond which JSON is faster."""
NO_REFERENCES = 2
"""The version of marshal that writes the same bytes for equal values."""
_no_literal = re.compile(r"inf|nan|frozenset\(|bytearray\(|array\(|Ellipsis|<").search
"""What the text of a value that marshal takes may hold where it is no literal. A string that holds one goes the long
way for nothing."""
_load, _save = marshal.loads, marshal.dumps
_arguments = vars(BaseException)["args"].__get__
"""Those of an exception, whatever its class calls so."""


class Function:
    """A function of the tests, called from here."""

    def __init__(self, peer: Exported, number: int) -> None:
        self._peer, self._number = peer, number

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._peer.ask("call", self, arguments, named)


class Iterator(Function):
    """An iterator of the tests, advanced from here."""

    def __iter__(self) -> Iterator:
        return self

    def __next__(self) -> Any:
        return self._peer.ask("next", self)


class Exported(Peer):
    """The names in `namespace` and everything that can be reached from them."""

    def __init__(self, channel: int, namespace: dict[str, Any]) -> None:
        super().__init__(channel)
        self.namespace = namespace
        self._objects: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._plain = False
        self.operations = {**_OPERATIONS, "name": self._look_up}

    def announced(self, name: str) -> str:
        """The number of a plain function, told before anybody asks; a dash for everything else."""
        value = self.namespace.get(name)
        return str(self._numbered(value)[0]) if type(value) is FunctionType else "-"

    def serve_quick(self, packet: bytes) -> None:
        """Call a function with builtin values and answer in kind, with as little of this interpreter as can be.

        The answer is the text of a literal; what is none, or long, goes the long way. Then the calls that were sent
        ahead are not made: what is asked next may be about the result as it is now.
        """
        self._plain = False
        number, arguments, named = _load(packet[1:])
        try:
            result = self._objects[number](*arguments, **named)
        except BaseException as error:  # noqa: BLE001 - it is the tests' to deal with, SystemExit included
            self.reply(None, error, Memo())
            return
        try:
            text = repr(result) if _save(result, NO_REFERENCES) else ""
        except BaseException:  # noqa: BLE001 - what cannot be written so goes the long way
            text = ""
        if 0 < len(text) <= SHORT and not _no_literal(text):
            self._plain = True
            self.write(QUICK + text.encode("utf-8", "surrogatepass"))
        else:
            self.reply(result, None, Memo())

    def serve_ahead(self, packet: bytes) -> None:
        """Make a call that was sent before the one in front of it was answered, if that gave a plain value."""
        if self._plain:
            self.serve_quick(packet)
        else:
            self.write(SKIPPED)

    def _look_up(self, name: str) -> Any:
        return self.namespace[name]

    def name(self, value: Any) -> list[Any]:
        """Its number, with its class where it is none; a module by its name, the tests' function as it came."""
        if type(value) is FunctionType:
            return ["function", self._numbered(value)[0]]
        if isinstance(value, Function):
            return ["yours", value._number]
        if type(value) is ModuleType:
            return ["module", value.__name__, *self._numbered(value)]
        if isinstance(value, type):
            return ["kind", *self._numbered(value)]
        known = id(value) in self._numbers
        cells = ["object", *self._numbered(value), self._codec.encode(type(value), Memo())]
        if isinstance(value, BaseException) and not known:
            with contextlib.suppress(Refused):
                cells.append(self._codec.encode(_arguments(value), Memo()))
        return cells

    def _numbered(self, value: Any) -> list[Any]:
        number = self._numbers.get(id(value))
        if number is not None:
            return [number, None]
        number = self._numbers[id(value)] = len(self._objects)
        self._objects.append(value)
        if not isinstance(value, type):
            return [number, None]
        special = sorted(special_methods(value))
        bases = [self._codec.encode(base, Memo()) for base in value.__bases__ if base is not object]
        return [number, [value.__name__, bases, special]]

    def resolve(self, data: list[Any]) -> Any:
        """An object of ours by its number, or something of the tests'."""
        if data[0] == "object":
            return self._objects[data[1]]
        if data[0] == "module":
            return __import__(data[1], fromlist=["_"])
        return (Iterator if data[0] == "iterator" else Function)(self, data[1])

    def revive(self, kind: Any, arguments: Any, text: str) -> BaseException:
        """An exception that a function of the tests raised."""
        return kind if isinstance(kind, BaseException) else builtin_exception(kind, arguments, text)


def special_methods(kind: type) -> set[str]:
    """Which of `SPECIAL` instances have, beyond what every object has."""
    return {name for name in SPECIAL if _defines(kind, name)}


def _defines(kind: type, name: str) -> bool:
    found = next((vars(base)[name] for base in kind.__mro__[:-1] if name in vars(base)), None)
    return found is not None


def _call(function: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    return function(*arguments, **named)


def _plain(value: Any) -> tuple[Any, ...]:
    """The value of an instance of a subclass of a builtin type, alone in a tuple; else an empty one."""
    base = next((kind for kind in _PLAIN if isinstance(value, kind)), None)
    return () if base is None or type(value) in BY_VALUE else (base(value),)


def _awaited(value: Any) -> Any:
    """What an awaitable gives, once a loop of its own has run it to its end."""
    import asyncio

    async def wait() -> Any:
        return await value

    return asyncio.run(wait())


def _binary(name: str) -> Callable[..., Any]:
    function: Callable[..., Any] = getattr(operator, {"and": "and_", "or": "or_"}.get(name, name))
    return function


def _unary(name: str) -> Callable[..., Any]:
    if name in ("trunc", "floor", "ceil"):
        import math

        function: Callable[..., Any] = getattr(math, name)
        return function
    return round if name == "round" else _binary(name)


_OPERATIONS: dict[str, Callable[..., Any]] = {
    **{name: _binary(name) for name in (*BINARY, *COMPARISONS)},
    **{name: _unary(name) for name in UNARY},
    "call": _call,
    "plain": _plain,
    "getitem": operator.getitem,
    "setitem": operator.setitem,
    "delitem": operator.delitem,
    "contains": operator.contains,
    "getattr": getattr,
    "setattr": setattr,
    "delattr": delattr,
    "enter": lambda value: type(value).__enter__(value),
    "exit": lambda value, kind: type(value).__exit__(value, kind, None, None),
    "len": len,
    "iter": iter,
    "next": next,
    "bool": bool,
    "str": str,
    "repr": repr,
    "hash": hash,
    "int": int,
    "float": float,
    "complex": complex,
    "index": operator.index,
    "reversed": reversed,
    "divmod": divmod,
    "format": format,
    "await": _awaited,
    "dir": dir,
}
