"""What in a schema says nothing: keys that are no keywords, and a schema put into what some API wants around it.

JSON Schema ignores what it does not know. So a mistyped keyword checks nothing, and a schema within a wrapper, or an
example in a schema's place, admits every answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urljoin

from listeval.contract.schema_nodes import LITERAL, NAMING

_WRAPPERS = (
    "schema", "json_schema", "response_format", "format", "text", "function", "parameters", "input_schema",
    "inputSchema", "output_schema", "outputSchema",
)  # fmt: skip
"""Keys under which APIs of models take a schema."""
_NO_TYPES = ("json_schema", "function")
"""What those APIs write as `type` beside it."""
_HOLDERS = frozenset({"$defs", "definitions"})
"""Where schemas stand that references name, in any draft: a pointer may lead there."""
_HARMLESS = _HOLDERS | frozenset({
    "id", "then", "else", "minContains", "maxContains", "nullable", "example", "discriminator", "xml",
    "externalDocs", "deprecated", "readOnly", "writeOnly", "contentEncoding", "contentMediaType", "contentSchema",
    "$comment", "examples", "propertyOrder", "enumNames", "markdownDescription", "errorMessage",
})  # fmt: skip
"""Annotations of other drafts, of OpenAPI and of editors."""
_UNCHECKED = frozenset({"format", "$vocabulary", "dependencies"})
"""Keywords whose value is no schema, nor are the parts of it all."""


class Words(NamedTuple):
    """The keywords of a draft: all of them, and those that can refuse a value."""

    known: frozenset[str]
    checked: frozenset[str]


def why_says_nothing(schema: Mapping[str, Any], words: Words) -> str | None:
    """What is wrong with a schema none of whose keys is a keyword, or that stands within a wrapper; None for `{}`."""
    if not schema or (schema.keys() & words.checked and schema.get("type") not in _NO_TYPES):
        return None
    if within := _wrapped(schema, words):
        return f"no JSON Schema, but what holds one: the schema is under '{'.'.join(within)}'"
    if schema.keys() & words.known:
        return None
    near = next((found for found in (_meant(key, words.known) for key in schema) if found), None)
    hint = f" (did you mean '{near}'?)" if near else ""
    return f"no JSON Schema: no key of it is a keyword, '{next(iter(schema))[:40]}' neither{hint}"


def doubts(schema: Mapping[str, Any], words: Words, takes: Callable[[str, Any], bool]) -> Iterator[str]:
    """What a sound schema says in vain, a line each: unknown keys of the root, likely slips and other drafts' below.

    `takes` says whether a keyword may have a value: below the root a key like it that has another is no slip.
    """
    if schema and not schema.keys() & words.checked:
        yield "the schema checks nothing: every JSON value keeps it"
    found: dict[str, list[str]] = {}
    for place, node in _placed(schema, words):
        for key in node:
            if key in words.known or key.startswith("x-"):
                continue
            near = _meant(key, words.known)
            near = near if near is not None and (not place or takes(near, node[key])) else None
            if fault := _why_unknown(key, near, words, root=not place):
                where = f" at {'/'.join(map(str, place))[:120]}" if place else ""
                found.setdefault(key, []).append(f"'{key[:40]}'{where} {fault}, and is not checked")
    for first, *others in found.values():
        yield first + (f"; so at {len(others)} more place{'s' * (len(others) > 1)}" if others else "")


def _why_unknown(key: str, near: str | None, words: Words, *, root: bool) -> str:
    """What is said of a key that the draft does not know; empty for what people write on purpose."""
    if key in _elsewhere() - words.checked:
        return "is a keyword of another draft than the schema's"
    if key in _HARMLESS or (not root and near not in words.checked | _HOLDERS):
        return ""
    return "is no keyword of JSON Schema" + (f" (did you mean '{near}'?)" if near else "")


def _wrapped(node: Mapping[str, Any], words: Words) -> tuple[str, ...]:
    """The keys that lead to the schema within a wrapper; none where no schema is found, or several are."""
    parts = {key: part for key, part in node.items() if isinstance(part, dict) and key not in NAMING | LITERAL}
    named = [key for key in _WRAPPERS if key in parts]
    for key in named or (list(parts) if len(parts) == 1 else ()):
        part = parts[key]
        if part.keys() & words.checked and part.get("type") not in _NO_TYPES:
            return (key,)
        if inner := _wrapped(part, words):
            return (key, *inner)
    return ()


def _placed(schema: Mapping[str, Any], words: Words) -> Iterator[tuple[tuple[str | int, ...], Mapping[str, Any]]]:
    """Every schema within a schema, with where it stands, in order; what an unknown key holds is none."""
    stack: list[tuple[tuple[str | int, ...], Any]] = [((), schema)]
    while stack:
        place, node = stack.pop()
        if isinstance(node, list):
            stack += reversed([((*place, at), part) for at, part in enumerate(node)])
        elif isinstance(node, dict):
            yield place, node
            inner: list[tuple[tuple[str | int, ...], Any]] = []
            for key in [key for key in node if key in (words.known | _HOLDERS) - LITERAL - _UNCHECKED]:
                if key in NAMING:
                    named = node[key].items() if isinstance(node[key], dict) else ()
                    inner += [((*place, key, name), part) for name, part in named]
                else:
                    inner.append(((*place, key), node[key]))
            stack += reversed(inner)


@lru_cache(maxsize=1024)
def _meant(key: str, known: frozenset[str]) -> str | None:
    """The keyword that a key is likely meant to be."""
    plain, said = {_plain(word): word for word in sorted(known)}, _plain(key)
    # Two letters that changed places make a short word less like itself than the cutoff.
    turned = [word for word in plain if sorted(word) == sorted(said)]
    found = turned or get_close_matches(said, list(plain), n=1, cutoff=0.8)
    return plain[found[0]] if found else None


def _plain(word: str) -> str:
    return word.casefold().strip("$").replace("_", "").replace("-", "")


@lru_cache(maxsize=1)
def _elsewhere() -> frozenset[str]:
    """The keywords that some draft checks."""
    from jsonschema import validators

    drafts = ("Draft3Validator", "Draft4Validator", "Draft6Validator", "Draft7Validator", "Draft201909Validator",
              "Draft202012Validator")  # fmt: skip
    return frozenset().union(*(getattr(validators, name).VALIDATORS for name in drafts)) - {"format"}


def words_of_draft(validator: Any) -> Words:
    """The keywords of the draft of a validator of `jsonschema`."""
    return _words(validator.META_SCHEMA.get("$id") or validator.META_SCHEMA.get("id"), frozenset(validator.VALIDATORS))


@lru_cache(maxsize=16)
def _words(draft: str, checked: frozenset[str]) -> Words:
    from jsonschema_specifications import REGISTRY

    meta = REGISTRY.contents(draft.rstrip("#"))
    parts = [REGISTRY.contents(urljoin(draft, part["$ref"])) for part in meta.get("allOf", ())]
    found = {name for part in (meta, *parts) for name in part.get("properties", ())}
    # What the newest drafts name only as no longer used, and do not check, is none of their keywords.
    stale = {"dependencies", "$recursiveRef"} - checked
    return Words(frozenset((found | checked) - stale), checked - {"format"})
