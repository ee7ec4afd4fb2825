"""What the references in a JSON Schema name, resolved by `referencing` as `jsonschema` does: bases and drafts are its.

`$dynamicRef` is read where it stands, not by the path that led there, and `$recursiveRef` not at all: only words about
a refusal depend on that. Nodes are told by their identity, so `References` speak for the very schema they were made of.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Any

from listeval.contract.closest import Path
from listeval.contract.schema_nodes import Node

JOINED = ("allOf",)
"""Keywords whose schemas a value keeps where it keeps the schema that has the keyword."""
APPLIED = (*JOINED, "anyOf", "oneOf", "if", "then", "else", "dependentSchemas")
"""Keywords whose schemas say of the same value what it may hold."""
_NOTHING_ELSE = ("draft-03", "draft-04", "draft-06", "draft-07")
"""Drafts in which `$ref` stands for the whole node, by the names that `referencing` gives them."""


class References:
    """Every schema that checking with `root` may reach, and what each of them refers to."""

    def __init__(self, root: Any, draft: str) -> None:
        """`draft` is the address of the draft that holds where no `$schema` names another."""
        from jsonschema_specifications import REGISTRY
        from referencing.jsonschema import specification_with

        self.nodes: list[Node] = []
        self.lost: list[str] = []
        """References that name nothing here."""
        self._named: dict[int, dict[str, Any]] = {}
        self._replaced: set[int] = set()
        base = specification_with(draft)
        resource = base.create_resource(root)
        uri = resource.id() or ""
        registry = REGISTRY.with_resource(uri, resource)
        # Else each search for an anchor crawls anew. Of draft 3 `referencing` takes an object at `extends` for a list.
        registry = registry if base.name == "draft-03" else registry.crawl()
        self._walk(root, registry.resolver(uri), base)

    def _walk(self, root: Any, resolver: Any, specification: Any) -> None:
        stack, met = [(root, resolver, specification)], set()
        while stack:
            node, at, above = stack.pop()
            if not isinstance(node, dict) or id(node) in met:
                continue
            met.add(id(node))
            self.nodes.append(node)
            own = above.detect(node)
            for found in self._resolved(node, at, own.name):
                stack.append((found.contents, found.resolver, own))
            if "$ref" in node and own.name in _NOTHING_ELSE:
                self._replaced.add(id(node))
                continue
            parts = own.create_resource(node).subresources()
            stack += [
                (part.contents, at.in_subresource(part), own) for part in parts if isinstance(part.contents, dict)
            ]

    def _resolved(self, node: Node, resolver: Any, draft: str) -> Iterator[Any]:
        from referencing.exceptions import Unresolvable

        for word in ("$ref", "$dynamicRef") if draft == "draft2020-12" else ("$ref",):
            if not isinstance(reference := node.get(word), str):
                continue
            try:
                found = resolver.lookup(reference)
            except (Unresolvable, ValueError, TypeError, AttributeError):  # not the first: a pointer into no schema
                self.lost.append(reference)
                continue
            self._named.setdefault(id(node), {})[reference] = found.contents
            yield found

    def circle(self) -> str | None:
        """A reference by which a schema needs itself to judge the same value, which never ends."""
        words = (*APPLIED, "not")
        graph = {id(node): [id(part) for part in self._parts(node, words)] for node in self.nodes}
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            return next(reference for node in error.args[1] for reference in self._named.get(node, ()))
        return None

    def within(self, schema: Any, words: Collection[str]) -> Iterator[Node]:
        """The schema, what it refers to, and what stands under the keywords `words` of either, each once."""
        stack, met = [schema], set()
        while stack:
            node = stack.pop()
            if isinstance(node, dict) and id(node) not in met:
                met.add(id(node))
                stack += self._parts(node, words)
                if id(node) not in self._replaced:
                    yield node

    def below(self, schema: Any, place: Path) -> list[Any]:
        """The schemas that `schema` names for a place within its value; none where it does not know the place."""
        found = [schema]
        for step in place:
            found = [part for each in found for node in self.within(each, APPLIED) for part in _named(node, step)]
        return found

    def _parts(self, node: Node, words: Collection[str]) -> list[Any]:
        found = list(self._named.get(id(node), {}).values())
        for word in words if id(node) not in self._replaced else ():
            part = node.get(word)
            if word == "dependentSchemas":
                found += part.values() if isinstance(part, dict) else ()
            else:
                found += part if isinstance(part, list) else [part]
        return [part for part in found if isinstance(part, dict)]


def _named(node: Node, step: str | int) -> list[Any]:
    """The schemas that a node names for a key or a position."""
    if isinstance(step, str):
        properties = node.get("properties")
        return [properties[step]] if isinstance(properties, dict) and step in properties else []
    items = node.get("items")
    first = items if isinstance(items, list) else node.get("prefixItems") or []
    return first[step : step + 1] or ([items] if isinstance(items, dict) else [])
