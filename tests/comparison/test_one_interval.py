"""A difference has one interval: whoever computes it, and wherever it is printed."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import first, noisy, ranked, reversed_order
from test_ways import four

from listeval.comparison import compare
from listeval.comparison.contrasts import Guarding, QualityScale, ResamplingSettings, differences, guards
from listeval.comparison.factorial import factorial
from listeval.comparison.ways import TwoByTwo
from listeval.report.comparison.as_latex import comparison_latex
from listeval.report.comparison.as_markdown import comparison_markdown
from listeval.report.comparison.headline import heads
from listeval.report.comparison.on_terminal import print_comparison
from listeval.report.comparison.page import comparison_page
from listeval.report.comparison.sentence import sentence
from listeval.report.console import ReportConsole
from listeval.runs.figures import as_text

DRAWS = ResamplingSettings(200)
OPEN = (-math.inf, math.inf)


@st.composite
def answers(draw, arms):
    """Columns of several arms over the same samples: who parses, what a parsed answer is worth, in clusters."""
    n = draw(st.integers(2, 40))
    worth = st.sampled_from([0.0, 0.3, 0.5, 1.0])
    table = []
    for _ in range(arms):
        parses = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), dtype=float)
        quality = np.array(draw(st.lists(worth, min_size=n, max_size=n)))
        table.append({"parse_rate": parses, "q": np.where(parses == 1, quality, np.nan)})
    everywhere = np.logical_and.reduce([own["parse_rate"] == 1 for own in table])
    for own in table:
        own["common_q"] = np.where(everywhere, own["q"], np.nan)
        own["useful_q"] = np.nan_to_num(own["q"], nan=0.0)
    labels = [str(draw(st.integers(0, n // 2))) for _ in range(n)] if draw(st.booleans()) else list(map(str, range(n)))
    chance = draw(st.none() | st.just(np.full(n, 0.4)))
    return table, labels, QualityScale("q", (0.0, 1.0), chance)


def same(a, b):
    return a == pytest.approx(b, abs=1e-12, nan_ok=True)


@given(answers(2))
@settings(max_examples=60, deadline=None)
def test_of_two_arms_the_table_has_what_the_verdict_has(world):
    table, labels, scale = world
    known = dict.fromkeys(("common_q", "useful_q"), scale.bounds)
    found = differences(
        {0: tuple(table)}, ["parse_rate", "useful_q", "common_q"], labels,
        tested=(), bounds=known, draws=DRAWS, guarding=Guarding(scale, 0.1),
    )[0]  # fmt: skip
    guard = guards({0: tuple(table)}, scale, labels, margin=0.1, draws=DRAWS, level=0.95)[0]
    assert same(found["common_q"].difference, guard.quality)
    for d in found.values():
        if not math.isnan(d.difference.low):
            assert -1 <= d.difference.low <= d.difference.value + 1e-12
            assert d.difference.value - 1e-12 <= d.difference.high <= 1


@given(answers(4))
@settings(max_examples=30, deadline=None)
def test_an_effect_of_one_arm_is_its_difference(world):
    table, labels, scale = world
    names = ["parse_rate", "useful_q", "common_q"]
    rest = {"bounds": dict.fromkeys(names[1:], scale.bounds), "draws": DRAWS, "guarding": Guarding(scale, 0.1)}
    pairs = {at: (table[0], table[at]) for at in (1, 2, 3)}
    found = differences(pairs, names, labels, tested=(), **rest)
    [square] = factorial([TwoByTwo(0, 1, 2, 3)], table, names, labels, **rest)
    for name in names:
        effects = square.effects[name]
        for at, effect in enumerate((effects.constrain, effects.train, effects.both), 1):
            assert same(effect, found[at][name].difference), (name, at)


PLANTED = {
    "alike, few": (lambda row: ranked(row), lambda row: ranked(row), 3),
    "perfect against worse": (lambda row: ranked(row), lambda row: noisy(row, 2), 8),
    "parses more, few common": (first(3, ranked), lambda row: noisy(row, 1), 12),
    "parses more, worse": (first(10, ranked), reversed_order, 30),
    "parses less": (lambda row: noisy(row, 1), first(9, ranked), 35),
}


def printed(found):
    """Every form that a person reads, with one blank where a line broke."""
    console = ReportConsole()
    console.size = (200, 60)
    with console.capture() as capture:
        print_comparison(found, console)
    page = re.sub(r"<[^>]*>", " ", comparison_page(found))
    latex = comparison_latex(found).translate(str.maketrans("", "", "${}\\"))
    forms = {"terminal": capture.get(), "page": page, "markdown": comparison_markdown(found), "latex": latex}
    return {name: re.sub(r"\s+", " ", text.replace("\u2212", "-")) for name, text in forms.items()}


@pytest.mark.parametrize("case", PLANTED)
def test_every_form_prints_the_same(case, make_run):
    base, arm, n = PLANTED[case]
    found = compare([make_run("a", base, limit=n), make_run("b", arm, limit=n, model="b")])
    contrast = found.contrasts[0]
    d = contrast.differences["common_ndcg@1"].difference
    assert same(d, contrast.guard.quality)
    text = as_text.change("common_ndcg@1", d)
    forms = printed(found)
    for name, form in forms.items():
        assert text in form.replace("\\", ""), (name, text)
    assert [head.change for head in heads(found.verdict)][2] == text
    told = found.to_json()
    row = found.frame().set_index(["arm", "figure"]).loc[("b", "common_ndcg@1")]
    own = told["arms"][1]["differences"]["common_ndcg@1"]
    quality = told["verdict"]["findings"][0]["quality"]["difference"]
    for part, column in (("value", "difference"), ("low", "difference_low"), ("high", "difference_high")):
        assert own[part] == quality[part]
        assert own[part] == row[column] or (own[part] is None and math.isnan(row[column]))
    # What the sentence says of a difference of the metric stands in the table, too.
    table = {as_text.change(name, found_.difference) for name, found_ in contrast.differences.items()}
    table |= {as_text.change("ndcg@1", contrast.guard.above)}
    for said in re.findall(r"[+-]\d\.\d{3} \[[^\]]*\]", sentence(found.verdict)):
        assert said in table, sentence(found.verdict)


def test_what_is_the_same_by_construction_has_no_doubt(make_run):
    free = make_run("free", first(15, ranked))
    found = compare([free, f"{free}+truncation+permutation"])
    contrast = found.contrasts[0]
    assert contrast.unchanged
    for name in ("common_ndcg@1", "common_kendall_tau", "common_mae"):
        assert contrast.differences[name].difference == (0.0, 0.0, 0.0), name


def test_effects_of_a_square_are_the_differences_of_the_table(make_run):
    found = compare(four(make_run))
    [square] = found.factorials
    for name, effects in square.effects.items():
        for place, effect in zip(square.square[1:], (effects.constrain, effects.train, effects.both), strict=True):
            assert effect == found.contrasts[place - 1].differences[name].difference


def test_a_level_of_its_own_is_said(make_run):
    """Of many arms the guard asks for more than the intervals that are shown."""
    runs = [make_run("a", first(3, ranked), limit=12)]
    runs += [make_run(name, lambda row: noisy(row, 1), limit=12, model=name) for name in "bcde"]
    found = compare(runs)
    assert found.verdict.findings[0].guard.quality != found.contrasts[0].differences["common_ndcg@1"].difference
    assert re.search(r"\] at 97.5 %\)", sentence(found.verdict)), sentence(found.verdict)
