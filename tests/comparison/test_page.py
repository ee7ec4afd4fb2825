"""The comparison's page as text: self-contained, inert whatever a model wrote, nothing hidden in names."""

import json
import re
import zlib
from base64 import b64decode
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import ranked

from listeval.comparison import compare
from listeval.report.comparison.page import comparison_page
from listeval.report.page.render import inert_json

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


def texts(page):
    """All texts of the first arm, as the page's script unpacks them."""
    head, _, *blocks = read(page).scripts[:-1]
    for places, block in zip(json.loads(head)["texts"], blocks, strict=False):
        for _, (_, cells) in zip(places, json.loads(zlib.decompress(b64decode(block), -15)), strict=True):
            yield cells[0]["t"]


@pytest.fixture
def nasty(make_run):
    wild = lambda row: NASTY if row["index"] % 2 else ranked(row).replace('"score"', f'"{NASTY[:20]}"', 1)  # noqa: E731
    return compare([make_run("free", wild, limit=10), make_run("<b>&perm", ranked, limit=10, model="b")])


def test_model_text_makes_no_element(nasty):
    page = comparison_page(nasty)
    elements = read(page)
    blocks = len(json.loads(elements.scripts[0])["texts"]) + len(json.loads(elements.scripts[0])["prompts"])
    assert elements.tags.count("script") == 1 + 1 + blocks + 1
    assert "img" not in elements.tags
    assert not [name for name, _ in elements.attributes if name.startswith("on") or name == "style"]
    assert NASTY in set(texts(page))
    assert "<script>alert(1)</script>" not in page
    assert json.loads(elements.scripts[0])["arms"] == ["free", "<b>&perm"]


def test_the_page_needs_nothing_else(nasty):
    page = comparison_page(nasty)
    elements = read(page)
    assert not {"link", "iframe", "object", "img"} & set(elements.tags)
    assert not [value for name, value in elements.attributes if name in ("src", "href") and not value.startswith("#")]
    policy = next(value for name, value in elements.attributes if name == "content" and "default-src" in value)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


@pytest.mark.parametrize("sign", ["\u202e", "\u2066", "\u200f", "\u200b", "\x1b", "\u2028"])
def test_what_turns_or_hides_text_is_shown_in_every_name(make_run, sign):
    plain = make_run("a", ranked, limit=4)
    odd = make_run(f"b{sign}txt", ranked, limit=4, model=f"m{sign}x")
    page = comparison_page(compare([plain, odd]))
    assert sign not in page
    assert repr(sign)[1:-1] in page


def test_raw_and_repaired_rates_stand_on_the_page(make_run):
    run = make_run("free", lambda row: ranked(row, drop=row["index"] % 2), limit=10)
    page = comparison_page(compare([run, f"{run}+permutation"]))
    assert "parse rate raw 50.0 %, repaired 100.0 %" in page


def test_no_figure_stands_off_its_axis(make_run):
    """An effect of a hundredth is not on zero, and nothing is drawn beyond 0 to 100 %."""
    most = lambda row: ranked(row, drop=row["index"] in (3, 4))  # noqa: E731
    page = comparison_page(compare([make_run("a", most), make_run("b", ranked, model="b")]))
    places = [float(x) for x in re.findall(r'(?:x1|x2|cx)="(-?[\d.]+)%"', page)]
    assert places
    assert min(places) >= 0
    assert max(places) <= 100
    zero = float(re.search(r'class="zero" x1="([\d.]+)%"', page)[1])
    dot = float(re.search(r'class="dot[^"]*" cx="([\d.]+)%"', page)[1])
    assert abs(dot - zero) > 10


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8))
def test_inert_json_is_json_without_markup(value):
    text = inert_json(value)
    assert json.loads(text) == value
    assert not set("<>&\u2028\u2029") & set(text)
