"""The validator classes of `jsonschema`, one a draft, with what is ours: exact multiples, a place for every refusal.

Ours hold also below nodes that name a draft of their own; what `jsonschema` gives others stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from listeval.contract.exact_multiples import multiple_of

_DRAFTS = ("Draft3", "Draft4", "Draft6", "Draft7", "Draft201909", "Draft202012")


def named_class(schema: Mapping[str, Any]) -> Any | None:
    """The class of the draft that a schema's `$schema` names; None where it names none that is known."""
    word = schema.get("$schema")
    return _classes().get(_plain(word)) if isinstance(word, str) else None


@lru_cache(maxsize=1)
def _classes() -> dict[str, Any]:
    from jsonschema import validators

    found = [getattr(validators, f"{name}Validator") for name in _DRAFTS]
    return {_plain(draft_of(kind)): kind for kind in found}


def draft_of(kind: Any) -> str:
    """The address of the draft of a validator or its class."""
    return str(kind.META_SCHEMA.get("$id") or kind.META_SCHEMA.get("id"))


def _plain(address: str) -> str:
    """An address in which `http` and `https` are the same, and a `#` at the end says nothing."""
    return address.removesuffix("#").removeprefix("http://").removeprefix("https://")


@lru_cache(maxsize=16)
def own_class(kind: Any) -> Any:
    """The class `kind` of `jsonschema` with what is ours."""
    from jsonschema.validators import extend

    ours = {"multipleOf": multiple_of, "divisibleBy": multiple_of, "propertyNames": _property_names}
    made = extend(kind, {name: keyword for name, keyword in ours.items() if name in kind.VALIDATORS})
    made.evolve = _evolving(made.evolve)
    made.descend = _placing(made.descend)
    return made


def _evolving(evolve: Any) -> Any:
    """`evolve`, which `jsonschema` calls for every node, with our class for nodes that have a `$schema`."""

    def evolved(self: Any, **changes: Any) -> Any:
        found = evolve(self, **changes)
        if isinstance(found, type(self)):
            return found
        kind: Any = type(found)
        given = {field.alias: getattr(found, field.name) for field in kind.__attrs_attrs__ if field.init}
        return own_class(kind)(**given)

    return evolved


def _placing(descend: Any) -> Any:
    """`descend`, in which the schema `false` has its place, too: `jsonschema` leaves it to the schema around it."""

    def placed(self: Any, instance: Any, schema: Any, path: Any = None, schema_path: Any = None, **more: Any) -> Any:
        found = descend(self, instance, schema, path=path, schema_path=schema_path, **more)
        return found if schema is not False else _with_place(found, path, schema_path)

    return placed


def _with_place(refusals: Any, path: Any, schema_path: Any) -> Iterator[Any]:
    for refusal in refusals:
        if path is not None and not refusal.path:
            refusal.path.append(path)
        if schema_path is not None and not refusal.schema_path:
            refusal.schema_path.append(schema_path)
        yield refusal


def _property_names(validator: Any, names: Any, value: Any, _schema: Mapping[str, Any]) -> Iterator[Any]:
    """The keyword, with one refusal a key at the key's own place."""
    from jsonschema.exceptions import ValidationError

    for name in value if validator.is_type(value, "object") else ():
        if next(iter(validator.descend(name, names)), None) is not None:
            yield ValidationError(f"the key {name!r} does not fit", path=(name,))
