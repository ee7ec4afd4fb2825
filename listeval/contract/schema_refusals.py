"""What `jsonschema` refuses of a value, as places in it with a kind and a short sentence.

Of the options of `anyOf` and `oneOf` the one that the value comes closest to speaks, see `closest`. `jsonschema` puts
the value before the reason; here the value is cut, and the reason stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from listeval.contract.closest import Misfit, Path, Sort, closest
from listeval.contract.schema_nodes import followed
from listeval.visible import shortened

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError as Refusal

_VALUE, _SENTENCE = 60, 200
"""So many characters of a value are shown, and of a whole sentence."""
UNREADABLE = "Python's re cannot read the pattern"
_COUNTED = {
    "minItems": "at least {} items", "maxItems": "at most {} items", "minLength": "at least {} characters",
    "maxLength": "at most {} characters", "minProperties": "at least {} keys", "maxProperties": "at most {} keys",
}  # fmt: skip


class Broken(NamedTuple):
    """One fault of a value: its place, the type of error that the shape stage reads, and words.

    `due` says in words what the value itself should be, where its type or a constant is what is wrong.
    """

    path: Path
    type: str
    said: str
    value: Any
    sort: Sort = Sort.OTHER
    due: str = ""


def broken_by(refusal: Refusal, root: Any) -> list[Broken]:
    """The faults that one refusal under the schema `root` stands for, at least one."""
    options: dict[int, list[Broken]] = {}
    for part in (refusal.context or ()) if refusal.validator in ("anyOf", "oneOf") else ():
        # An option that is the schema `false` has no path of its own, and knows no key.
        options.setdefault(part.schema_path[0] if part.schema_path else -1, []).extend(broken_by(part, root))
    if not options:
        return list(_keys(refusal)) or [_value(refusal, sentence(refusal), *_due(refusal))]
    numbers, place = list(options), len(refusal.absolute_path)
    misfits = [[Misfit(each.path[place:], each.sort) for each in faults] for faults in options.values()]
    names = cache(lambda at: _names(refusal.validator_value[numbers[at]], root))
    best = closest(misfits, lambda at, key: key in names(at))
    return options[numbers[best]] if best is not None else [_neither(refusal, list(options.values()))]


def sentence(refusal: Refusal) -> str:
    """What a refusal says, with the value cut and the reason whole."""
    said, whole = refusal.message, repr(refusal.instance)
    if (refusal.validator, refusal.validator_value) == ("format", "regex"):
        said = f"{UNREADABLE} {shown(refusal.instance)}: {refusal.cause} (JSON Schema's patterns are ECMA-262)"
    elif refusal.validator == "const":
        said = f"{shown(refusal.validator_value)} was expected"
    elif refusal.validator == "oneOf" and not refusal.context:
        said = f"{shown(refusal.instance)} is valid under more than one of the given schemas"
    elif said.startswith(whole):
        said = shown(refusal.instance) + said[len(whole) :]
    if refusal.validator in _COUNTED:
        limit = _COUNTED[refusal.validator].format(refusal.validator_value)
        said += f" ({limit}, not {len(refusal.instance)})"
    return shortened(said, _SENTENCE)


def shown(value: Any) -> str:
    """A value as Python writes it, cut."""
    return shortened(repr(value), _VALUE)


def _keys(refusal: Refusal) -> Iterator[Broken]:
    """The faults of a refusal that is about keys: one a key, at the key's own place."""
    path, value, wanted = tuple(refusal.absolute_path), refusal.instance, refusal.validator_value
    match refusal.validator:
        case "required":
            # `jsonschema` refuses once for each that is absent.
            absent = [name for name in wanted if name not in value] if isinstance(wanted, list) else []
            named = [name for name in absent if refusal.message.startswith(repr(name))] or absent[:1]
            yield from (Broken((*path, name), "missing", "Field required", value) for name in named)
        case "dependentRequired":
            due = [name for key, names in wanted.items() if key in value for name in names if name not in value]
            yield from (Broken((*path, name), "missing", "Field required", value) for name in due)
        case "additionalProperties" if wanted is False:
            yield from (Broken((*path, name), "extra_forbidden", "unknown", value) for name in _strange(refusal))
        case "unevaluatedProperties":
            named = [name for name in value if repr(name) in refusal.message]
            yield from (Broken((*path, name), "extra_forbidden", "unknown", value) for name in named)
        case _ if list(refusal.absolute_schema_path)[-2:-1] == ["propertyNames"]:
            yield Broken((*path, str(value)), "extra_forbidden", "unknown", value)


def _strange(refusal: Refusal) -> list[str]:
    schema = refusal.schema if isinstance(refusal.schema, dict) else {}
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    return [name for name in refusal.instance if name not in known and not any(re.search(p, name) for p in patterns)]


def _due(refusal: Refusal) -> tuple[Sort, str]:
    """What a refusal says of the value itself, and what the value should be."""
    wanted = refusal.validator_value
    match refusal.validator:
        case "type":
            types = wanted if isinstance(wanted, list) else [wanted]
            return Sort.TYPE, "of type " + ", ".join(map(repr, types))
        case "const":
            return Sort.CONSTANT, shown(wanted)
        case "enum" if len(wanted) == 1:
            return Sort.CONSTANT, shown(wanted[0])
        case "enum":
            return Sort.CHOICE, f"one of {shortened(repr(wanted), _SENTENCE // 2)}"
        case None:  # the schema `false`
            return Sort.TYPE, ""
    return Sort.OTHER, ""


def _neither(refusal: Refusal, options: Sequence[Sequence[Broken]]) -> Broken:
    """The one fault of a value that no option takes itself."""
    path = tuple(refusal.absolute_path)
    own = [[each for each in faults if each.path == path and each.due] for faults in options]
    due = dict.fromkeys(min(faults, key=lambda each: each.sort).due for faults in own if faults)
    said = sentence(refusal) if not due else f"{shown(refusal.instance)} is not {', nor '.join(due)}"
    typed = all(any(each.sort is Sort.TYPE for each in faults) for faults in own)
    sort = Sort.TYPE if typed else Sort.CHOICE
    return _value(refusal, shortened(said, _SENTENCE), sort, ", nor ".join(due))


def _value(refusal: Refusal, said: str, sort: Sort, due: str) -> Broken:
    """The fault of a value as a whole."""
    path, value = tuple(refusal.absolute_path), refusal.instance
    if path:
        return Broken(path, "schema_value", f"does not fit: {said}", value, sort, due)
    kind = {"maxItems": "too_long", "type": "schema_type"}.get(str(refusal.validator), "schema_value")
    typed = refusal.validator in ("anyOf", "oneOf") and sort is Sort.TYPE
    return Broken(path, "schema_type" if typed else kind, said, value, sort, due)


def _names(option: Any, root: Any, depth: int = 0) -> set[str | int]:
    """The keys that an option knows by name."""
    try:
        node = followed(option, root)
    except LookupError:
        return set()
    if not isinstance(node, dict) or depth > 8:
        return set()
    parts = [part for word in ("allOf", "anyOf", "oneOf") for part in node.get(word) or ()]
    inner = (_names(part, root, depth + 1) for part in parts)
    return set(node.get("properties") or ()).union(*inner)
