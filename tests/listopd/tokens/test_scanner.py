"""Every byte of a list gets the class of the step that writes it; no text is refused."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from listopd.tokens import Scanner, TokenClass, scan

SHORT = {
    "[": TokenClass.OPEN_LIST,
    "{": TokenClass.OPEN_ITEM,
    '"': TokenClass.QUOTE,
    "k": TokenClass.KEY,
    ":": TokenClass.COLON,
    "i": TokenClass.ID,
    "m": TokenClass.MEMBER,
    "v": TokenClass.VALUE,
    "}": TokenClass.CLOSE_ITEM,
    ",": TokenClass.NEXT_ITEM,
    "]": TokenClass.CLOSE_LIST,
    "_": TokenClass.SPACE,
    "n": TokenClass.NESTED,
    "?": TokenClass.OTHER,
}
LETTER = {kind: letter for letter, kind in SHORT.items()}


def spelt(text, key="id"):
    """One letter of SHORT a byte."""
    return "".join(LETTER[label.kind] for label in scan(text.encode(), key))


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ('[{"id": "a7", "s": 10}, {"id":"b"}]', '[{"kk":_"ii"m_"k":_vv},_{"kk":"i"}]'),
        ('[{"s":"10","id":"a"}]', '[{"k":"vv"m"kk":"i"}]'),
        ('[{"id": 12}]', '[{"kk":_ii}]'),
        ('[{"i\\"d": "a"}]', '[{"kkkk":_"v"}]'),
        ('{"id": "a", "s": -1.5e3}', '{"kk":_"i"m_"k":_vvvvvv}'),
        ('Sure: [{"id": "a"}] done', '??????[{"kk":_"i"}]?????'),
        ('[{"id": {"id": [1, "x"]}, "s": 1}]', '[{"kk":_nnnnnn_nvn_nvnnnm_"k":_v}]'),
        ("[3, 1]", "[v,_v]"),
        ("[[1], {}]", "[nvn,_{}]"),
        ('[{"id": "a", "s": 1]', '[{"kk":_"i"m_"k":_v]'),
        ('[{"s": [1}]', '[{"k":_nv}]'),
        ('[}{"s":1}}]', '[?{"k":v}?]'),
        ('[{"id": "a', '[{"kk":_"i'),
        ("[{id: a}]", "[{kk:_i}]"),
        ("]}, 1", "?????"),
    ],
)
def test_classes(text, classes):
    assert spelt(text) == classes


def test_items_are_counted_from_one_and_the_step_after_an_item_is_its_own():
    labels = scan(b'[{"id": "a"}, {"id": "b"}] [{', "id")
    assert [labels[at].item for at in (0, 1, 11, 12, 13, 14, 24, 25)] == [0, 1, 1, 1, 1, 2, 2, 2]
    assert labels[-1] == (TokenClass.OPEN_ITEM, 1)  # a second list counts anew


def test_without_a_key_there_are_no_ids():
    assert TokenClass.ID not in {label.kind for label in scan(b'[{"id": "a"}]', None)}


def test_state_that_a_contract_is_checked_by():
    scanner = Scanner("id")
    seen = []
    for byte in b'[{"id": "ab"} ,{"s':
        scanner.feed(byte)
        seen.append((scanner.inside, scanner.after_item, scanner.done))
    assert seen[9] == (TokenClass.ID, False, False)
    assert seen[12][1] and seen[13][1] and not seen[14][1]
    assert (scanner.inside, bytes(scanner.text)) == (TokenClass.KEY, b"s")


SCALAR = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text('[]{}",:\\ é', max_size=4)
JSON = SCALAR | st.lists(SCALAR, max_size=2) | st.dictionaries(st.sampled_from("ab"), st.lists(SCALAR, max_size=2))


@settings(max_examples=50)
@given(
    st.lists(st.dictionaries(st.sampled_from(["id", '"', "s"]), JSON), max_size=4), st.sampled_from([None, (",", ":")])
)
def test_valid_lists_have_an_item_for_each_object(value, separators):
    text = json.dumps(value, separators=separators, ensure_ascii=False).encode()
    labels = scan(text, "id")
    kinds = [label.kind for label in labels]
    assert TokenClass.OTHER not in kinds
    assert kinds.count(TokenClass.OPEN_ITEM) == kinds.count(TokenClass.CLOSE_ITEM) == labels[-1].item == len(value)
    assert kinds.count(TokenClass.NEXT_ITEM) == max(0, len(value) - 1)
    assert kinds[-1] is TokenClass.CLOSE_LIST


@given(st.binary() | st.text(alphabet='[]{}",: a1\\').map(str.encode))
def test_any_bytes_get_labels(text):
    assert len(scan(text, "id")) == len(text)
