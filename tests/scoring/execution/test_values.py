"""Values cross between the two processes and are what they were; what is no value is refused, never believed."""

from __future__ import annotations

import builtins
import collections
import datetime
import decimal
import fractions
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.scoring.execution import Outcome, Program
from listeval.scoring.execution.inside.proxies import Class, Object, Proxies
from listeval.scoring.execution.inside.values import Codec, Memo, Refused
from tests.scoring.execution.conftest import sandbox  # noqa: F401 - a fixture


def refuse(what):
    raise Refused(str(what))


CODEC = Codec(refuse, refuse)


def crossed(value):
    return CODEC.decode(json.loads(json.dumps(CODEC.encode(value, Memo()))), Memo())


hashable = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary() | st.fractions()
    | st.dates() | st.datetimes() | st.timedeltas()
    | st.decimals(allow_nan=False) | st.complex_numbers(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4).map(tuple) | st.frozensets(inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
values = st.recursive(
    hashable,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(hashable, inner, max_size=4) | st.sets(hashable, max_size=4)
        | st.lists(inner, max_size=4).map(collections.deque)
        | st.dictionaries(hashable, inner, max_size=3).map(collections.OrderedDict)
    ),
    max_leaves=12,
)  # fmt: skip


@given(values)
def test_a_value_arrives_as_it_was(value):
    back = crossed(value)
    assert back == value
    assert repr(back) == repr(value) or isinstance(value, (set, frozenset)) or "{" in repr(value)


@pytest.mark.parametrize(
    "value",
    [
        collections.Counter("hello"), collections.defaultdict(list, a=[1]), collections.deque([1, 2], 5),
        range(3, 9, 2),
        slice(1, None), ..., int, ValueError, collections.Counter, decimal.Decimal, fractions.Fraction, 10**5000, -0.0,
        float("inf"), "\ud800", {}.keys(), {"a": 1}.items(), datetime.time(1, 2, fold=1), datetime.UTC,
        datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=2), "X")), bytearray(b"\xff"),
        NotImplemented,
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_one_of_each(value):
    back = crossed(value)
    assert type(back) is type(value)
    assert back == value or repr(back) == repr(value)
    assert type(value) is int or repr(back) == repr(value)


@pytest.mark.parametrize(
    "error",
    [ValueError("a", 1), KeyError(), OSError(2, "x", "file"), SystemExit(3), StopIteration([1]),
     ExceptionGroup("g", [ValueError()]), UnicodeDecodeError("utf-8", b"x", 0, 1, "why")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_exceptions(error):
    back = crossed(error)
    assert type(back) is type(error)
    assert (str(back), repr(back), repr(back.args)) == (str(error), repr(error), repr(error.args))


@pytest.mark.parametrize(
    "value", [memoryview(b"ab"), memoryview(b""), memoryview(b"abcdefgh").cast("i"), memoryview(b"abcd")[::2]]
)
def test_views(value):
    back = crossed(value)
    assert type(back) is memoryview and (back, back.format) == (value, value.format)


@pytest.mark.parametrize("kind", ["open", "property", "bytearray", "x"])
def test_only_an_exception_is_made_as_one(kind):
    with pytest.raises((Refused, TypeError)):
        CODEC.decode(["error", ["class", f"builtins.{kind}"], 9], Memo())


BUILTIN = sorted(name for name, kind in vars(builtins).items() if isinstance(kind, type))


@pytest.mark.parametrize("name", [*BUILTIN, "Counter", "Decimal"])
def test_no_object_is_of_a_class_whose_objects_cross_as_values(name):
    """What the answer's end says of a list that it keeps must not make one here, nor anything that is taken for one."""
    peer = Proxies(-1)
    made = {"Counter": "collections.Counter", "Decimal": "decimal.Decimal"}.get(name, f"builtins.{name}")
    try:
        found = peer.resolve(["object", 0, None, ["class", made]])
    except Refused:
        return
    assert type(type(found)) is Class and type(found).__mro__[1:] == (Object, object)
    assert not isinstance(found, (int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset, type))


def test_nan():
    assert math.isnan(crossed(math.nan))


def test_one_container_twice_is_one_there_too():
    inner = [1]
    back = crossed([inner, inner])
    back[0].append(2)
    assert back == [[1, 2], [1, 2]]


def test_a_list_in_itself():
    cycle: list = []
    cycle.append(cycle)
    back = crossed(cycle)
    assert back[0] is back


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
tags = st.sampled_from(
    ["list", "dict", "set", "int", "seen", "class", "tuple", "bytes", "deque", "datetime.date", "error", "view", "x"]
)


@given(json_values | st.builds(lambda tag, cells: [tag, *cells], tags, st.lists(json_values, max_size=4)))
def test_anything_else_raises_an_ordinary_exception(data):
    try:
        back = CODEC.decode(data, Memo())
    except Exception:  # noqa: BLE001 - whatever it is, the test that asked fails by it
        return
    assert type(back).__module__ in ("builtins", "collections", "datetime", "decimal", "fractions")


def test_a_subclass_is_no_value():
    class Mine(int):
        pass

    with pytest.raises(Refused):
        crossed(Mine(1))


@pytest.mark.parametrize(
    "value",
    ["float('inf')", "float('-inf')", "[1, float('inf')]", "frozenset([1])", "frozenset()", "{frozenset([1]): 2}",
     "...", "complex(0, float('inf'))", "'inf < nan'", "set()", "10**5000", "-0.0", "StopIteration"],
)  # fmt: skip
def test_what_is_no_literal_arrives_at_a_pure_test(sandbox, value):  # noqa: F811
    (ran,) = sandbox.run([Program(f"def f(): return {value}", (f"assert f() == {value}",))])
    assert ran.outcome is Outcome.OK, ran


def test_not_a_number_arrives_at_a_pure_test(sandbox):  # noqa: F811
    (ran,) = sandbox.run([Program("def f(): return float('nan')", ("assert f() != f()",))])
    assert ran.outcome is Outcome.OK, ran


KEPT = {
    "map": ("map(str, x)", "list(f([1, 2])) == ['1', '2'] and [*f([3])] == ['3'] and set(f([1])) == {'1'}"),
    "filter": ("filter(None, x)", "sorted(f([2, 0, 1])) == [1, 2] and 2 in f([2])"),
    "zip": ("zip(x, x)", "dict(f([1])) == {1: 1}"),
    "enumerate": ("enumerate(x)", "[(n, v) for n, v in f([5])] == [(0, 5)]"),
    "reversed tuple": ("reversed(tuple(x))", "tuple(f([1, 2])) == (2, 1)"),
    "reversed text": ("reversed(str(x))", "''.join(f(12)) == '21'"),
    "its class": ("map(str, x)", "list(type(f([1]))(int, ['2'])) == [2] and type(f([1])) is type(f([2]))"),
    "several": ("[map(str, x), zip(x)]", "[list(one) for one in f([1])] == [['1'], [(1,)]]"),
    "next": ("map(str, x)", "next(f([1, 2])) == '1' and next(f([]), 'none') == 'none'"),
    "iterator": ("map(str, x)", "isinstance(f([1]), map) and iter(x := f([1])) is x"),
    "sum": ("filter(None, x)", "sum(f([1, 0, 2])) == max(f([3, 0]))"),
    "handed back": ("x if type(x) is map else map(str, x)", "list(f(f([1]))) == ['1']"),
    "object": ("object()", "f(1) is not None and f(1) != f(1) and isinstance(f(1), object)"),
    "property": ("property(str)", "isinstance(f(1), property) and f(1).fget(2) == '2'"),
    "staticmethod": ("staticmethod(str)", "f(1)(3) == '3'"),
    "view": ("memoryview(b'ab')", "f(1) == b'ab' and bytes(f(1)) == b'ab' and f(1)[0] == 97"),
    "NotImplemented": ("NotImplemented", "f(1) is NotImplemented"),
    "exception": ("ValueError('a', x)", "isinstance(f(1), ValueError) and f(1).args == ('a', 1)"),
    "exceptions": ("[KeyError(x)]", "str(f(1)[0]) == '1' and repr(f(2)) == '[KeyError(2)]'"),
}


@pytest.mark.parametrize("name", KEPT)
def test_builtin_objects_that_are_no_values_can_be_used(sandbox, name):  # noqa: F811
    value, test = KEPT[name]
    (ran,) = sandbox.run([Program(f"def f(x): return {value}", (f"assert {test}",))])
    assert ran.outcome is Outcome.OK, ran


@pytest.mark.parametrize(
    "test",
    ["asyncio.run(f(2)) == 3", "asyncio.run(both()) == [3, 5]", "asyncio.run(after()) == 4", "asyncio.run(caught())",
     "asyncio.run(asyncio.wait_for(f(2), 9)) == 3", "asyncio.iscoroutine(f(1))"],
)  # fmt: skip
def test_coroutines_are_awaited_where_they_are(sandbox, test):  # noqa: F811
    code = "import asyncio\nasync def f(x):\n await asyncio.sleep(0)\n if x < 0: raise ValueError('no')\n return x + 1"
    of_tests = """import asyncio
async def both(): return await asyncio.gather(f(2), f(4))
async def after(): return await f(3)
async def caught():
    try: await f(-1)
    except ValueError as error: return str(error) == 'no'"""
    programs = [Program(code, (of_tests, f"assert {one}"), "", ("f",)) for one in (test, f"not ({test})")]
    right, wrong = sandbox.run(programs)
    assert (right.outcome, wrong.outcome) == (Outcome.OK, Outcome.ASSERTION), (right, wrong)


@pytest.mark.parametrize("test", ["f([1]) == ['1']", "f([1]) == f([1])", "len(f([1])) == 1", "f([1])[0] == '1'"])
def test_a_builtin_iterator_is_not_what_it_gives(sandbox, test):  # noqa: F811
    (ran,) = sandbox.run([Program("def f(x): return map(str, x)", (f"assert {test}",))])
    assert ran.outcome in (Outcome.ASSERTION, Outcome.EXCEPTION), ran


OWN = (
    "class E(Exception): pass\nclass T(ValueError):\n def __init__(s, m): s.m = m\n def __str__(s): return 'T:' + s.m\n"
)


@pytest.mark.parametrize(
    "test",
    ["assert E('no').args == ('no',) and str(E('no')) == 'no' and isinstance(E(), Exception)",
     "assert str(T('x')) == 'T:x' and T('x').m == 'x' and T('x').args == ('x',)",
     "try: raise E('a')\nexcept E as e: assert str(e) == 'a' and e.args == ('a',)\nelse: assert False",
     "try: f(T('x'))\nexcept ValueError as e: assert str(e) == 'T:x' and e.m == 'x'\nelse: assert False",
     "try: f(KeyError(1))\nexcept KeyError as e: assert e.args == (1,)\nelse: assert False"],
)  # fmt: skip
def test_exceptions_of_the_answers_own(sandbox, test):  # noqa: F811
    (ran,) = sandbox.run([Program(f"{OWN}def f(e): raise e", (test,))])
    assert ran.outcome is Outcome.OK, ran


@pytest.mark.parametrize(
    ("code", "test"),
    [
        ("class F(float): pass\ndef f(): return F(2)",
         "assert abs(f() - 1.5) == 0.5 and 3 - f() == 1 and 0 < f() < 3"),
        ("class S(set): pass\ndef f(): return S([1])", "assert f() | {2} == {1, 2} and f().issubset({1, 2})"),
        ("from enum import *\nclass E(IntEnum):\n A = 3\ndef f(): return E.A",
         "assert f() + 1 == 4 and f().name == 'A'"),
        ("class S(str): pass\ndef f(): return S('ab')", "assert f() + 'c' == 'abc' and f().startswith('a')"),
        ("class L(list): pass\ndef f(): return L([1])", "x = f()\nx.append(2)\nassert x == [1, 2] and x.count(2) == 1"),
        ("from collections import *\nP = namedtuple('P', 'x y')\ndef f(): return P(1, 2)",
         "assert f() == (1, 2) == f() * 1"),
        ("class V:\n def __init__(s, x): s.x = x\n def __mul__(s, k): return V(s.x * k)\ndef f(): return V(2)",
         "assert (f() * 3).x == 6"),
    ],
)  # fmt: skip
def test_objects_can_be_calculated_with(sandbox, code, test):  # noqa: F811
    (ran,) = sandbox.run([Program(code, (test,))])
    assert ran.outcome is Outcome.OK, ran
