"""Changes to an answer, each with a name: what models get wrong, and what they get right in another way."""

import contextlib
import copy
import json
from random import Random

OTHER = "no_such_function"


def mutations(calls, documents, expected, seed):
    """Distinct (name, calls) pairs, the answer itself first; at least 20 for every answer."""
    seen = set()
    rng = Random(seed)
    for name, mutated in _all(calls, documents, expected, rng):
        text = json.dumps(mutated)
        if text not in seen:
            seen.add(text)
            yield name, mutated


def _all(calls, documents, expected, rng):
    yield "gold", calls
    yield from _of_the_list(calls, documents, rng)
    changes = [list(_of_a_call(call, documents, expected, rng)) for call in calls]
    for place, found in enumerate(changes):
        for name, changed in found:
            yield f"{place}:{name}", [*calls[:place], changed, *calls[place + 1 :]]
    for _ in range(4):
        mixed = [rng.choice([call, rng.choice(found)[1]]) for call, found in zip(calls, changes, strict=True)]
        rng.shuffle(mixed)
        yield "mixed", mixed


def _of_the_list(calls, documents, rng):
    yield "no call", []
    yield "dropped last", calls[:-1]
    yield "dropped first", calls[1:]
    yield "doubled first", [calls[0], *calls]
    yield "doubled last", [*calls, calls[-1]]
    yield "tripled", calls * 3
    yield "reversed", calls[::-1]
    shuffled = list(calls)
    rng.shuffle(shuffled)
    yield "shuffled", shuffled
    yield "all the first", [calls[0]] * len(calls)
    if len(calls) > 1:
        swapped = [{**call, "arguments": calls[place - 1]["arguments"]} for place, call in enumerate(calls)]
        yield "arguments swapped", swapped
    for document in documents[:3]:
        yield f"also {document['name']}", [*calls, {"name": document["name"], "arguments": {}}]


def _of_a_call(call, documents, expected, rng):
    yield from _of_the_name(call, documents)
    arguments = call["arguments"]
    document = next((d for d in documents if d["name"] == call["name"]), {"parameters": {"properties": {}}})
    described = document["parameters"]["properties"]

    def with_(changed):
        return {"name": call["name"], "arguments": changed}

    yield "no arguments", with_({})
    yield "arguments reversed", with_(dict(reversed(arguments.items())))
    for extra in ("no_such_argument", "", "self", "name"):
        yield f"extra {extra!r}", with_({**arguments, extra: "x"})
    for extra in (1, None, [], {}):
        yield f"extra value {extra!r}", with_({**arguments, "no_such_argument": extra})
    for name, node in described.items():
        if name not in arguments:
            for value in _filler(node):
                yield f"documented {name}={value!r}", with_({**arguments, name: value})
    for wanted in expected:
        for name, options in wanted.get(call["name"], {}).items():
            for option in options:
                yield f"accepted {name}", with_({**arguments, name: option})
    for name, value in arguments.items():
        yield f"-{name}", with_({k: v for k, v in arguments.items() if k != name})
        yield f"renamed {name}", with_({(k.upper() if k == name else k): v for k, v in arguments.items()})
        yield f"moved {name}", with_({**{k: v for k, v in arguments.items() if k != name}, name: value})
        for what, changed in _of_a_value(value, rng):
            yield f"{name} {what}", with_({**arguments, name: changed})


def _of_the_name(call, documents):
    name = call["name"]
    for other in [OTHER, name.upper(), name.replace(".", "_"), name.split(".")[-1], f" {name}", f"{name}.x", ""]:
        yield f"called {other!r}", {"name": other, "arguments": call["arguments"]}
    for document in documents:
        yield f"called {document['name']!r}", {"name": document["name"], "arguments": call["arguments"]}


def _filler(node):
    """Values for a documented argument that the answer leaves out: of its type, its default, and null."""
    examples = {"string": "x", "integer": 1, "float": 1.5, "boolean": True, "array": [], "tuple": [], "dict": {}}
    yield examples.get(node["type"], "x")
    yield None
    if "default" in node:
        yield node["default"]
    yield from node.get("enum", ())[:1]


def _of_a_value(value, rng):
    for other in ("", " ", "-", "x", 0, 1, -1, 1.0, 0.5, True, False, None, [], [""], [1], {}, {"": ""}, 10**30):
        yield f"={other!r}", other
    yield "as text", value if isinstance(value, str) else json.dumps(value)
    yield "in a list", [value]
    yield "in an object", {"value": value}
    if isinstance(value, bool):
        yield "flipped", not value
    elif isinstance(value, (int, float)):
        yield from _of_a_number(value)
    elif isinstance(value, str):
        yield from _of_a_text(value)
    elif isinstance(value, list):
        yield from _of_a_list(value, rng)
    elif isinstance(value, dict):
        yield from _of_an_object(value, rng)


def _of_a_number(value):
    yield "float", float(value)
    yield "int", int(value)
    yield "next", value + 1
    yield "close", value + 1e-9
    yield "negative", -value
    yield "spelled", f"{value:,}"


def _of_a_text(value):
    yield "upper", value.upper()
    yield "lower", value.lower()
    yield "spaced", f" {value.replace(' ', '  ')} "
    yield "without spaces", value.replace(" ", "")
    yield "with marks", "".join(f"{c}," if c == " " else c for c in value) + ".-_*^/"
    yield "quoted", f"'{value}'"
    yield "quotes changed", value.replace("'", '"')
    yield "exclaimed", value + "!"
    yield "reversed text", value[::-1]
    yield "cut", value[:-1]
    yield "tab", value.replace(" ", "\t") + "\n"
    for read in (int, float):
        with contextlib.suppress(ValueError, OverflowError):
            yield f"as {read.__name__}", read(value)


def _of_a_list(value, rng):
    yield "reversed", value[::-1]
    yield "longer", [*value, *value[:1]]
    yield "shorter", value[:-1]
    yield "with null", [*value[:-1], None]
    yield "first only", value[0] if value else None
    for place, item in list(enumerate(value))[:3]:
        changes = list(_of_a_value(item, rng))
        for what, changed in rng.sample(changes, min(12, len(changes))):
            yield f"[{place}] {what}", [*value[:place], changed, *value[place + 1 :]]


def _of_an_object(value, rng):
    yield "extra key", {**value, "no_such_key": 1}
    yield "keys reversed", dict(reversed(value.items()))
    for key, item in value.items():
        yield f"-.{key}", {k: v for k, v in value.items() if k != key}
        yield f"upper .{key}", {(k.upper() if k == key else k): v for k, v in value.items()}
        changes = list(_of_a_value(copy.deepcopy(item), rng))
        for what, changed in rng.sample(changes, min(20, len(changes))):
            yield f".{key} {what}", {**value, key: changed}
