"""Gates: what a run or a comparison is held to, by value or by an end of its interval; and their JUnit XML."""

import json
import math
import xml.etree.ElementTree as ET
from functools import partial
from pathlib import Path
from shutil import rmtree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.cli.main import main
from listeval.comparison import compare
from listeval.errors import UserError
from listeval.plugins.open import make_task
from listeval.report.gates import SIDES, CheckedGate, Gate, check_comparison, check_run, check_task, fail_if, fail_under
from listeval.report.junit import Suite, junit
from listeval.runs import RunConfig, load_run, run
from listeval.stats.intervals import Interval

FINITE = st.floats(-5, 5)
SIGNS = ("<", "<=", ">", ">=")


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Null runs: `good` (all gold), `bad` (all garbage), `mixed`."""
    monkeypatch.chdir(tmp_path)
    for name, model in {"good": "gold", "bad": "garbage", "mixed": "m"}.items():
        run(RunConfig(task="fashion", model=model, backend="null", limit=12, out=name))
    return tmp_path


def err(capsys):
    return capsys.readouterr().err


def code(*args):
    with pytest.raises(SystemExit) as stop:
        main([str(arg) for arg in args])
    return stop.value.code


@given(st.floats(0, 1), st.sampled_from(["parse_rate", "useful_ndcg@1", "a=b"]))
def test_what_is_written_is_what_is_read(limit, figure):
    gate = fail_under(f"{figure}={limit!r}", "low")
    assert (gate.figure, gate.sign, gate.limit, gate.side) == (figure, "<", limit, "low")


@given(FINITE, st.sampled_from(SIGNS), st.sampled_from(["", " "]))
def test_a_condition_is_read_with_and_without_spaces(limit, sign, space):
    gate = fail_if(f"useful_ndcg@1{space}{sign}{space}{limit!r}", "value")
    assert (gate.figure, gate.sign, gate.limit) == ("useful_ndcg@1", sign, limit)


@pytest.mark.parametrize("text", ["", "parse_rate", "parse_rate=", "=0.5", "parse_rate=nan", "parse_rate=inf", "a=95%"])
def test_what_is_no_bound_is_refused(text):
    with pytest.raises(UserError, match="FIGURE=NUMBER"):
        fail_under(text, "value")


@pytest.mark.parametrize("text", ["", "a", "a=1", "a<", "<1", "a == 1", "a < b", "a < nan", "a < 1 < 2", "a b < 1"])
def test_what_is_no_condition_is_refused(text):
    with pytest.raises(UserError, match="not a condition"):
        fail_if(text, "value")


@given(FINITE, FINITE, st.sampled_from(SIGNS), st.sampled_from(SIDES))
def test_only_the_chosen_side_decides_and_opposite_signs_disagree(x, limit, sign, side):
    found = Interval(math.nan, math.nan, math.nan)._replace(**{side: x})
    opposite = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}[sign]
    assert Gate("f", sign, limit, "", side).missed_by(found) != Gate("f", opposite, limit, "", side).missed_by(found)
    for other in set(SIDES) - {side}:
        assert Gate("f", sign, limit, "", other).missed_by(found), "what is not known keeps to nothing"


@given(st.integers(0, 200), st.integers(0, 200), st.integers(1, 200))
def test_a_difference_of_exactly_the_limit_is_not_beyond_it(a, b, n):
    found = Interval(a / n - b / n, math.nan, math.nan)
    limit = float(repr(round((a - b) / n, 15)))
    assert not Gate("f", "<", limit, "").missed_by(found)
    assert not Gate("f", ">", limit, "").missed_by(found)
    assert Gate("f", "<=", limit, "").missed_by(found)


def test_the_value_decides_unless_another_side_is_named(runs, capsys):
    assert code("report", "good", "--fail-under", "parse_rate=0.95") == 0
    assert "gate held (fails if parse_rate < 0.95): good has 100.0 %" in capsys.readouterr().err
    assert code("report", "good", "--fail-under", "parse_rate=0.95", "--fail-on", "low") == 4
    said = capsys.readouterr().err
    assert "gate missed" in said and "by its low end; the interval holds the limit" in said
    assert code("report", "mixed", "--fail-under", "parse_rate=0.95", "--fail-on", "high") == 4


def test_every_gate_of_every_run_has_to_hold(runs):
    gates = ("--fail-under", "parse_rate=0.9", "--fail-under", "useful_ndcg@1=0.9")
    assert code("report", "good", *gates) == 0
    assert code("report", "good", "good", *gates) == 0
    assert code("report", "good", "bad", *gates) == 4
    assert code("score", "good", *gates, "--quiet") == 0
    assert code("score", "bad", *gates, "--quiet") == 4


def test_a_figure_that_may_not_be_high_is_a_condition(runs):
    assert code("report", "good", "--fail-if", "mae > 0.5") == 0
    assert code("report", "good", "--fail-if", "mae <= 0.5") == 4


def test_what_was_not_measured_is_missed(runs, capsys):
    """Nothing parses in `bad`, so it has no ndcg@1 that could be good enough."""
    assert math.isnan(load_run("bad").summary.metrics["ndcg@1"].value)
    assert code("report", "bad", "--fail-under", "ndcg@1=0.1") == 4
    assert code("report", "bad", "--fail-if", "mae > 3") == 4
    assert "bad has n/a" in capsys.readouterr().err


def test_run_prints_its_table_then_fails(runs, capsys):
    args = ("run", "--task", "fashion", "--backend", "null", "--limit", 4, "--quiet", "--json")
    assert code(*args, "--model", "garbage", "--fail-under", "parse_rate=0.5", "--junit", "j.xml") == 4
    said = capsys.readouterr()
    assert json.loads(said.out)["n"] == 4 and "gate missed" in said.err
    assert code(*args, "--model", "gold", "--fail-under", "parse_rate=0.5") == 0
    assert {case.tag for case in ET.parse("j.xml").iter()} >= {"testsuites", "testsuite", "testcase", "failure"}


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("report", "good", "--fail-under", "parse_rat=0.5"), "did you mean 'parse_rate'?"),
        (("report", "good", "--fail-under", "parse_rate=95"), "can only be missed"),
        (("report", "good", "--fail-under", "ndcg@1=1.5"), "can only be missed"),
        (("report", "good", "--fail-if", "parse_rate > -1"), "can only be missed"),
        (("report", "good", "--fail-if", "parse_rate < -2"), "missed only where the figure is not measured"),
        (("report", "good", "--fail-if", "fmc > 5"), "missed only where the figure is not measured"),
        (("score", "good", "--fail-under", "useful_ndcg@1=-0.02"), "missed only where the figure is not measured"),
        (("compare", "good", "bad", "--fail-if", "parse_rate < -2"), "missed only where the figure is not measured"),
        (("compare", "good", "bad", "--fail-if", "fmc > 1.5"), "missed only where the figure is not measured"),
        (("report", "good", "--fail-if", "fmc > 5", "--fail-on", "low"), "missed only where its low end is not known"),
        (("compare", "good", "bad", "--fail-if", "useful_ndcg@1 < 1.02"), "can only be missed"),
        (("compare", "good", "bad", "--fail-if", "ndcg@1 < 0"), "no difference is taken of 'ndcg@1'"),
        (("compare", "good", "bad", "--fail-if", "parse_rate=1"), "not a condition"),
        (("report", "good", "--junit", "no/such.xml"), "cannot write the JUnit file"),
        (("run", "--task", "fashion", "--fail-under", "x"), "FIGURE=NUMBER"),
    ],
)
def test_mistakes_are_one_line(runs, capsys, args, said):
    assert code(*args) == 2
    err = capsys.readouterr().err
    assert said in err and len(err.splitlines()) == 1


def test_a_comparison_is_held_by_its_paired_difference(runs, capsys):
    assert code("compare", "good", "bad", "--fail-if", "useful_ndcg@1 < -0.02") == 4
    assert "bad has -1.000" in capsys.readouterr().err
    assert code("compare", "bad", "good", "--fail-if", "useful_ndcg@1 < -0.02") == 0
    assert code("compare", "bad", "good", "bad+permutation", "--fail-if", "parse_rate > 0.5") == 4


def test_no_difference_is_held_by_value_and_not_shown_by_a_few_samples(runs, capsys):
    run(RunConfig(task="fashion", model="gold", backend="null", limit=12, out="again"))
    gate = ("compare", "good", "again", "--fail-if", "parse_rate < -0.02")
    assert code(*gate) == 0
    assert "the interval holds the limit" in capsys.readouterr().err
    assert code(*gate, "--fail-on", "low") == 4, "twelve samples do not exclude a loss of two points"
    assert code(*gate, "--fail-on", "high") == 0, "no loss is shown"


def test_junit_says_what_the_exit_code_says(runs):
    assert code("compare", "good", "bad", "mixed", "--fail-if", "parse_rate < -0.9", "--junit", "j.xml") == 4
    root = ET.parse("j.xml").getroot()
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("3", "1", "0")
    suite = root.find("testsuite")
    assert suite is not None
    assert suite.get("name") == "bad and mixed against good"
    assert [case.get("name") for case in suite.iter("testcase") if case.find("failure") is not None] == [
        "bad: fails if parse_rate < -0.9"
    ]


def test_samples_without_an_answer_are_an_error_not_a_missed_gate(runs, capsys):
    rows = (runs / "good" / "samples.jsonl").read_text().splitlines()
    first = json.loads(rows[0]) | {"outcome": "error", "kind": "engine_error", "error": "gone", "scores": {}}
    (runs / "good" / "samples.jsonl").write_text("\n".join([json.dumps(first, separators=(",", ":")), *rows[1:], ""]))
    assert load_run("good").summary.errors == 1
    assert code("report", "good", "--fail-under", "parse_rate=1", "--junit", "j.xml") == 1
    assert "1 sample has no answer, and no gate counts what is not there (good). Fix: listeval run @good" in err(capsys)
    root = ET.parse("j.xml").getroot()
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("2", "0", "1")
    assert code("report", "good", "mixed", "--fail-under", "parse_rate=1") == 4, "a missed gate says more"
    assert code("report", "good") == 0, "reading is no test"


@pytest.mark.parametrize("line", [["run", "@good", "--limit", "2"], ["suite", "s.yaml", "--limit", "2"]], ids=str)
def test_a_part_that_is_all_there_is_no_pass_of_a_run_that_is_not_and_says_why(runs, capsys, line):
    (runs / "s.yaml").write_text("tasks: [fashion]\nmodels: [gold]\nbackend: 'null'\nout: many\n")
    whole = runs / "good"
    if line[0] == "suite":
        assert code("suite", "s.yaml", "--quiet", "--limit", "12") == 0
        (whole,) = (path.parent for path in (runs / "many").rglob("samples.jsonl"))
    lines = (whole / "samples.jsonl").read_bytes().splitlines(keepends=True)
    (whole / "samples.jsonl").write_bytes(b"".join(lines[:5]))
    capsys.readouterr()
    assert code(*line, "--quiet", "--json", "--fail-under", "parse_rate=1") == 1
    assert "7 samples have no answer, and no gate counts what is not there" in err(capsys)


def test_samples_without_a_row_are_an_error_too(runs):
    lines = (runs / "good" / "samples.jsonl").read_bytes().splitlines(keepends=True)
    (runs / "good" / "samples.jsonl").write_bytes(b"".join(lines[:5]))
    assert code("score", "good", "--fail-under", "parse_rate=1", "--quiet") == 1
    assert code("report", "good", "--fail-under", "parse_rate=1", "--junit", "j.xml") == 1
    root = ET.parse("j.xml").getroot()
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("2", "0", "1")
    assert "7 samples without an answer" in (runs / "j.xml").read_text()


@given(st.text(), st.text(), st.booleans())
def test_junit_is_well_formed_whatever_a_run_is_called(name, found, missed):
    checked = CheckedGate(Gate("f", "<", 0.5, "f < 0.5"), name, found, missed, thin=False)
    root = ET.fromstring(junit([Suite(name, [checked], 0, 0)]))
    assert len(list(root.iter("testcase"))) == 2
    assert len(list(root.iter("failure"))) == missed


def test_gates_of_an_appendix_have_no_interval(runs):
    done = load_run("good")
    done.__dict__["figures"] = {"whole": 0.5, "none": None}
    held, low, none = check_run(
        done, [fail_under("whole=0.4", "value"), fail_under("whole=0.4", "low"), fail_under("none=0", "value")]
    )
    assert (held.missed, low.missed, none.missed) == (False, True, True)


def test_the_sides_are_those_of_an_interval():
    assert set(SIDES) == set(Interval._fields)


def test_a_limit_beyond_the_closed_side_of_a_count_is_refused_and_any_on_its_open_side_is_not(runs, capsys):
    run(RunConfig(task="json", model="gold", backend="null", limit=4, out="fields"))
    assert code("report", "fields", "--fail-if", "invented_fields > -1") == 2
    err = capsys.readouterr().err
    assert "invented_fields is always at least 0, so" in err and "inf" not in err
    assert code("report", "fields", "--fail-if", "invented_fields > 1000000") == 0
    assert code("report", "fields", "--fail-if", "invented_fields < -1") == 2
    assert "missed only where the figure is not measured" in capsys.readouterr().err


_OF_RUNS = [("parse_rate", 0, 1), ("fmc", 0, 1), ("ndcg@1", 0, 1), ("useful_ndcg@1", 0, 1)]
_OF_DIFFERENCES = [("parse_rate", -1, 1), ("fmc", -1, 1), ("useful_ndcg@1", -1, 1), ("tokens", -math.inf, math.inf)]


@pytest.mark.parametrize("sign", ["<", "<=", ">", ">="])
@pytest.mark.parametrize("side", SIDES)
def test_a_limit_is_refused_exactly_where_it_lies_beyond_what_the_figure_can_be(runs, sign, side):
    """An end itself is a limit that a figure can have, whichever way the gate looks."""
    good, compared = load_run("good"), compare(["good", "bad"])

    def refused(check, figure, limit):
        try:
            check([fail_if(f"{figure} {sign} {limit}", side)])
        except UserError as error:
            assert "so this gate can " in str(error)
            return True
        return False

    of_runs, of_differences = partial(check_run, good), partial(check_comparison, compared)
    for check, ends in ((of_runs, _OF_RUNS), (of_differences, _OF_DIFFERENCES)):
        for figure, least, most in ends:
            for end, beyond in ((least, -0.5), (most, 0.5)):
                if math.isfinite(end):
                    assert refused(check, figure, end + beyond) and not refused(check, figure, end), (figure, end)
            assert not refused(check, figure, 0.5)
            assert not (math.isinf(most) and refused(check, figure, 1e9))


LATE = ("--task", "fashion", "--model", "gold", "--backend", "null", "--limit", "4", "--quiet", "--out", "late")


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        (["--fail-under", "pars_rate=0.9"], "did you mean 'parse_rate'?"),
        (["--fail-under", "parse_rate=95"], "can only be missed"),
        (["--fail-if", "useful_ndcg@1 < -1"], "missed only where the figure is not measured"),
        (["--fail-if", "mae > 11"], "missed only where the figure is not measured"),
        (["--fail-under", "raw_parse_rate=0.9"], "no figure 'raw_parse_rate'"),
        (["--fail-under", "rank_stability=0.9"], "no figure 'rank_stability'"),
        (["--set", "order=shuffled", "--fail-under", "rank_stability=9"], "at most 1"),
        (["--attempts", "2", "--fail-under", "raw_parse_rate=9"], "at most 1"),
        (["--set", "k=2,4", "--fail-under", "pars_rate=0.9"], "did you mean 'parse_rate'?"),
    ],
)
def test_a_gate_that_no_run_could_be_held_against_is_refused_before_the_run(runs, capsys, gate, said):
    assert code("run", *LATE, *gate) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and said in err, err
    assert not (runs / "late").exists()


FOUR = ("run", "--task", "gsm8k", "--backend", "null", "--model", "gold", "--limit", "2", "--quiet", "--seeds=0,1,2,3")


@pytest.mark.parametrize("out", [("--out", "gs"), ()], ids=["--out", "default"])
def test_a_figure_of_all_seeds_is_foreseen_where_a_run_of_some_goes_on(runs, capsys, out):
    assert code(*FOUR, *out) == 0
    capsys.readouterr()
    more = [*FOUR[:-1], "--seeds=4", *out, "--fail-under"]
    assert code(*more, "accuracy@6=0.1") == 2 and "no figure 'accuracy@6'" in err(capsys)
    assert code(*more, "accuracy@5=2") == 2 and "at most 1" in err(capsys)
    sample = Path(__file__).parents[2] / "tasks" / "gsm8k" / "sample.jsonl"
    (runs / "less.jsonl").write_text("".join(sample.read_text().splitlines(keepends=True)[:-1]))
    for other in (("--model", "m"), ("--temperature", "0.7"), ("--max-tokens", "9"), ("--data", "less.jsonl")):
        assert out or code(*more[:-1], *other, "--fail-under", "accuracy@5=0.1") == 2
        assert out or "no figure 'accuracy@5'" in err(capsys)
        assert out or len(list((runs / "runs").iterdir())) == 1, "and no run is begun"
    assert code(*more, "accuracy@5=0.1") == 0
    less = [*FOUR[:-1], "--seeds=0", *out, "--fail-under"]
    assert code(*less, "accuracy@5=0.1") == 0
    if out:
        assert code("run", "@gs", "--seeds", "0", "--quiet", "--fail-under", "accuracy@5=0.1") == 0


def test_a_figure_of_all_seeds_is_foreseen_of_each_run_of_a_suite(runs, capsys):
    (runs / "s.yaml").write_text("tasks: [gsm8k]\nmodels: [gold, m]\nbackend: 'null'\nlimit: 1\nout: many\n")
    line = ("suite", "s.yaml", "--quiet")
    assert code(*line, "--seeds", "0,1,2,3,4") == 0
    gates = ("--seeds", "0", "--fail-under", "accuracy@5=0")
    assert code(*line, *gates) == 0
    rmtree(next(path.parent for path in (runs / "many").rglob("manifest.json") if "gold" not in path.parent.name))
    capsys.readouterr()
    assert code(*line, *gates) == 2 and "no figure 'accuracy@5'" in err(capsys)


def test_a_run_that_cannot_be_read_is_left_for_the_run_to_say(runs, capsys):
    (runs / "good" / "manifest.json").write_text("{")
    line = ("run", "--task", "fashion", "--backend", "null", "--model", "gold", "--out", "good", "--quiet")
    assert code(*line, "--fail-under", "pars_rate=0.9") == 2 and "did you mean 'parse_rate'" in err(capsys)


def test_a_gate_of_a_suite_is_held_against_its_tasks_before_it_runs(runs, capsys):
    (runs / "s.yaml").write_text("tasks: [fashion, gsm8k]\nmodels: [gold]\nbackend: 'null'\nlimit: 2\n")
    for line in (["suite", "s.yaml"], ["suite", "s.yaml", "--plan"]):
        assert code(*line, "--quiet", "--fail-under", "mae=1") == 2
        assert "a run of task 'gsm8k' like this has no figure 'mae'" in capsys.readouterr().err
        assert not (runs / "runs").exists()


@pytest.mark.parametrize("settings", [{}, {"seeds": (0, 1)}, {"attempts": 2}, {"options": {"order": "shuffled"}}])
@pytest.mark.parametrize("task", ["fashion", "gsm8k", "msmarco", "json"])
def test_every_figure_of_a_run_was_foreseen(runs, task, settings):
    config = RunConfig(task=task, model="gold", backend="null", limit=2, out="f", **settings)
    if "options" in settings and task in ("gsm8k", "json"):
        pytest.skip("no list, no order")
    made = make_task(task, config.options)
    found = run(config)
    # Whether answers have ids, and so an FMC, is known of the first one's contract only.
    listed, known = task in ("fashion", "msmarco"), found.summary.metrics | found.estimates
    names = [name for name in known if listed or "fmc" not in name]
    gates = [Gate(name, "<", 0.0, name) for name in names]
    assert len(check_run(found, gates)) == len(gates)
    check_task(made, gates, seeds=len(config.seeds), asks_again=config.attempts > 1)
