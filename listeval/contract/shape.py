"""The shape stage: what pydantic's errors say of an answer, as one kind and a sentence in the answer's own terms.

pydantic reports every branch of a union and puts the branch's name into the place of the error. Here a place is a
path in the answer alone, and of a union's branches the one that the answer is closest to speaks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic_core import ErrorDetails, ValidationError, from_json

from listeval.contract.taxonomy import Kind

if TYPE_CHECKING:
    from listeval.contract.base import Contract

_RANK = {kind: rank for rank, kind in enumerate(Kind)}
_TYPES = ("is_instance_of", "is_subclass_of", "model_attributes_type", "none_required")
"""Errors of type that pydantic does not call `..._type`."""


class _Error(NamedTuple):
    """One error: its path in the answer, the union branches around it (place in the path, name), what is wrong."""

    path: tuple[str | int, ...]
    branches: tuple[tuple[int, str | int], ...]
    type: str
    message: str
    about: dict[str, Any]


def shape_fault(contract: Contract[Any], block: str, error: ValidationError) -> tuple[Kind, str]:
    """The kind that a block which pydantic refused has, and why in words."""
    found = error.errors(include_url=False, include_input=False)
    if found[0]["type"] == "json_invalid":
        return _of_json(found[0]["msg"])
    deep = any(len(item["loc"]) > contract.depth + 1 for item in found)
    answer = _loaded(block) if deep else None
    errors = [_placed(item, answer, deep) for item in found]
    kinds = [(_kind(contract, item), item) for item in (closest(errors) if deep else errors)]
    kind, first = min(kinds, key=lambda pair: _RANK[pair[0]])
    return kind, _sentence(contract, kind, first)


def quote(word: str, limit: int = 40) -> str:
    """A word of the answer, shortened and quoted for a message."""
    return repr(word if len(word) <= limit else word[: limit - 1] + "…")


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


def _placed(error: ErrorDetails, answer: Any, deep: bool) -> _Error:
    """The error with the names of union branches taken out of its place: they are nowhere in the answer."""
    location, about = error["loc"], dict(error.get("ctx") or {})
    if not deep:
        return _Error(location, (), error["type"], error["msg"], about)
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


def closest(errors: Sequence[_Error]) -> list[_Error]:
    """Of each union the errors of one branch: one that takes the value itself and has the fewest faults within.

    Where no branch takes the value itself, their messages become one.
    """
    unions: dict[tuple[str | int, ...], dict[str | int, list[_Error]]] = {}
    kept: list[_Error] = []
    for error in errors:
        if not error.branches:
            kept.append(error)
            continue
        place, name = error.branches[0]
        unions.setdefault(error.path[:place], {}).setdefault(name, []).append(error)
    for path, branches in unions.items():
        within = [own for own in branches.values() if all(len(item.path) > len(path) for item in own)]
        if within:
            best = min(within, key=len)
            kept += closest([item._replace(branches=item.branches[1:]) for item in best])
        else:
            kept.append(_either([item for own in branches.values() for item in own if item.path == path]))
    return kept


def _either(errors: Sequence[_Error]) -> _Error:
    """One error for a value that no branch of a union takes."""
    first, *others = dict.fromkeys(item.message for item in errors)
    said = " or ".join([first, *(message.removeprefix("Input should be ") for message in others)])
    return errors[0]._replace(branches=(), message=said)


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
    key = str(error.about.get("discriminator", "")).strip("'")
    named = quote(f"{path}.{key}" if path else key)
    if error.type == "union_tag_not_found":
        return f"{where} lacks {named}"
    known, tag = str(error.about.get("expected_tags", "")), str(error.about.get("tag", ""))
    shown = known if len(known) <= 120 else known[:119] + "…"
    return f"{where}: {named} should be one of {shown}, not {quote(tag)}"
