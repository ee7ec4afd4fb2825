"""An arm whose tokens are unknown has no figure of them, misses every gate on them and is not the cheapest."""

import re
from functools import partial

import pytest
from planted import edit_rows, ranked

from listeval import comparison
from listeval.comparison.verdict import Recommendation
from listeval.report.comparison.as_markdown import comparison_markdown
from listeval.report.comparison.headline import cost_of
from listeval.report.gates import check_comparison, fail_if

compare = partial(comparison.compare, resamples=200)


def half(row):
    return ranked(row, drop=row["index"] % 2)


def tokens(path, n, read=9):
    """A run each of whose answers took so many, by what its rows say."""
    edit_rows(path, lambda row: row.update(n_tokens=n, n_prompt_tokens=read))
    return path


def silent(path, share=1):
    """Every so-maniest answer came without a count."""
    edit_rows(path, lambda row: row.update(n_tokens=0, n_prompt_tokens=0) if row["index"] % share == 0 else None)
    return path


def gate(found, text):
    return [checked.missed for checked in check_comparison(found, [fail_if(text, "value")])]


@pytest.mark.parametrize("share", [1, 7], ids=["all", "some"])
@pytest.mark.parametrize("which", [0, 1], ids=["baseline", "arm"])
def test_unknown_tokens_are_no_figure(make_run, which, share):
    runs = [tokens(make_run("a", half), 20), tokens(make_run("b", ranked, max_tokens=900), 20)]
    assert gate(compare(runs), "tokens > 10") == [False]
    silent(runs[which], share)
    found = compare(runs)
    cost, other = found.costs[which], found.costs[1 - which]
    assert (cost.tokens, cost.prompt_tokens, other.tokens, other.prompt_tokens) == (None, None, 20, 9)
    assert found.to_json()["arms"][which]["cost"]["tokens"] is None
    assert found.verdict.to_json()["findings"][0]["extra_tokens"] is None
    assert gate(found, "tokens > 10") == gate(found, "tokens < 10") == [True]
    assert cost_of(found.verdict.findings[0]).startswith("tokens not recorded")
    assert not re.search(r"\bnan\b", comparison_markdown(found))


def choice(make_run, **took) -> Recommendation:
    runs = [tokens(make_run("base", half), 30)]
    for name, n in took.items():
        own = make_run(name, ranked, max_tokens=800 + len(runs))
        runs.append(silent(own) if n is None else tokens(own, n))
    return compare(runs).verdict


@pytest.mark.parametrize(
    ("took", "chosen"),
    [
        ({"x": 20, "y": 40}, "x"),
        ({"x": 40, "y": 20}, "y"),
        ({"x": None, "y": 40}, "y"),
        ({"x": 40, "y": None}, "x"),
        ({"x": None, "y": 60, "z": 50}, "z"),
    ],
)
def test_the_cheapest_of_the_tied_is_one_whose_tokens_are_known(make_run, took, chosen):
    assert choice(make_run, **took).arm == chosen


def test_tokens_of_the_arms_decide_where_those_of_the_baseline_are_unknown(make_run):
    runs = [silent(make_run("base", half))]
    runs += [tokens(make_run(name, ranked, max_tokens=800 + n), n) for name, n in (("x", 40), ("y", 20))]
    assert compare(runs).verdict.arm == "y"


def test_a_repair_asks_for_nothing_more_whatever_its_run_took(make_run):
    run = silent(make_run("free", half))
    found = compare([run, f"{run}+permutation"])
    assert found.costs[1].tokens is None
    assert cost_of(found.verdict.findings[0]) == "no further token"
