"""The tests' end: the answer's objects as tests see them, each operation carried out where the object is.

An object of the answer's is never equal to a value, less or more than one, unless it is one (a subclass of list, int,
...), and then its value is fetched, once where it cannot change, and compared and calculated with here: no `__eq__`
and no `__sub__` of the answer's says whether a result is right. For the same reason an operator between another
object and a test's value gives an object or nothing, and that object, which was made knowing the test's value, is
never taken for a value itself.
"""

from __future__ import annotations

import contextlib
import marshal
import math
import operator
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable
from importlib import import_module
from types import ModuleType
from typing import Any, NoReturn

from listeval.scoring.execution.inside.exported import (
    BINARY,
    COMPARISONS,
    NO_REFERENCES,
    OTHERS,
    SHORT,
    SPECIAL,
    UNARY,
    special_methods,
)
from listeval.scoring.execution.inside.peer import (
    AHEAD,
    PACKET,
    QUICK,
    SKIPPED,
    Gone,
    Peer,
    builtin_exception,
    read_packet,
)
from listeval.scoring.execution.inside.values import HERE_ONLY, Memo, Refused, literal

_HOME = "_home of an answer's object"
"""Where a proxy keeps its end and its number: a name that no attribute can have."""
_MOST_AHEAD = 8
"""Calls sent ahead at most: with their results they must fit the channel, since both ends may write at once."""
_UNWANTED = frozenset({"__main__", "antigravity", "idlelib", "test", "tests", "this", "turtledemo"})
"""Modules that do something when they are imported."""


_CALCULATE: dict[str, Callable[..., Any]] = {
    **{name: getattr(operator, {"and": "and_", "or": "or_"}.get(name, name)) for name in BINARY},
    **{name: getattr(operator, name) for name in ("neg", "pos", "abs", "invert")},
    **{"pow": pow, "divmod": divmod, "round": round},
    **{name: getattr(math, name) for name in ("trunc", "floor", "ceil")},
}
"""Operators as they are for builtin types."""
_CHANGELESS = (int, float, complex, str, bytes, tuple, frozenset)
_METHODS_OF_VALUES = frozenset(
    name for kind in _CHANGELESS for name in vars(kind) if not name.startswith("_") and name != "copy"
)
"""Methods that are handed a value by a test and change nothing: those of a value are called here."""


class Class(type):
    """A class of the answer's: calling it makes an object there."""

    def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> Class:
        if bases != (Object,):
            raise TypeError("a test cannot subclass a class of the answer's")
        return type.__new__(cls, name, bases, body)

    def __call__(cls, *arguments: Any, **named: Any) -> Any:
        peer, _ = _home(cls)
        return peer.ask("call", cls, arguments, named)

    def __getattr__(cls, name: str) -> Any:
        peer, _ = _home(cls)
        return peer.ask("getattr", cls, name)

    def __setattr__(cls, name: str, value: Any) -> None:
        peer, _ = _home(cls)
        peer.ask("setattr", cls, name, value)


class Object:
    """An object of the answer's."""

    def __getattr__(self, name: str) -> Any:
        peer = _home(self)[0]
        if name in _METHODS_OF_VALUES and (value := peer.value(self)) and hasattr(value[0], name):
            return getattr(value[0], name)
        return peer.ask("getattr", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        _home(self)[0].ask("setattr", self, name, value)

    def __delattr__(self, name: str) -> None:
        _home(self)[0].ask("delattr", self, name)

    def __dir__(self) -> Any:
        return _home(self)[0].ask("dir", self)

    def __repr__(self) -> str:
        return str(_home(self)[0].ask("repr", self))

    def __str__(self) -> str:
        return str(_home(self)[0].ask("str", self))

    def __hash__(self) -> int:
        return int(_home(self)[0].ask("hash", self))


def _home(thing: Any) -> tuple[Proxies, int]:
    home: tuple[Proxies, int] = type.__getattribute__(thing, _HOME) if isinstance(thing, type) else vars(thing)[_HOME]
    return home


def is_theirs(value: Any) -> bool:
    """Whether it is an object or a class of the answer's."""
    return isinstance(value, (Object, Class))


def _compare(name: str) -> Callable[..., Any]:
    here = getattr(operator, name)

    def method(self: Any, other: Any) -> Any:
        peer = _home(self)[0]
        if is_theirs(other):
            return peer.ask(name, self, other)
        value = peer.value(self)
        return here(value[0], other) if value else NotImplemented

    return method


def _operator(name: str, *, reflected: bool = False) -> Callable[..., Any]:
    def method(self: Any, other: Any, *rest: Any) -> Any:
        peer = _home(self)[0]
        operands = (other, self) if reflected else (self, other)
        if is_theirs(other):
            return peer.passed_on(peer.ask(name, *operands, *rest), self, other)
        if value := peer.value(self):
            return _CALCULATE[name](*((other, value[0]) if reflected else (value[0], other)), *rest)
        result = _object_only(name, peer.ask(name, *operands, *rest))
        peer.tell(result)
        return result

    return method


def _unary(name: str) -> Callable[..., Any]:
    def method(self: Any, *rest: Any) -> Any:
        peer = _home(self)[0]
        if value := peer.value(self):
            return _CALCULATE[name](value[0], *rest)
        return peer.passed_on(_object_only(name, peer.ask(name, self, *rest)), self)

    return method


def _object_only(name: str, result: Any) -> Any:
    return result if is_theirs(result) else _unreliable(name)


def _unreliable(name: str) -> NoReturn:
    raise TypeError(f"'{name}' on an object of the answer's gave a value, which no test can rely on")


def _forward(name: str) -> Callable[..., Any]:
    return lambda self, *operands: _home(self)[0].ask(name, self, *operands)


def _convert(name: str) -> Callable[..., Any]:
    return lambda self: _unreliable(name) if _home(self)[0].was_told(self) else _home(self)[0].ask(name, self)


def _contains(self: Any, item: Any) -> bool:
    if hasattr(type(self), "__iter__"):
        return any(one is item or one == item for one in self)
    return bool(_home(self)[0].ask("contains", self, item))


def _await(self: Any) -> Generator[None, None, Any]:
    yield from ()
    return _home(self)[0].ask("await", self)


_METHODS: dict[str, Callable[..., Any]] = {
    **{f"__{name}__": _forward(name) for name in OTHERS},
    **{f"__{name}__": _convert(name) for name in ("int", "float", "complex", "index")},
    "__divmod__": _operator("divmod"),
    **{f"__{name}__": _compare(name) for name in COMPARISONS},
    **{f"__{name}__": _operator(name) for name in BINARY},
    **{f"__{name}__": _unary(name) for name in UNARY},
    "__await__": _await,
    "__call__": lambda self, *arguments, **named: _home(self)[0].ask("call", self, arguments, named),
    "__contains__": _contains,
    "__exit__": lambda self, kind, *_: _home(self)[0].ask("exit", self, kind),
}
_COROUTINE: dict[str, Callable[..., Any]] = {
    "send": lambda self, _: next(_await(self)),
    "throw": lambda self, error: _await(self).throw(error),
    "close": lambda self: None,
}
"""What makes an awaitable a coroutine, which runs to its end where it is when it is first stepped."""
_REFLECTED = {f"__r{name}__": _operator(name, reflected=True) for name in (*BINARY, "divmod")}
_ALWAYS = {"__eq__": _compare("eq"), "__ne__": _compare("ne"), "__hash__": Object.__hash__}


def _methods(special: Iterable[str]) -> dict[str, Callable[..., Any]]:
    """Without those that every object has already."""
    return {name: _METHODS[name] for name in special if name not in ("__repr__", "__str__", "__hash__")}


class Function(Object, metaclass=Class):
    """A function of the answer's, of the one class that each has in common."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        peer, number = _home(self)
        packed = peer.pack((number, arguments, named))
        return peer.ask("call", self, arguments, named) if packed is None else peer.ask_quickly(packed)

    __eq__, __ne__, __hash__ = _compare("eq"), _compare("ne"), Object.__hash__


def number_of(function: Any) -> int | None:
    """The number of a function of the answer's; None for everything else."""
    return _home(function)[1] if type(function) is Function else None


class Proxies(Peer):
    """The answer's names and objects.

    `quick`: whether no test can see what a call does to its arguments. `raised` are the exceptions that came from
    there; `imported`: whether a module was read for the answer's sake that was not there before.
    """

    def __init__(self, channel: int, *, quick: bool = False) -> None:
        super().__init__(channel)
        self._quick = quick
        self.raised: list[BaseException] = []
        self.imported = False
        self._known: dict[int, Any] = {}
        self._kinds: dict[type, Class] = {}
        self._functions: list[Any] = []
        self._ahead: deque[bytes] = deque()
        self._values: dict[int, tuple[Any, ...]] = {}
        self._told: set[int] = set()
        self.operations = {"call": self._call, "next": self._next}

    def value(self, thing: Any) -> tuple[Any, ...]:
        """The value that an object is, alone in a tuple; an empty one where it is none, or was told a test's value."""
        number = _home(thing)[1]
        if number in self._told:
            return ()
        if number in self._values:
            return self._values[number]
        plain = self.ask("plain", thing)
        value = plain if type(plain) is tuple and len(plain) == 1 and not is_theirs(plain[0]) else ()
        # Asked twice, an answer could be less than one bound and more than the other.
        if not value or isinstance(value[0], _CHANGELESS):
            self._values[number] = value
        return value

    def tell(self, thing: Any) -> None:
        """Note that an object was made by an operator with a value of the test's."""
        self._told.add(_home(thing)[1])

    def was_told(self, thing: Any) -> bool:
        """Whether an object was made from a test's value."""
        return _home(thing)[1] in self._told

    def passed_on(self, result: Any, *origins: Any) -> Any:
        """What came of objects; told like them. Raises TypeError where that would be a value."""
        if any(self.was_told(origin) for origin in origins):
            self.tell(_object_only("an operator", result))
        return result

    def _call(self, function: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        return self._handed_over(function)(*arguments, **named)

    def _next(self, iterator: Any) -> Any:
        return next(self._handed_over(iterator))

    def _handed_over(self, thing: Any) -> Any:
        """Nothing but what a test gave away may be used from there: calling `type` would make a class here."""
        if any(thing is one for one in self._functions):
            return thing
        raise Refused("a function that no test handed over")

    def name(self, value: Any) -> list[Any]:
        """A reference to the answer's own, to a module, or to a function or an iterator of the tests."""
        if is_theirs(value):
            known = next((kind for kind, made in self._kinds.items() if made is value), None)
            return ["object", _home(value)[1]] if known is None else ["class", f"builtins.{known.__name__}"]
        if isinstance(value, ModuleType):
            return ["module", value.__name__]
        if hasattr(type(value), "__next__"):
            return ["iterator", self._number(value)]
        if callable(value):
            return ["function", self._number(value)]
        raise Refused(f"an object of the tests' own ({type(value).__name__})")

    def _number(self, value: Any) -> int:
        self._functions.append(value)
        return len(self._functions) - 1

    def resolve(self, data: list[Any]) -> Any:
        """Ours again; a module of the library; a proxy, the same one for the same object."""
        tag, number = data[0], data[1]
        if tag == "yours":
            return self._functions[number]
        if tag == "module":
            if module := self._module(data[1]):
                return module
            number = data[2]
        if number not in self._known:
            make: dict[str, Callable[..., Any]] = {
                "kind": self._class,
                "object": self._object,
                "module": self._plain_module,
                "function": self.function,
            }
            self._known[number] = make[tag](number, *data[2:])
        return self._known[number]

    def pack(self, call: tuple[int, tuple[Any, ...], dict[str, Any]]) -> bytes | None:
        """A call of builtin values in a form that costs the answer's process least; None where it has none."""
        try:
            packed = marshal.dumps(call, NO_REFERENCES) if self._quick else b""
        except ValueError:
            return None
        return QUICK + packed if 0 < len(packed) < PACKET else None

    def call_ahead(self, calls: Iterable[tuple[int, tuple[Any, ...], dict[str, Any]]]) -> None:
        """Send calls that are sure to be asked for, in this order, so that neither end waits for the other."""
        for call in calls:
            packed = self.pack(call)
            if packed is None or len(packed) > SHORT or len(self._ahead) == _MOST_AHEAD:
                break
            try:
                self.write(AHEAD + packed[1:] if self._ahead else packed)
            except Gone:
                self.gone = False  # what it answered to the calls before is still to be read
                break
            self._ahead.append(packed)

    def _call_off(self) -> None:
        """Forget the calls that were sent ahead and, as the answer's end must have found, cannot be made so."""
        sent = len(self._ahead)
        self._ahead.clear()
        for _ in range(sent):
            packet = read_packet(self.channel)
            if not packet:
                self.gone = True
                raise Gone
            if packet != SKIPPED:
                raise Refused("a result that nobody waits for")

    def ask_quickly(self, packed: bytes) -> Any:
        """The result of a packed call. Raises like `ask`."""
        if self._ahead and self._ahead[0] == packed:
            self._ahead.popleft()
        else:
            self._call_off()
            self.write(packed)
        packet = read_packet(self.channel)
        if packet[:1] == QUICK:
            try:
                return literal(packet[1:].decode("utf-8", "surrogatepass"))
            except (ValueError, SyntaxError, TypeError, RecursionError) as error:
                raise Refused(f"a result of another form ({type(error).__name__})") from None
        reply = self.receive(packet)
        self._call_off()
        return self.settle(reply, Memo())

    def function(self, number: int) -> Any:
        found = self._known.get(number)
        return self._at(number, Function) if found is None else found

    def _module(self, name: str) -> ModuleType | None:
        """The library's own module, untouched by the answer; None for one of the answer's making."""
        parts = name.split(".")
        if parts[0] not in sys.stdlib_module_names or not _UNWANTED.isdisjoint(parts):
            return None
        self.imported |= name not in sys.modules
        with contextlib.suppress(Exception):
            return import_module(name)
        return None

    def _class(self, number: int, told: Any) -> Class:
        name, bases, special = told
        parents = [self._codec.decode(base, Memo()) for base in bases]
        kept = tuple(base for base in parents if isinstance(base, Class) or issubclass(base, BaseException))
        if not any(isinstance(base, Class) for base in kept):
            kept = (*kept, Object)
        methods = _methods(SPECIAL.intersection(special))
        methods |= {back: _REFLECTED[back] for name in methods if (back := f"__r{name[2:]}") in _REFLECTED}
        # An exception's words would be those of its builtin class, which comes before `Object`.
        methods |= {"__repr__": Object.__repr__, "__str__": Object.__str__}
        if name == "coroutine" and "__await__" in methods:
            methods |= _COROUTINE
        return self._made(number, str(name), kept, {**methods, **_ALWAYS, "__module__": "program"})

    def _made(self, number: int, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> Class:
        made = type.__new__(Class, name, bases, body)
        type.__setattr__(made, _HOME, (self, number))
        return made

    def _builtin(self, kind: type) -> Class:
        """The class of the answer's objects of a builtin class, whose methods are known without asking."""
        if kind not in self._kinds:
            body = {**_methods(special_methods(kind)), **_ALWAYS, "__class__": property(lambda _: kind)}
            self._kinds[kind] = self._made(-1, kind.__name__, (Object,), body)
        return self._kinds[kind]

    def _object(self, number: int, _: None, kind: Any, arguments: Any = None) -> Any:
        kind = self._codec.decode(kind, Memo())
        if kind in HERE_ONLY:
            kind = self._builtin(kind)
        if not isinstance(kind, Class):
            raise Refused("an object whose class is a value's")
        made = self._at(number, kind)
        if isinstance(made, BaseException) and arguments is not None:
            BaseException.__init__(made, *self._codec.decode(arguments, Memo()))
        return made

    def _plain_module(self, _: str, number: int, __: None) -> Any:
        return self._at(number, self._made(-1, "module", (Object,), {}))

    def _at(self, number: int, kind: Any) -> Any:
        made = (BaseException if issubclass(kind, BaseException) else object).__new__(kind)
        vars(made)[_HOME] = self, number
        self._known[number] = made
        return made

    def revive(self, kind: Any, arguments: Any, text: str) -> BaseException:
        """The exception as one of the same builtin class, or the answer's own object where its class is its own."""
        if isinstance(kind, Object) and isinstance(kind, BaseException):
            made: BaseException = kind
            BaseException.__init__(made, *(arguments if isinstance(arguments, tuple) else (text,)))
        else:
            made = builtin_exception(kind, arguments, text)
        self.raised.append(made)
        return made
