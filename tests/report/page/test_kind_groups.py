"""Kinds are told apart by every reader: groups by colour, kinds of a group by texture, words by their contrast."""

from itertools import combinations

import pytest
from colour import VISION, apart, contrast, palette, style

from listeval.contract import Kind
from listeval.report.page.kind_groups import GROUPS, LOOKS, drawn_order, legend

APART = 15.0
"""CIEDE2000 between groups at least; what is just noticed is 1 to 2, and `ok` beside `no_json` once had 2.8."""


@pytest.mark.parametrize(("one", "other", "expected"), [
    ("#000000", "#ffffff", 100.0), ("#ff0000", "#ff0000", 0.0), ("#ff0000", "#00ff00", 86.6),
    ("#0000ff", "#ffff00", 103.4),
])  # fmt: skip
def test_the_measure_is_the_published_one(one, other, expected):
    assert apart(one, other, "all cones") == pytest.approx(expected, abs=0.2)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("vision", VISION)
def test_groups_are_apart(scheme, vision):
    colours = palette(scheme)
    close = {
        pair: round(apart(*(colours[name] for name in pair), vision), 1)
        for pair in combinations(GROUPS, 2)
        if apart(*(colours[name] for name in pair), vision) < APART
    }
    assert close == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_on_a_groups_colour_can_be_read(scheme):
    colours = palette(scheme)
    assert {name: contrast(colours[name], colours[f"on-{name}"]) for name in GROUPS
            if contrast(colours[name], colours[f"on-{name}"]) < 4.5} == {}  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), [
    ("ink", "bg"), ("ink", "card"), ("soft", "bg"), ("soft", "card"), ("accent", "bg"), ("accent-ink", "accent"),
    ("ink", "fault-bg"), ("ink", "diff-bg"), ("soft", "gone-bg"), ("warn", "warn-bg"), ("bg", "soft"),
])  # fmt: skip
def test_text_can_be_read(scheme, ink, ground):
    colours = palette(scheme)
    assert contrast(colours[ink], colours[ground]) >= 4.5


def test_every_kind_has_a_look_of_its_own():
    assert set(LOOKS) == {kind.value for kind in Kind}
    assert len(set(LOOKS.values())) == len(LOOKS)
    assert all(f".g-{group}{{" in style() for group in GROUPS)


def test_the_legend_shows_what_occurs_and_nothing_else():
    groups = legend(["unknown_id", "ok", "missing_id"])
    assert [(group.name, [kind.name for kind in group.kinds]) for group in groups] == [
        ("ok", ["ok"]), ("ids", ["missing_id", "unknown_id"]),
    ]  # fmt: skip
    assert drawn_order(["too_long", "ok", "empty"]) == ["ok", "empty", "too_long"]
