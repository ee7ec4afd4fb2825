"""The page's own functions on text, in a real browser: what is visible, what differs, what is missing."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from listeval.report.page.render import templates
from listeval.visible import visible

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cn"]), max_size=40)


@pytest.fixture(scope="module")
def call(chromium):
    """`call(expression, *values)`: an expression over the page's functions, in which `v` holds the values."""
    page = chromium.new_page()
    source = "".join((templates() / name).read_text() for name in ("text.js", "values.js", "words.js"))
    return lambda expression, *values: page.evaluate(f"(v) => {{ {source} return {expression}; }}", list(values))


@settings(max_examples=60)
@given(TEXT)
def test_text_is_made_visible_as_on_the_terminal(call, text):
    assert call("visible(v[0])", text) == visible(text)


def test_a_span_counts_code_points(call):
    text = "a\U0001f600b\U0001f600c"
    assert [call("v[0].slice(unit(v[0], v[1]))", text, at) for at in range(6)] == [text[at:] for at in range(6)]


@settings(max_examples=60)
@given(TEXT, TEXT)
def test_differences_lie_inside_the_text_in_order(call, before, after):
    found = call("wordDiff(v[0], v[1])", before, after)
    length = len(after.encode("utf-16-le")) // 2
    edges = [edge for one in found["added"] for edge in (one["start"], one["end"])]
    assert edges == sorted(edges)
    assert all(0 <= edge <= length for edge in edges)
    assert all(one["start"] < one["end"] for one in found["added"])
    if before.split() == after.split():
        assert (found["added"], found["gone"]) == ([], [])


def test_only_words_that_differ_are_marked(call):
    before, after = '[{"id": "A", "score": 1}, {"id": "B", "score": 2}]', '[{"id":"A","score":7},{"id":"B","score":2}]'
    found = call("wordDiff(v[0], v[1])", before, after)
    assert [after[one["start"] : one["end"]] for one in found["added"]] == ["7"]
    assert [one["text"] for one in found["gone"]] == ["1"]


def test_a_repair_gives_and_takes_whole_objects(call):
    before = 'Sure: [{"id": "A", "score": 1}, {"id": "A", "score": 2}, {"id": "B", "sc'
    after = '[{"id":"A","score":1},{"id":"C","score":1}]'
    found = call("wordDiff(v[0], v[1], OBJECT)", before, after)
    added = "".join(after[one["start"] : one["end"]] for one in found["added"])
    gone = "".join(one["text"] for one in found["gone"])
    assert added.count('{"id":"C","score":1}') == 1
    assert '{"id":"A","score":1}' not in added
    assert '{"id": "A", "score": 2}' in gone
    assert '"B"' in gone
    assert "Sure" in gone


@settings(max_examples=60)
@given(st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | TEXT, lambda inner: st.lists(inner, max_size=4)
                    | st.dictionaries(TEXT, inner, max_size=4), max_leaves=8))  # fmt: skip
def test_a_value_is_not_different_from_itself_however_it_is_written(call, value):
    one, other = json.dumps(value), json.dumps(value, indent=2, ensure_ascii=False)
    said = f"Here: {one}" if isinstance(value, list | dict) else one
    found = call("compareValues(answerValue(v[0]), located(v[1]), false)", said, other)
    assert found == {"spans": [], "missing": []}


@pytest.mark.parametrize(("answer", "right", "ranked", "marked", "missing"), [
    ('{"a": 1, "b": "x"}', '{"a": 2, "b": "x"}', False, ["1"], []),
    ('{"a": 1, "c": 3}', '{"a": 1, "b": 2}', False, ['"c": 3'], ["b"]),
    ('{"a": {"b": [1, 2, 3]}}', '{"a": {"b": [1, 5]}}', False, ["2", "3"], []),
    ('{"a": [1]}', '{"a": [1, 2]}', False, [], ["a[1]"]),
    ('{"a": true}', '{"a": 1}', False, ["true"], []),
    ('{"a": 1.0}', '{"a": 1}', False, [], []),
    ('[{"id": "A", "score": 9.5}, {"id": "B", "score": 2}]', '[{"id": "B", "score": 1}, {"id": "A", "score": 4}]', True,
     [], []),
    ('[{"id": "A", "score": 1}, {"id": "B", "score": 2}]', '[{"id": "B", "score": 1}, {"id": "A", "score": 4}]', True,
     ["1", "2"], []),
    ('[{"id": "A", "score": 1}, {"id": "B", "score": 2}]', '[{"id": "A", "score": 4}, {"id": "B", "score": 4}]', True,
     [], []),
    ('[{"id": "A", "score": 1}, {"id": "A", "score": 2}]', '[{"id": "A", "score": 4}, {"id": "B", "score": 4}]', True,
     ['{"id": "A", "score": 2}'], ["id B"]),
    ('[{"id": "A", "score": "high"}, {"id": "B", "score": 2}]', '[{"id": "A", "score": 4}, {"id": "B", "score": 3}]',
     True, ['"high"'], []),
])  # fmt: skip
def test_fields_and_items_that_are_not_right_are_marked(call, answer, right, ranked, marked, missing):
    found = call("compareValues(answerValue(v[0]), located(v[1]), v[2])", answer, right, ranked)
    assert [answer[one["start"] : one["end"]] for one in found["spans"]] == marked
    assert found["missing"] == missing


@pytest.mark.parametrize("text", ["", "no", "[1, 2", '{"a" 1}', "[" * 5_000, '["\\', "nul", '{"a": 01}'])
def test_what_is_no_json_has_no_value(call, text):
    assert call("located(v[0])", text) is None
