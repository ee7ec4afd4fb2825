"""The shape stage: what pydantic's errors say of an answer, as one kind and a sentence in the answer's own terms.

pydantic reports every branch of a union and puts the branch's name into the place of the error. Here a place is a
path in the answer alone, and of a union's branches the one that the answer is closest to speaks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic_core import ErrorDetails, ValidationError, from_json

from listeval.contract.closest import Misfit, Path, Sort, closest
from listeval.contract.taxonomy import Kind
from listeval.visible import shortened

if TYPE_CHECKING:
    from listeval.contract.base import Contract

_RANK = {kind: rank for rank, kind in enumerate(Kind)}
_TYPES = ("is_instance_of", "is_subclass_of", "model_attributes_type", "none_required")
"""Errors of type that pydantic does not call `..._type`."""


class _Error(NamedTuple):
    """One error: its path in the answer, the union branches around it (place in the path, name), what is wrong."""

    path: Path
    branches: tuple[tuple[int, str | int], ...]
    type: str
    message: str
    about: dict[str, Any]


def shape_fault(contract: Contract[Any], block: str, error: ValidationError) -> tuple[Kind, str]:
    """The kind that a block which pydantic refused has, and why in words."""
    found = error.errors(include_url=False, include_input=False)
    if found[0]["type"] == "json_invalid":
        return _of_json(found[0]["msg"])
    errors = _told(contract, block, found)
    kinds = [(_kind(contract, item), item) for item in errors]
    kind, first = min(kinds, key=lambda pair: _RANK[pair[0]])
    return kind, _sentence(contract, kind, first)


def broken_places(contract: Contract[Any], block: str, error: ValidationError) -> list[tuple[Path, Kind]]:
    """Each place of a block that pydantic refused, with what is wrong there: a missing or unknown key, or a value."""
    found = _told(contract, block, error.errors(include_url=False, include_input=False))
    return list(dict.fromkeys(_broken(item) for item in found))


def _broken(error: _Error) -> tuple[Path, Kind]:
    if error.type.startswith("union_tag"):
        kind = Kind.MISSING_KEY if error.type == "union_tag_not_found" else Kind.BAD_VALUE
        return (*error.path, _discriminator(error)), kind
    return error.path, kind_of_type(error.type)


def kind_of_type(name: str) -> Kind:
    """What an error of that type says of its own place: that a key is missing, that one is unknown, or of a value."""
    return {"missing": Kind.MISSING_KEY, "extra_forbidden": Kind.EXTRA_KEY}.get(name, Kind.BAD_VALUE)


def _told(contract: Contract[Any], block: str, found: Sequence[ErrorDetails]) -> list[_Error]:
    """The errors at their places in the answer, of each union those of one branch."""
    # The items of a list's contract are no union: only what is within them may be one.
    plain = contract.depth + 1 if contract.depth else 0
    if all(len(item["loc"]) <= plain for item in found):
        return [_Error(item["loc"], (), item["type"], item["msg"], dict(item.get("ctx") or {})) for item in found]
    answer = _loaded(block)
    return _of_one_branch([_placed(item, answer) for item in found])


def quote(word: str, limit: int = 40) -> str:
    """A word of the answer, shortened and quoted for a message."""
    return repr(shortened(word, limit))


def _of_json(message: str) -> tuple[Kind, str]:
    said = message.removeprefix("Invalid JSON: ")
    if "number out of range" in message:
        return Kind.BAD_VALUE, f"the answer: {said}"
    return Kind.MALFORMED_JSON, said


def _loaded(block: str) -> Any:
    try:
        return from_json(block)
    except (ValueError, TypeError):
        return None


def _placed(error: ErrorDetails, answer: Any) -> _Error:
    """The error with the names of union branches taken out of its place: they are nowhere in the answer."""
    location, about = error["loc"], dict(error.get("ctx") or {})
    path: list[str | int] = []
    branches: list[tuple[int, str | int]] = []
    for at, part in enumerate(location):
        if _holds(answer, part):
            answer = answer[part]
        elif not (at == len(location) - 1 and error["type"] == "missing"):
            branches.append((len(path), part))
            continue
        path.append(part)
    return _Error(tuple(path), tuple(branches), error["type"], error["msg"], about)


def _holds(value: Any, part: str | int) -> bool:
    if isinstance(value, list):
        return isinstance(part, int) and part < len(value)
    return isinstance(value, dict) and part in value


def _of_one_branch(errors: Sequence[_Error]) -> list[_Error]:
    """Of each union the errors of the branch that the value comes closest to, see `closest`.

    Where no branch takes the value itself, their messages become one.
    """
    unions: dict[Path, dict[str | int, list[_Error]]] = {}
    kept: list[_Error] = []
    for error in errors:
        if not error.branches:
            kept.append(error)
            continue
        place, name = error.branches[0]
        inner = error._replace(branches=error.branches[1:])
        unions.setdefault(error.path[:place], {}).setdefault(name, []).append(inner)
    for path, branches in unions.items():
        options = [_of_one_branch(own) for own in branches.values()]
        misfits = [[Misfit(item.path[len(path) :], _sort(item)) for item in own] for own in options]
        best = closest(misfits, lambda *_: True)
        own = [item for option in options for item in option if item.path == path and _sort(item)]
        kept += [_either(own)] if best is None else options[best]
    return kept


def _sort(error: _Error) -> Sort:
    if error.type in ("literal_error", "enum"):
        return Sort.CHOICE if " or " in str(error.about.get("expected")) else Sort.CONSTANT
    typed = error.type.endswith("_type") or error.type in (*_TYPES, "int_from_float")
    return Sort.TYPE if typed else Sort.OTHER


def _either(errors: Sequence[_Error]) -> _Error:
    """One error for a value that no branch of a union takes."""
    first, *others = dict.fromkeys(item.message for item in errors)
    said = " or ".join([first, *(message.removeprefix("Input should be ") for message in others)])
    return errors[0]._replace(message=said)


def _kind(contract: Contract[Any], error: _Error) -> Kind:
    match error.type:
        case "string_unicode":
            return Kind.MALFORMED_JSON
        case "missing" | "union_tag_not_found" | "missing_argument" | "missing_keyword_only_argument":
            return Kind.MISSING_KEY
        case "extra_forbidden" | "unexpected_keyword_argument":
            return Kind.EXTRA_KEY
        case "union_tag_invalid" | "schema_value":
            return Kind.BAD_VALUE
        case "value_error" | "assertion_error":
            return Kind.CONTRACT_OTHER
    if len(error.path) > contract.depth:
        return Kind.BAD_VALUE
    if error.type == "too_long":
        return Kind.TOO_LONG
    return Kind.WRONG_TYPE if error.type.endswith("_type") or error.type in _TYPES else Kind.CONTRACT_OTHER


def _sentence(contract: Contract[Any], kind: Kind, error: _Error) -> str:
    place = error.path
    where = f"object {place[0] + 1}" if contract.depth and place and isinstance(place[0], int) else "the answer"
    path = ".".join(map(str, place[contract.depth :]))
    if error.type.startswith("union_tag"):
        return _of_tag(where, path, error)
    match kind:
        case Kind.MISSING_KEY:
            return f"{where} lacks {quote(path)}"
        case Kind.EXTRA_KEY:
            return f"{where} has the unknown key {quote(path)}"
        case Kind.WRONG_TYPE:
            return f"{where if place else 'the block'} is not {'an object' if place else 'a ' + contract.noun}"
        case _ if path:
            return f"{where}: {quote(path)} {error.message.removeprefix('Input ')}"
        case _:
            return f"{where}: {error.message}"


def _of_tag(where: str, path: str, error: _Error) -> str:
    """A discriminator that is absent, or names none of the forms that there are."""
    key = _discriminator(error)
    named = quote(f"{path}.{key}" if path else key)
    if error.type == "union_tag_not_found":
        return f"{where} lacks {named}"
    known, tag = str(error.about.get("expected_tags", "")), str(error.about.get("tag", ""))
    return f"{where}: {named} should be one of {shortened(known, 120)}, not {quote(tag)}"


def _discriminator(error: _Error) -> str:
    return str(error.about.get("discriminator", "")).strip("'")
