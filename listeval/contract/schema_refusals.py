"""What `jsonschema` refuses of a value, as places in it with a kind and a short sentence.

Of the options of `anyOf` and `oneOf` the one that the value comes closest to speaks, see `closest`. `jsonschema` puts
the value before the reason; here the value is cut, and the reason stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from listeval.contract.closest import Misfit, Path, Sort, closest
from listeval.contract.schema_references import APPLIED, References
from listeval.visible import shortened

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError as Refusal

_VALUE, _SENTENCE = 60, 200
"""So many characters of a value are shown, and of a whole sentence."""
UNREADABLE = "Python's re cannot read the pattern"
_UNEVALUATED = ("unevaluatedProperties", "unevaluatedItems")
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


def broken_by(refusals: Iterable[Refusal], references: References) -> Iterator[Broken]:
    """The faults that refusals of one value stand for; at least one, where there is a refusal."""
    causes, perhaps = [], []
    for refusal in refusals:
        if refusal.validator in _UNEVALUATED:
            perhaps.append(refusal)
        else:
            causes.append(refusal)
            yield from _faults(refusal, references)
    failed = _failed_parts(causes) if perhaps else set()
    for refusal in perhaps:
        doubtful = (tuple(refusal.schema_path)[:-1], tuple(refusal.path)) in failed
        yield from _unevaluated(refusal, references, doubtful=doubtful)


def _faults(refusal: Refusal, references: References) -> Iterable[Broken]:
    """The faults of one refusal: of the options of a union, those of the one that speaks."""
    parts: dict[int, list[Refusal]] = {}
    for part in (refusal.context or ()) if refusal.validator in ("anyOf", "oneOf") else ():
        parts.setdefault(part.schema_path[0], []).append(part)
    if not parts:
        return list(_keys(refusal)) or [_value(refusal, sentence(refusal), *_due(refusal))]
    options = [list(broken_by(part, references)) for part in parts.values()]
    numbers, place = list(parts), len(refusal.absolute_path)
    misfits = [[Misfit(each.path[place:], each.sort) for each in faults] for faults in options]
    best = closest(misfits, lambda at, key: bool(references.below(refusal.validator_value[numbers[at]], key)))
    return options[best] if best is not None else [_neither(refusal, options)]


def _failed_parts(refusals: Iterable[Refusal]) -> set[tuple[tuple[str | int, ...], Path]]:
    """The schemas, by their path and the value's, of which a part for the same value refuses it.

    Of a place in the value every beginning is named: which of them the schema stands for, its path does not say.
    """
    found = set()
    for refusal in refusals:
        steps, path = tuple(refusal.schema_path), tuple(refusal.path)
        ends = [at for at, step in enumerate(steps) if step in APPLIED]
        found |= {(steps[:end], path[:to]) for end in ends for to in range(len(path) + 1)}
    return found


def _unevaluated(refusal: Refusal, references: References, *, doubtful: bool) -> Iterator[Broken]:
    """The faults of keys, or of the elements of a list, that no part of the schema took.

    A part that refuses the value takes none of its keys. Where that is so (`doubtful`), those it knows are no fault.
    """
    path, value = tuple(refusal.absolute_path), refusal.instance
    if refusal.validator == "unevaluatedItems":
        if not doubtful:
            yield _value(refusal, sentence(refusal), Sort.OTHER, "")
        return
    for name in (name for name in value if repr(name) in refusal.message):
        if doubtful and _is_known(name, refusal, references):
            continue
        if refusal.validator_value is False:
            yield Broken((*path, name), "extra_forbidden", "unknown", value)
        else:
            said = f"does not fit: {shown(value[name])} breaks the schema of unevaluatedProperties"
            yield Broken((*path, name), "schema_value", said, value[name])


def _is_known(name: str, refusal: Refusal, references: References) -> bool:
    """Whether a part of the schema, for the same value, has a schema for the key."""
    for node in references.within(refusal.schema, APPLIED):
        further = any(node.get(word, False) is not False for word in ("additionalProperties", "unevaluatedProperties"))
        if name not in _strange(node, [name]) or (further and node is not refusal.schema):
            return True
    return False


def sentence(refusal: Refusal) -> str:
    """What a refusal says, with the value cut and the reason whole."""
    said, whole = refusal.message, repr(refusal.instance)
    if (refusal.validator, refusal.validator_value) == ("format", "regex"):
        said = unreadable(refusal.instance, refusal.cause)
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


def unreadable(pattern: Any, cause: Any) -> str:
    """What is said of a pattern that Python cannot read, which may be a good one."""
    return f"{UNREADABLE} {shown(pattern)}: {cause} (JSON Schema's patterns are ECMA-262)"


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
        case "dependentRequired" | "dependencies":
            # Once for each that is absent, too; a text is one name, in draft 3, and a schema speaks for itself.
            for key, names in wanted.items():
                due = [names] if isinstance(names, str) else names if isinstance(names, list) else []
                named = [name for name in due if refusal.message == f"{name!r} is a dependency of {key!r}"]
                yield from (Broken((*path, name), "missing", "Field required", value) for name in named)
        case "additionalProperties" if wanted is False:
            for name in _strange(refusal.schema, value):
                yield Broken((*path, name), "extra_forbidden", "unknown", value)
        case "propertyNames":
            yield Broken(path, "extra_forbidden", "unknown", value)


def _strange(node: Any, names: Iterable[str]) -> list[str]:
    """The names that a schema neither has among its properties nor as a pattern."""
    schema = node if isinstance(node, dict) else {}
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    return [name for name in names if name not in known and not any(re.search(p, name) for p in patterns)]


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
