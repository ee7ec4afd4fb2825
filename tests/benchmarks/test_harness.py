"""The arithmetic of the benchmarks (never their times), and that their fixtures are what they claim to be."""

import json

import pytest

from benchmarks import harness, parse, ranking
from benchmarks.harness import Contender, Goal, Report


def test_contenders_take_turns_and_figures_are_per_unit():
    calls = []
    contenders = [Contender("a", lambda: calls.append("a")), Contender("b", lambda: calls.append("b"), units=4)]
    seconds = harness.interleave(contenders, rounds=3, least=0)
    assert [len(seconds[name]) for name in "ab"] == [3, 3]
    # Two calls each to find the number of loops, then a b, b a, a b.
    assert "".join(calls) == "aabb" + "abbaab"


def test_a_ratio_is_the_median_over_rounds():
    report = Report("x")
    seconds = {"ours": [1e-6, 2e-6, 30e-6], "peer": [2e-6, 4e-6, 10e-6]}
    report.compare("case", seconds, "ours", "peer", Goal(least=2))
    row = report.rows[0]
    assert row.ratio[0] == 0.5 and row.met is True
    assert row.ours_us[0] == pytest.approx(2)
    assert "2x as fast" in report.markdown()


def test_measures_take_turns_in_reverse_every_second_round():
    called = []
    measures = {name: lambda n=name: called.append(n) or float(len(called)) for name in "abc"}
    assert harness.take_turns(measures, rounds=2) == {"a": [1, 6], "b": [2, 5], "c": [3, 4]}


def test_a_figure_is_held_against_its_bound_in_its_own_unit():
    report = Report("x", load=0.5)
    report.figure("case", "fast", [0.0001, 0.0002, 0.0003], "ms a sample", most=0.2)
    report.figure("case", "slow", [0.0003], "ms a sample", most=0.2)
    report.figure("case", "peer", [2.0], "s")
    assert [(f.value[0], f.met) for f in report.figures] == [
        (pytest.approx(0.2), True),
        (pytest.approx(0.3), False),
        (2.0, None),
    ]
    text = report.markdown()
    assert "| case | slow | 0.3 (0.3-0.3) | ms a sample | <= 0.2 | no |" in text
    assert "load before: 0.5" in text and "µs" not in text, "a report without comparisons has no empty table"


@pytest.mark.parametrize(
    ("goal", "ratio", "met"),
    [
        (Goal(most=1.3), 1.3, True),
        (Goal(most=1.3), 1.31, False),
        (Goal(least=3), 0.33, True),
        (Goal(least=3), 0.34, False),
        (Goal(), 5.0, None),
    ],
)
def test_goals(goal, ratio, met):
    assert goal.met(ratio) is met


def test_results_of_a_day_share_a_file_and_a_repeat_replaces_its_own(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(harness, "RESULTS", tmp_path / "results")
    for name, value in (("one", 1), ("two", 2), ("one", 3)):
        harness.publish(Report(name, facts={"fact": value}), ["numpy", "no-such-package"], dry=False)
    (path,) = (tmp_path / "results").glob("*.json")
    kept = json.loads(path.read_text())
    assert {name: entry["facts"]["fact"] for name, entry in kept.items()} == {"one": 3, "two": 2}
    assert kept["one"]["machine"]["versions"]["no-such-package"] == "absent"
    assert "## two" in path.with_suffix(".md").read_text()
    harness.publish(Report("three"), [], dry=True)
    assert "three" not in path.read_text() and "## three" in capsys.readouterr().out


@pytest.mark.parametrize("case", parse.CASES)
def test_every_parse_fixture_gets_its_label(case):
    for answer in parse.sample(case):
        assert parse.labels(answer) == (answer.kind, answer.flags)


def test_ranking_peers_give_our_figures():
    pytest.importorskip("pytrec_eval")
    pytest.importorskip("scipy")
    report = Report("ranking")
    grades, scores = ranking.sample(50, 6)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "GROUPS", 50)
        patch.setattr(harness, "_loops", lambda call, least: 1)
        ranking.against_trec(report, grades, scores, rounds=1)
        ranking.against_scipy(report, grades, scores, rounds=1)
    assert len(report.facts) == 3 and all(value <= 1e-12 for value in report.facts.values())
