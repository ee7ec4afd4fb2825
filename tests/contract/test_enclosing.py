"""Which JSON still encloses a place: texts and comments are read there as models write them, in words nothing is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.contract import Failure, Flag, Kind, Parsed, Schema
from listeval.contract.writing import enclosing

OBJECT = Schema({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})
LIST = Schema({"type": "array", "items": {"type": "integer"}})


@pytest.mark.parametrize(
    ("contract", "text", "kind"),
    [
        (LIST, '"{"items": [1, 2]}"', Kind.WRONG_TYPE),
        (LIST, 'The answer is "{"items": [1, 2]}".', Kind.WRONG_TYPE),
        (OBJECT, '"["x", {"a": 1}]"', Kind.WRONG_TYPE),
        (LIST, '"[1, 2]"', Kind.WRONG_TYPE),
        (LIST, "{'note': 'a)', 'items': [1, 2]}", Kind.MALFORMED_JSON),
        (LIST, "{'size': '5\"', 'items': [1, 2]}", Kind.MALFORMED_JSON),
        (LIST, '{"note": "line one\nand b)", "items": [1, 2]}', Kind.MALFORMED_JSON),
        (LIST, "{“note”: “a)”, “items”: [1, 2]}", Kind.MALFORMED_JSON),
        (LIST, '{// a) first\n"items": [1, 2]}', Kind.MALFORMED_JSON),
        (LIST, '{"page": http://a.example/b, "items": [1, 2]}', Kind.MALFORMED_JSON),
        (OBJECT, '[{"a": 1}', Kind.MALFORMED_JSON),
        (OBJECT, "Tokens: ['a(', 'b'], so: {\"a\": 1}", Kind.OK),
        (OBJECT, 'Tokens: [`[`, `x`] so {"a": 1}', Kind.OK),
        (OBJECT, 'Tokens: ["[", "x"] so {"a": 1}', Kind.OK),
        (OBJECT, "Given [':(', 2]: {\"a\": 1}", Kind.OK),
        (OBJECT, 'Given [1, &#34;x&#34;]\n: {"a": 1}', Kind.OK),
        (OBJECT, 'Use "[" to open. {"a": 1}', Kind.OK),
        (OBJECT, "Use '[' to open. {\"a\": 1}", Kind.OK),
        (OBJECT, 'The users\' list is 5" long, it\'s [0, 1) and [1, 2, 3], so: {"a": 1}', Kind.OK),
        (OBJECT, 'In C# // it is ["]"], so: {"a": 1}', Kind.OK),
    ],
)
def test_an_answer_is_judged_as_what_encloses_it(contract, text, kind):
    found = contract.parse(text)
    assert (found.kind if isinstance(found, Failure) else Kind.OK) is kind, found
    assert not isinstance(found, Parsed) or Flag.JSON_WRAPPED not in found.flags


@pytest.mark.parametrize("mark", ["'", '"', "’"])
def test_a_lone_mark_in_words_hides_no_bracket(mark):
    for before in (f"The users{mark} list ", f"It is 5{mark} long ", f"{mark}90s: ", f"a {mark} b "):
        assert enclosing(before + '{"x": {"a": 1}', (), len(before) + 6) == len(before)


QUOTED = st.sampled_from(
    ['"{}"', "'{}'", "`{}`", "“{}”", "„{}“", "«{}»", "‘{}’", r"\"{}\"", "&quot;{}&quot;",
     '"line one\n{}"', '"say \\"hi\\" {}"', "'it's {}'", r"'it\'s {}'", "‘it’s {}’"]
)  # fmt: skip
REMARKS = st.sampled_from(["", " ", "\n", "// {}\n", "# {}\n", "/* {} */", "<!-- {} -->"])
WORDS = st.sampled_from([*"()[]{}", "", "a)", ":(", "[x", "[], (0, 1]]", "{}}"])


@st.composite
def openings(draw, bracket):
    """A list or an object with entries and remarks before its last, as models write it."""
    quoted, remark = draw(QUOTED), draw(REMARKS)
    parts = [bracket]
    for number in range(draw(st.integers(1, 3))):
        key = quoted.format(f"k{number}") + ": " if bracket == "{" else ""
        parts += [remark.format(draw(WORDS)), key, quoted.format(draw(WORDS)), remark.format(draw(WORDS)), ", "]
    last = quoted.format("last") + ": " if bracket == "{" else ""
    return "".join(parts) + last


@pytest.mark.parametrize(
    ("contract", "answer", "bracket", "end"), [(OBJECT, '{"a": 1}', "[", "]"), (LIST, "[1]", "{", "}")]
)
@given(st.data())
def test_it_encloses_however_its_texts_and_remarks_are_written(contract, answer, bracket, end, data):
    """Where it is closed, what comes after is beside it."""
    opened, before = data.draw(openings(bracket)), data.draw(st.sampled_from(["", "So: ", "It's [1, 2, 3] of 5\": "]))
    within = f"{before}{opened}{answer}{end}"
    assert enclosing(within, (), within.rindex(answer)) == len(before)
    assert isinstance(contract.parse(within), Failure)
    beside = f"{before}{opened}1{end}, so: {answer}"
    assert enclosing(beside, (), beside.rindex(answer)) == -1
