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
    found = call("compareValues(answerValue(v[0], located(v[1])), located(v[1]), false)", said, other)
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
    found = call("compareValues(answerValue(v[0], located(v[1])), located(v[1]), v[2])", answer, right, ranked)
    assert [answer[one["start"] : one["end"]] for one in found["spans"]] == marked
    assert found["missing"] == missing


@pytest.mark.parametrize(("text", "found"), [
    ('Sure: {"a": 1} or [1, {"b": 2}]', '[1, {"b": 2}]'), ('[{"a": 1}, {"a": 2}', None),
    ('```json\n[{"a": 1}]\n```', '[{"a": 1}]'),
])  # fmt: skip
def test_an_answer_among_words_is_found_and_a_part_of_a_list_is_not_one(call, text, found):
    node = call("answerValue(v[0], located('[]'))", text)
    assert (None if node is None else text[node["start"] : node["end"]]) == found


@pytest.mark.parametrize("text", ["", "no", "[1, 2", '{"a" 1}', "[" * 5_000, '["\\', "nul", '{"a": 01}'])
def test_what_is_no_json_has_no_value(call, text):
    assert call("located(v[0])", text) is None


CUT = "compareValues(cutValue(v[0], located(v[1])), located(v[1]), v[2])"


@pytest.mark.parametrize(("answer", "right", "ranked", "marked"), [
    ('{"a": 1, "b": {"c": 2, "d": "x', '{"a": 1, "b": {"c": 2, "d": "xyz"}}', False, []),
    ('{"a": 1, "b": {"c": 3, "d": "x', '{"a": 1, "b": {"c": 2, "d": "xyz"}}', False, ["3"]),
    ('{"b": {"c": 2, "d": "x"}, "a": 1', '{"a": 12, "b": {"c": 2, "d": "x"}}', False, []),
    ('{"b": {"c": 2, "d": "x"}, "a', '{"a": 12, "b": {"c": 2, "d": "y"}}', False, ['"x"']),
    ('{"a": [1, 2, {"b": tr', '{"a": [1, 5, {"b": true}]}', False, ["2"]),
    ('So: [{"id": "A", "score": 9}, {"id": "B", "sco', '[{"id": "A", "score": 1}, {"id": "B", "score": 2}]', True, []),
    ('[{"id": "A", "score": 9}, {"id": "C", "score": 1', '[{"id": "A", "score": 1}, {"id": "B", "score": 2}]', False,
     ["9", '{"id": "C", "score": 1']),
    ('{"a": {"z": 1}, "b"', '{"a": {"y": 1}, "b": 2}', False, ['"z": 1']),
])  # fmt: skip
def test_of_an_answer_that_breaks_off_only_what_differs_is_marked(call, answer, right, ranked, marked):
    assert call("answerValue(v[0], located(v[1]))", answer, right) is None, "a part of it is not the answer"
    found = call(CUT, answer, right, ranked)
    spans = sorted(found["spans"], key=lambda one: one["start"])
    assert [answer[one["start"] : one["end"]] for one in spans] == marked


@settings(max_examples=100)
@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.recursive(
           st.none() | st.booleans() | st.integers(-99, 99) | st.text("xy\\\"é", max_size=4),
           lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
           max_leaves=8), min_size=1, max_size=4), st.data())  # fmt: skip
def test_a_right_answer_that_is_cut_anywhere_has_no_mark(call, value, data):
    text = json.dumps(value, indent=data.draw(st.sampled_from([None, 1])))
    cut = text[: data.draw(st.integers(1, len(text) - 1))]
    found = call(f"located(v[0]) || {CUT}", cut, text, False)
    assert (found["spans"], found["missing"]) == ([], []), cut


@pytest.mark.parametrize("text", ["no", "{nobody", "[see below", ""])
def test_nothing_was_written_of_an_answer_without_a_value(call, text):
    assert call("cutValue(v[0], located('{}'))", text) is None


FIRST, SECOND = [[0.5, None, 0.25, None]], [[None, 0.75, 1.0, None]]
INDEX = {
    "ids": ["a", "b", "c", "d"], "seeds": [0, 0, 0, 0], "kinds": ["0000", "000~"], "flags": [[], []],
    "scores": [FIRST, SECOND], "tokens": [[4, 3, None, 1], [9, 8, 7, -1]],
}  # fmt: skip
ANY = dict.fromkeys(("arm", "kind", "from", "flag", "metric", "least", "most", "text"), "") | {"changed": False}


@pytest.mark.parametrize(
    ("sort", "arm", "order"),
    [
        ("change|m|up", "", "cabd"),
        ("change|m|down", "", "cabd"),
        ("score|m|up", "0", "cabd"),
        ("score|m|down", "1", "cba"),
        ("tokens||up", "1", "cba"),
        ("tokens||up", "0", "dbac"),
        ("tokens||down", "0", "abdc"),
        ("id||up", "", "abcd"),
    ],
)
def test_what_has_no_value_comes_last_whichever_way(chromium, sort, arm, order):
    page = chromium.new_page()
    source = (templates() / "filters.js").read_text()
    head = {"kinds": ["ok"], "flags": [], "metrics": ["m"], "paired": True}
    script = f"(v) => {{ const head = v[0]; const answers = new Map(); {source} return makeFilters(v[1]).find(v[2]); }}"
    found = page.evaluate(script, [head, INDEX, {**ANY, "arm": arm, "sort": sort}])
    assert "".join(INDEX["ids"][place] for place in found) == order


RIGHT = '[{"id":"A","score":9},{"id":"B","score":2}]'


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ('{"reviews": [{"id":"A","score":7},{"id":"B","score":1}]}', []),
        ('{"reviews": [{"id":"A","score":1},{"id":"B","score":7}]}', ["1", "7"]),
        ('[{"id":"A","score":"7"},{"id":"B","score":"1.5"}]', []),
        ('[{"id":"A","score":"1"},{"id":"B","score":7}]', ['"1"', "7"]),
        ('[{"id":"A","score":"high"},{"id":"B","score":7}]', ['"high"']),
        ('{"A": 9}', ['{"A": 9}']),
        ("7", ["7"]),
    ],
)
def test_of_an_answer_that_keeps_its_contract_only_wrong_ranks_are_marked(call, text, marked):
    found = call("compareValues(answerValue(v[0], located(v[1])), located(v[1]), true)", text, RIGHT)
    assert [text[one["start"] : one["end"]] for one in found["spans"]] == marked
