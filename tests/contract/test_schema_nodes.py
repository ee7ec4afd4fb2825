"""Nodes of a schema: every one is met once, and what only looks like one is left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.contract.schema_nodes import (
    LITERAL,
    NAMING,
    each_node,
    followed,
    inlined,
    keywords,
    nodes,
    pointed,
    without,
)

words = st.sampled_from(["type", "items", "anyOf", "title", "minimum", "enum", "const", "properties", "$defs", "not"])
leaves = st.none() | st.integers(0, 9) | st.text("ab", max_size=3)
schemas = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)


@given(schemas)
def test_an_unchanged_schema_is_equal(schema):
    assert each_node(schema, lambda node: node) == schema
    assert without(schema, ()) == schema


@given(schemas, st.sets(words))
def test_what_is_left_out_is_no_keyword_any_more(schema, left_out):
    found = without(schema, left_out)
    assert set(keywords(found)) <= set(keywords(schema)) - left_out
    assert not left_out & set(keywords(found))
    assert without(found, left_out) == found


def test_names_of_properties_and_values_are_no_keywords():
    schema = {
        "type": "object",
        "properties": {"title": {"title": "T", "const": {"title": 1}}, "enum": {"enum": [{"title": 2}]}},
        "required": ["title"],
    }
    assert without(schema, {"title"}) == {
        "type": "object",
        "properties": {"title": {"const": {"title": 1}}, "enum": {"enum": [{"title": 2}]}},
        "required": ["title"],
    }
    assert set(keywords(schema)) == {"type", "properties", "title", "const", "enum", "required"}
    assert not NAMING & LITERAL


def test_the_parts_that_a_change_puts_in_are_changed_too():
    seen = []

    def grow(node):
        seen.append(node)
        return {"items": {"type": "string"}} if node == {"type": "array"} else node

    assert each_node({"type": "array"}, grow) == {"items": {"type": "string"}}
    assert seen == [{"type": "array"}, {"type": "string"}]


NUMBER = {"type": "integer"}
DOCUMENT = {
    "$id": "https://e.com/s",
    "$defs": {"a/b": NUMBER, "n": {"$anchor": "num", "type": "integer"}, "self": {"$ref": "#/$defs/self"}},
    "allOf": [NUMBER],
}


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("#", DOCUMENT), ("#/$defs/a~1b", NUMBER), ("#/%24defs/a~1b", NUMBER), ("#/allOf/0", NUMBER),
        ("#num", DOCUMENT["$defs"]["n"]), ("https://e.com/s#/$defs/a~1b", NUMBER),
    ],
)  # fmt: skip
def test_a_reference_names_what_the_standard_says(reference, found):
    assert pointed(reference, DOCUMENT) == found
    assert followed({"$ref": reference, "title": "t"}, DOCUMENT) == {**found, "title": "t"}


@pytest.mark.parametrize(
    "reference", ["#/$defs/x", "#/allOf/7", "#/allOf/x", "#/allOf/0/type/0", "#x", "https://e.com/x"]
)
def test_a_reference_that_names_nothing_is_said_so(reference):
    with pytest.raises(LookupError):
        pointed(reference, DOCUMENT)


def test_a_chain_in_a_circle_ends():
    with pytest.raises(LookupError):
        followed({"$ref": "#/$defs/self"}, DOCUMENT)


def test_without_references_a_schema_admits_the_same():
    schema = {
        "type": "object",
        "properties": {"x": {"$ref": "#/$defs/n", "maximum": 3}, "$ref": {"type": "string"}},
        "$defs": {"n": {"type": "integer", "default": {"$ref": "#/$defs/no"}}},
    }
    found = inlined(schema)
    assert found["properties"]["x"] == {"type": "integer", "default": {"$ref": "#/$defs/no"}, "maximum": 3}
    assert found["properties"]["$ref"] == {"type": "string"}
    assert "$defs" not in found
    for bad in ({"$ref": "#"}, {"items": {"$ref": "#"}}, {"items": {"$ref": "#/$defs/x"}}):
        with pytest.raises(ValueError, match="the schema"):
            inlined(bad)


def test_nodes_are_those_that_a_change_meets():
    schema = {"properties": {"enum": {"const": {"type": "x"}}}, "items": [{"not": {}}], "default": {"type": "y"}}
    met = []
    each_node(schema, lambda node: met.append(node) or node)
    assert sorted(map(str, nodes(schema))) == sorted(map(str, met))
