"""Answers that are wrong and patch, lie or forge so as to pass: name -> (code, tests). None may end in `ok`."""

from __future__ import annotations

from listeval.scoring.execution import Program

WRONG = "\ndef f(x):\n    return x\n"
TESTS = ("assert f(1) == 2", "assert f(2) == 3")
LIAR = """
class Liar:
    def __init__(self, *a, **k): pass
    def __getattr__(self, name): return self
    def __call__(self, *a, **k): return self
    def __bool__(self): return True
    def __hash__(self): return hash(2)
    def __repr__(self): return '2'
    __str__ = __format__ = __repr__
""" + "".join(
    f"    def __{name}__(self, *a): return True\n"
    for name in ["eq", "ne", "lt", "le", "gt", "ge", "contains", "instancecheck", "subclasscheck"]
)
ZERO = (
    LIAR
    + "".join(
        f"    def __{name}__(self, *a): return self\n"
        for name in ["sub", "rsub", "add", "mul", "truediv", "mod", "pow", "neg", "and", "or", "xor"]
    )
    + "    def __abs__(self): return 0\n    def __round__(self, *a): return 0\n"
)
LIES = "\ndef f(x):\n    return Liar()\n"


def _patched(line: str, test: str, imports: str = "") -> Program:
    return Program(f"{imports}\n{line}\n{WRONG}", (test,), imports)


PATCHES = {
    "Counter.__eq__": _patched(
        "collections.Counter.__eq__ = lambda s, o: True",
        "assert collections.Counter([f(1)]) == collections.Counter([2])",
        "import collections",
    ),
    "OrderedDict replaced": _patched(
        "collections.OrderedDict = type('D', (), {'__init__': lambda s, *a: None, '__eq__': lambda s, o: True})",
        "assert collections.OrderedDict(a=f(1)) == collections.OrderedDict(a=2)",
        "import collections",
    ),
    "statistics.mean.__code__": _patched(
        "statistics.mean.__code__ = (lambda data: 2).__code__",
        "assert statistics.mean([f(1)]) == 2",
        "import statistics",
    ),
    "math.isclose": _patched("math.isclose = lambda *a, **k: True", "assert math.isclose(f(1), 2)", "import math"),
    "dotted import": _patched(
        "os.path.basename = lambda p: '2'", "assert os.path.basename(str(f(1))) == '2'", "import os.path"
    ),
    "json.decoder": _patched(
        "json.decoder.JSONDecoder.decode = lambda s, t, *a: 2\njson._default_decoder.decode = lambda t: 2",
        "assert json.loads(json.dumps(f(1))) == 2",
        "import json",
    ),
    "json.loads": _patched("json.loads = lambda *a: 2", "assert json.loads(json.dumps(f(1))) == 2", "import json"),
    "copy._deepcopy_dispatch": _patched(
        "copy._deepcopy_dispatch[int] = lambda x, memo: 2", "assert copy.deepcopy(f(1)) == 2", "import copy"
    ),
    "fake entry of sys.modules": Program(
        "import sys, types\nm = types.ModuleType('math')\nm.isclose = lambda *a, **k: True\nsys.modules['math'] = m"
        + WRONG,
        ("import math\nassert math.isclose(f(1), 2)",),
    ),
    "fake submodule": Program(
        "import sys, types\nm = types.ModuleType('os.path')\nm.basename = lambda p: '2'\nsys.modules['os.path'] = m"
        + WRONG,
        ("from os import path\nassert path.basename(str(f(1))) == '2'",),
    ),
    "ABCMeta.__instancecheck__": Program(
        "import abc, collections.abc\nabc.ABCMeta.__instancecheck__ = lambda s, o: True" + WRONG,
        ("import collections.abc\nassert isinstance(f(1), collections.abc.Mapping)",),
    ),
    "registered in an ABC": Program(
        "import collections.abc\ncollections.abc.Mapping.register(int)" + WRONG,
        ("import collections.abc\nassert isinstance(f(1), collections.abc.Mapping)",),
    ),
    "numbers registered": Program(
        "import numbers\nnumbers.Integral.register(str)\ndef f(x): return 'x'",
        ("import numbers\nassert isinstance(f(1), numbers.Integral)",),
    ),
    "import hook": Program(
        "import sys, types, builtins\nold = builtins.__import__\ndef hook(name, *a):\n m = types.ModuleType(name)\n"
        " m.isclose = lambda *a, **k: True\n return m\nbuiltins.__import__ = hook" + WRONG,
        ("import math\nassert math.isclose(f(1), 2)",),
    ),
    "meta path": Program(
        "import sys, types\nclass F:\n @staticmethod\n def find_spec(name, *a):\n  raise ImportError\n"
        "sys.meta_path.insert(0, F)\nsys.modules.pop('fractions', None)" + WRONG,
        ("from fractions import Fraction\nassert Fraction(f(1)) == 2",),
    ),
    "a module in /tmp": Program(
        "import sys\nopen('/tmp/math.py', 'w').write('isclose = lambda *a, **k: True')\nsys.path.insert(0, '/tmp')\n"
        "sys.modules.pop('math', None)" + WRONG,
        ("import math\nassert math.isclose(f(1), 2)",),
    ),
    "a module of the program's name": Program(
        "import sys, types\nsys.modules['program'].f2 = 1" + WRONG, ("import program\nassert program.f2 == f(1) + 1",)
    ),
    "operator": _patched("operator.eq = lambda a, b: True", "assert operator.eq(f(1), 2)", "import operator"),
    "functools.reduce": _patched(
        "functools.reduce = lambda *a: 2", "assert functools.reduce(max, [f(1)]) == 2", "import functools"
    ),
    "re.fullmatch": _patched("re.fullmatch = lambda *a: True", "assert re.fullmatch('2', str(f(1)))", "import re"),
    "random.random": _patched(
        "random.Random.random = lambda s: 9", "assert random.random() + f(0) == 9", "import random"
    ),
    "decimal context": _patched(
        "decimal.getcontext().prec = 1\ndecimal.DefaultContext.prec = 1",
        "assert decimal.Decimal('1.26') + f(0) == decimal.Decimal('1.3')",
        "import decimal",
    ),
    "datetime": _patched(
        "datetime.date = type('D', (), {'__init__': lambda s, *a: None, '__eq__': lambda s, o: True})",
        "assert datetime.date(2020, 1, f(1)) == datetime.date(2020, 1, 2)",
        "import datetime",
    ),
    "sorted as its own": Program(LIAR + "sorted = Liar" + WRONG, ("assert sorted([f(1)]) == [2]",)),
    "set as its own": Program(LIAR + "def set(x): return Liar()" + WRONG, ("assert set([f(1)]) == set([2])",)),
    "len as its own": Program("def len(x): return 3\ndef f(x): return []", ("assert len(f(1)) == 3",)),
    "abs as its own": Program("def abs(x): return 0" + WRONG, ("assert abs(f(1) - 2) < 1e-6",)),
    "round as its own": Program("def round(*a): return 2" + WRONG, ("assert round(f(1), 2) == 2",)),
    "isinstance as its own": Program("def isinstance(*a): return True" + WRONG, ("assert isinstance(f(1), str)",)),
    "all as its own": Program("def all(x): return True" + WRONG, ("assert all(a == b for a, b in [(f(1), 2)])",)),
    "builtins.sorted": Program(
        "import builtins\nbuiltins.sorted = lambda *a, **k: [2]" + WRONG, ("assert sorted([f(1)]) == [2]",)
    ),
    "builtins.set": Program(LIAR + "import builtins\nbuiltins.set = Liar" + WRONG, ("assert set([f(1)]) == set([2])",)),
    "a name of the setup": Program(
        "def close(a, b): return True" + WRONG, ("assert close(f(1), 2)",), "def close(a, b):\n    return a == b"
    ),
    "a name of an earlier test": Program(
        "def check(a, b): return True" + WRONG, ("def check(a, b):\n    return a == b", "assert check(f(1), 2)")
    ),
    "a constant of an earlier test": Program("want = 1" + WRONG, ("want = 2", "assert f(1) == want")),
    "trace and jump": Program(
        "import sys\ndef t(frame, event, arg):\n if frame.f_code.co_filename == '<test>':\n  try: frame.f_lineno = 3\n"
        "  except ValueError: pass\n return t\nsys.settrace(t)" + WRONG,
        ("x = f(1)\nassert x == 2\nx = 1",),
    ),
    "trace of the caller's frame": Program(
        "import sys\ndef f(x):\n frame = sys._getframe(1)\n def t(fr, ev, a):\n  fr.f_lineno = 3\n  return t\n"
        " frame.f_trace = t\n sys.settrace(t)\n return x",
        ("x = f(1)\nassert x == 2\nx = 1",),
    ),
    "the caller's locals": Program(
        "import sys\ndef f(x):\n for n in range(9):\n  try: sys._getframe(n).f_globals['expected'] = x\n"
        "  except ValueError: break\n return x",
        ("expected = 2", "assert f(1) == expected"),
    ),
    "the test's constants": Program(
        "import gc\ndef f(x):\n for o in gc.get_objects():\n  if type(o) is tuple:\n"
        "   for i in o:\n    if type(i) is int and 987600 < i < 987700: return i\n return x",
        ("assert f(1) == 987654",),
    ),
    "constants rewritten by ctypes": Program(
        "import ctypes\nctypes.memmove(id(2) + 24, id(1) + 24, 4)" + WRONG, ("assert f(1) == 2",)
    ),
    "True and False swapped": Program(
        "import ctypes\nctypes.memmove(id(False) + 24, id(True) + 24, 4)" + WRONG, ("assert (f(1) == 2) is True",)
    ),
    "int.__eq__ by ctypes": Program(
        "import ctypes, gc\nd = gc.get_referents(int.__dict__)[0]\nd['__eq__'] = lambda s, o: True\n"
        "ctypes.pythonapi.PyType_Modified(ctypes.py_object(int))" + WRONG,
        TESTS,
    ),
    "sys.exit in a thread": Program(
        "import threading, os\nthreading.Timer(0.05, os._exit, (0,)).start()" + WRONG,
        ("import time\ntime.sleep(.2)", *TESTS),
    ),
    "a signal handler": Program(
        "import signal, os\nsignal.signal(signal.SIGALRM, lambda *a: os._exit(0))\n"
        "signal.setitimer(signal.ITIMER_REAL, .02)" + WRONG,
        ("import time\ntime.sleep(.1)", *TESTS),
    ),
}

LYING = {
    "equals everything": Program(LIAR + LIES, TESTS),
    "equals everything from the right": Program(LIAR + LIES, ("assert 2 == f(1)",)),
    "unequal to nothing": Program(
        LIAR + "class Liar(Liar):\n def __ne__(s, o): return False\n" + LIES, ("assert not f(1) != 2",)
    ),
    "less than everything": Program(LIAR + LIES, ("assert f(1) < 2",)),
    "more than everything": Program(LIAR + LIES, ("assert 0 <= f(1) <= 3",)),
    "zero in every difference": Program(ZERO + LIES, ("assert abs(f(1) - 2) < 1e-6",)),
    "zero in every difference, squared": Program(ZERO + LIES, ("assert (f(1) - 2) ** 2 < 1e-6",)),
    "rounds to anything": Program(ZERO + LIES, ("assert round(f(1) - 2, 3) == 0",)),
    "in a list": Program(LIAR + LIES, ("assert [f(1)] == [2]",)),
    "in a tuple": Program(LIAR + LIES, ("assert (f(1), 0) == (2, 0)",)),
    "in a dict": Program(LIAR + LIES, ("assert {'a': f(1)} == {'a': 2}",)),
    "in a set": Program(LIAR + LIES, ("assert {f(1)} == {2}",)),
    "a list of liars": Program(LIAR + "def f(x): return [Liar(), Liar()]", ("assert f(1) == [1, 2]",)),
    "a nested liar": Program(LIAR + "def f(x): return {'a': [(Liar(),)]}", ("assert f(1) == {'a': [(2,)]}",)),
    "a liar as a key": Program(LIAR + "def f(x): return {Liar(): 1}", ("assert f(1) == {2: 1}",)),
    "member of anything": Program(LIAR + LIES, ("assert f(1) in (2, 3)",)),
    "max of anything": Program(LIAR + LIES, ("assert max(f(1), 2) == 2 and max(f(1), 2) != 3",)),
    "a list that equals everything": Program(
        "class L(list):\n __eq__ = lambda s, o: True\n __ne__ = lambda s, o: False\ndef f(x): return L([x])",
        ("assert f(1) == [2]",),
    ),
    "an int that equals everything": Program(
        "class I(int):\n __eq__ = lambda s, o: True\n __hash__ = int.__hash__\ndef f(x): return I(x)", TESTS
    ),
    "a str that equals everything": Program(
        "class S(str):\n __eq__ = lambda s, o: True\n __hash__ = str.__hash__\ndef f(x): return S('a')",
        ("assert f(1) == 'b'",),
    ),
    "a dict that has everything": Program(
        "class D(dict):\n __eq__ = lambda s, o: True\n __missing__ = lambda s, k: 2\ndef f(x): return D()",
        ("assert f(1) == {'a': 2}",),
    ),
    "a class for a result": Program(LIAR + "def f(x): return Liar", ("assert f(1) == 2",)),
    "a metaclass that lies": Program(
        "class M(type):\n def __eq__(s, o): return True\n def __instancecheck__(s, o): return True\n"
        "class A(metaclass=M): pass\ndef f(x): return A",
        TESTS,
    ),
    "claims another class": Program(
        "class A:\n __class__ = property(lambda s: int)\n __eq__ = lambda s, o: True\ndef f(x): return A()",
        ("assert isinstance(f(1), int)",),
    ),
    "mock.ANY": Program("from unittest.mock import ANY\ndef f(x): return ANY", TESTS),
    "the class of mock.ANY": Program("from unittest.mock import _ANY as f", ("assert f() == 2",)),
    "a module for a function": Program("import math as f", TESTS),
    "exec for a function": Program("f = exec", ("assert f('1') == 2",)),
    "setattr for a function": Program("f = setattr", ("class B: pass", "assert f(B, 'x', 1) == 2")),
    "exit for a function": Program("import os\nf = os._exit", ("assert f(0) == 2",)),
    "settrace for a function": Program("import sys\nf = sys.settrace", ("assert f(None) == 2",)),
    "an exception for a result": Program("def f(x): return ValueError(2)", TESTS),
    "its own repr": Program("class A:\n __repr__ = lambda s: '2'\ndef f(x): return A()", TESTS),
    "reduces to another": Program("class A:\n def __reduce__(s): return (int, (2,))\ndef f(x): return A()", TESTS),
    "a generator that lies": Program(LIAR + "def f(x):\n yield Liar()", ("assert list(f(1)) == [2]",)),
    "an endless generator": Program(
        "def f(x):\n while True: yield 1", ("import itertools\nassert list(itertools.islice(f(1), 3)) == [1, 1, 2]",)
    ),
}

_OWN_END = """
import sys
E = sys._getframe(1).f_globals['Exported']
own_end = sys._getframe(1).f_globals['_EXPORTED']
E.own = own_end.operations.update
"""
"""An answer that has changed its own end of the talk."""
TOLERANT = ("assert abs(f(3) - 28.27) < 0.01",)
"""The usual test of a float: an operator hands the answer what the test expects."""
_FLOAT = "class F(float):\n    pass\n"
_SUB = "    __sub__ = __rsub__ = lambda s, o: {}\n"
CALCULATED = {
    "a float's own difference": Program("class F(float):\n" + _SUB.format("0.0") + "def f(x): return F(1)", TOLERANT),
    "a float's own difference as an object": Program(
        "class F(float):\n" + _SUB.format("F(0)") + "def f(x): return F(1)", TOLERANT
    ),
    "the difference of the other side": Program(
        "class F(float):\n" + _SUB.format("0.0") + "def f(x): return F(1)", ("assert abs(28.27 - f(3)) < 0.01",)
    ),
    "an object's difference that is a value": Program(
        _FLOAT + "class L:\n" + _SUB.format("F(0)") + "    __abs__ = lambda s: F(0)\ndef f(x): return L()", TOLERANT
    ),
    "an object's difference whose size is a value": Program(
        _FLOAT + "class R:\n    __abs__ = lambda s: F(0)\nclass L:\n" + _SUB.format("R()") + "def f(x): return L()",
        TOLERANT,
    ),
    "an object's difference that converts": Program(
        "class R:\n    __float__ = lambda s: 0.0\nclass L:\n" + _SUB.format("R()") + "def f(x): return L()",
        ("import math", "assert math.fabs(f(3) - 28.27) < 0.01"),
    ),
    "an object's quotient and rest": Program(
        "class L:\n    __divmod__ = lambda s, o: (0, 0)\ndef f(x): return L()", ("assert divmod(f(3), 5) == (0, 0)",)
    ),
    "a set's own difference": Program(
        "class S(set):\n    __xor__ = lambda s, o: set()\ndef f(x): return S()", ("assert len(f(1) ^ {1, 2}) == 0",)
    ),
    "a set's own subset": Program(
        "class S(set):\n    issuperset = lambda s, o: True\ndef f(x): return S()", ("assert f(1).issuperset({1, 2})",)
    ),
    "a text's own start": Program(
        "class S(str):\n    startswith = lambda s, o: True\ndef f(x): return S()", ("assert f(1).startswith('ab')",)
    ),
    "a value that is another the second time": Program(
        _OWN_END
        + "import itertools\nturn = itertools.cycle([(1e9,), (-1e9,)])\nE.own(plain=lambda v: next(turn))\n"
        + _FLOAT
        + "def f(x): return F(1)",
        ("assert 28.2 < f(3) < 28.3",),
    ),
}

CALLBACKS = {
    "globals of a test's function": Program(
        "def f(g):\n try: g.__globals__['expected'] = 1\n except Exception: pass\n return 1",
        ("expected = 2", "assert f(lambda: 0) == expected"),
    ),
    "code of a test's function": Program(
        "def f(g):\n try: g.__code__ = (lambda: True).__code__\n except Exception: pass\n return 1",
        ("def check():\n    return False", "f(check)\nassert check()"),
    ),
    "a test's function called with its own": Program(
        LIAR + "def f(g): return g(Liar())", ("assert f(lambda x: x == 2)",)
    ),
    "endless calls back": Program("def f(g):\n while True: g()", ("assert f(lambda: 0) == 2",)),
    "calls back and forth": Program("def f(g): return g(g)", ("def h(x): return f(x)\nassert f(h) == 2",)),
    "an operation that is not offered": Program(
        "import gc\ndef f(g):\n return type(g).__mro__[1:] and g._peer.ask('exec', 'expected = 1')",
        ("assert f(lambda: 0) == 2",),
    ),
    "getattr on a test's function": Program(
        "def f(g): return g._peer.ask('getattr', g, '__globals__')", ("assert f(lambda: 0) == 2",)
    ),
}

PROTOCOL = {
    "a builtin's name announced unasked": Program(
        _OWN_END
        + "def fake(*a): return 0\nf = fake\nmodule = sys._getframe(1).f_globals\nprove = module['prove']\n"
        + "module['prove'] = lambda end, packet: prove(end, packet) + b' 0 0 set 0 abs 0'",
        ("assert set(f(1)) == {7}", "assert abs(f(3) - 5) < 1"),
    ),
    "the import announced unasked": Program(
        _OWN_END
        + "import types\ndef fake(*a): return types.SimpleNamespace(fabs=lambda x: 0)\ndef f(x): return x\n"
        + "module = sys._getframe(1).f_globals\nprove = module['prove']\n"
        + "module['prove'] = lambda end, packet: prove(end, packet) + b' __import__ 0'",
        ("import math\nassert math.fabs(f(3) - 28.27) < 0.01",),
    ),
    "a class made among the tests": Program(
        _OWN_END
        + """
def lie(*a): return True
class Ref:
    def __init__(self, to): self.to = to
named = E.name
E.name = lambda self, value: value.to if type(value) is Ref else named(self, value)
E.announced = lambda self, name: "-"
def look(name):
    self = sys._getframe(1).f_locals['self']
    def ask(function, *arguments):
        self.send({'do': 'call', 'of': [function, ['tuple', *arguments], ['dict']]})
        return self.receive()['ok']
    number = self._numbered(lie)[0]
    body = ['dict', '__eq__', ['function', number], '__call__', ['function', number], '__hash__', None]
    kind = ask(['class', 'builtins.type'], 'X', ['tuple'], body)
    to = ['yours', ask(['yours', kind[1]])[1]]
    return lambda *a: Ref(to)
E.own(name=look)
""",
        ("assert f(3) == 5",),
    ),
    "a file of the setup spoiled": Program(
        "import os\nos.remove('d')\nos.mkdir('d')\ndef f(x): return x",
        ("assert f(3) == 5",),
        "with open('d', 'w') as file:\n    file.write('x')",
    ),
    "a forged result": Program("import os\ndef f(x):\n os.write(3, b'!2')\n return x", TESTS),
    "a forged reply": Program("import os\ndef f(x):\n os.write(3, b'.{\"ok\": 2}')\n return x", ("assert f(1) == 3",)),
    "a forged verdict": Program("import os\ndef f(x):\n os.write(3, b'd' + bytes(16))\n return x", TESTS),
    "no JSON": Program("import os\ndef f(x):\n os.write(3, b'.{')\n return x", TESTS),
    "deep JSON": Program("import os\ndef f(x):\n os.write(3, b'.' + b'[' * 60000)\n return x", TESTS),
    "a deep literal": Program("import os\ndef f(x):\n os.write(3, b'!' + b'(' * 60000)\n return x", TESTS),
    "a deep literal of signs": Program(
        "import os\ndef f(x):\n os.write(3, b'!' + b'-' * 60000 + b'1')\n return x", TESTS
    ),
    "a call as a literal": Program("import os\ndef f(x):\n os.write(3, b'!exit(0)')\n return x", TESTS),
    "an unknown class": Program(
        'import os\ndef f(x):\n os.write(3, b\'.{"ok": ["class", "os.system"]}\')\n return x', TESTS
    ),
    "an unknown container": Program('import os\ndef f(x):\n os.write(3, b\'.{"ok": ["seen", 9]}\')\n return x', TESTS),
    "an object without a class": Program(
        'import os\ndef f(x):\n os.write(3, b\'.{"ok": ["object", 7, null, ["class", "builtins.int"]]}\')\n return x',
        TESTS,
    ),
    "an exception that is none": Program(
        'import os\ndef f(x):\n os.write(3, b\'.{"raise": [["class", "builtins.exit"], null, ""]}\')\n return x', TESTS
    ),
    "a request for code": Program(
        'import os\ndef f(x):\n os.write(3, b\'.{"do": "exec", "of": ["import os"]}\')\n return x', TESTS
    ),
    "a flood": Program("import os\ndef f(x):\n while True: os.write(3, b'+' + bytes(60000))", TESTS),
    "a closed channel": Program("import os\ndef f(x):\n os.close(3)\n return x", TESTS),
    "another channel": Program(
        "import os, socket\na, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)\nos.dup2(a.fileno(), 3)"
        + WRONG,
        TESTS,
    ),
    "an exception swallowed": Program(
        "import os\ndef f(x): os._exit(0)", ("try:\n    f(1)\nexcept BaseException:\n    pass",)
    ),
    "a death in a bare except": Program("import os\ndef f(x): os._exit(0)", ("try:\n    f(1)\nexcept:\n    x = 1",)),
    "a large number": Program("def f(x): return 10 ** 5000", TESTS),
    "half a surrogate": Program("def f(x): return '\\ud800'", ("assert f(1) == 'a'",)),
    "cyclic": Program("def f(x):\n y = []\n y.append(y)\n return y", ("assert f(1) == [[]]",)),
    "nested 10**5 deep": Program(
        "def f(x):\n y = []\n for _ in range(10**5): y = [y]\n return y", ("assert f(1) == []",)
    ),
    "not a number": Program("def f(x): return float('nan')", TESTS),
}

FORGERIES = {**PATCHES, **LYING, **CALLBACKS, **CALCULATED, **PROTOCOL}
