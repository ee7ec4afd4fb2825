"""The HTML page as text: self-contained, inert whatever a model wrote, bounded in size."""

import json
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import ranked

from listeval.comparison import compare
from listeval.report.comparison.page import comparison_page, inert_json
from listeval.report.comparison.samples import chosen, differing, pieces

NASTY = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u2028\u2029\x00\x07\u202e]]>--><!--"


class Elements(HTMLParser):
    """Counts start tags, and keeps the text of scripts."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.scripts, self._inside = [], [], [], False

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self._inside = tag == "script"

    def handle_data(self, data):
        if self._inside:
            self.scripts.append(data)

    def handle_endtag(self, tag):
        self._inside = False


def read(page):
    elements = Elements()
    elements.feed(page)
    return elements


@pytest.fixture
def nasty(make_run):
    wild = lambda row: NASTY if row["index"] % 2 else ranked(row).replace('"score"', f'"{NASTY[:20]}"', 1)  # noqa: E731
    return compare([make_run("free", wild, limit=10), make_run("<b>&perm", ranked, limit=10, model="b")])


def test_model_text_makes_no_element(nasty):
    elements = read(comparison_page(nasty))
    assert elements.tags.count("script") == 2
    assert "img" not in elements.tags
    assert not [name for name, _ in elements.attributes if name.startswith("on")]
    data = json.loads(elements.scripts[0])
    texts = ["".join(text for _, text in sample["rows"][0]["pieces"]) for sample in data["samples"]]
    assert any("<script>alert(1)</script>" in text for text in texts)
    assert not any(set("\x00\x07\u202e\u2028") & set(text) for text in texts)
    assert data["arms"] == ["free", "<b>&perm"]


def test_the_page_needs_nothing_else(nasty):
    page = comparison_page(nasty)
    elements = read(page)
    assert not {"link", "iframe", "object", "img"} & set(elements.tags)
    assert not [value for name, value in elements.attributes if name in ("src", "href") and not value.startswith("#")]
    assert "default-src 'none'" in page
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_raw_and_repaired_rates_stand_on_the_page(make_run):
    run = make_run("free", lambda row: ranked(row, drop=row["index"] % 2), limit=10)
    page = comparison_page(compare([run, f"{run}+permutation"]))
    assert "parse rate raw 50.0 %, repaired 100.0 %" in page
    assert "repaired: appended 1 missing" in page


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8))
def test_inert_json_is_json_without_markup(value):
    text = inert_json(value)
    assert json.loads(text) == value
    assert not set("<>&\u2028\u2029") & set(text)


def row(text, kind="ok", span=None):
    return {"text": text, "kind": kind, "span": span}


def test_the_faulty_span_is_marked_whatever_the_length():
    text = "x" * 50_000 + "BAD" + "y" * 50_000
    found = list(pieces(row(text, "bad_value", [50_000, 50_003]), row(text)))
    assert ("fault", "BAD") in found
    assert sum(len(part) for _, part in found) < 1_500
    assert [mark for mark, _ in found] == ["cut", "", "fault", "", "cut"]


def test_only_words_that_differ_are_marked():
    before, after = '[{"id": "A", "score": 1}, {"id": "B", "score": 2}]', '[{"id":"A","score":7},{"id":"B","score":2}]'
    assert [after[start:end] for start, end in differing(before, after)] == ["7"]
    longer = after.replace("7", "1")[:-1] + ',{"id":"C","score":2}]'
    assert [longer[start:end] for start, end in differing(before, longer)][-1].endswith('{"id":"C","score":2}]')


@given(st.text(max_size=60), st.text(max_size=60))
def test_differences_lie_inside_the_text_in_order(before, after):
    spans = differing(before, after)
    assert all(0 <= start < end <= len(after) for start, end in spans)
    assert spans == sorted(spans)
    if "".join(before.split()) == "".join(after.split()) and before.split() == after.split():
        assert spans == []


def test_rare_kinds_are_among_the_chosen():
    rows = [[{"kind": "empty" if at == 7_777 else "ok"} for at in range(10_000)], [{"kind": "ok"}] * 10_000]
    places = chosen(rows, 200)
    assert 7_777 in places
    assert len(places) == 200
    assert places == sorted(set(places))
    assert max(places) > 9_000
