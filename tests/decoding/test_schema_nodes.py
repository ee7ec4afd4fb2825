"""Nodes of a schema: every one is met once, and what only looks like one is left alone."""

from hypothesis import given
from hypothesis import strategies as st

from listeval.decoding.schema_nodes import LITERAL, NAMING, each_node, keywords, without

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
