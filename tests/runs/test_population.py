"""What a figure is said to be over: the number of values in its mean, whatever the data, wherever it stands."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.contract import Kind
from listeval.export.eee import record
from listeval.export.evaluated import evaluated
from listeval.export.figures import decisive, in_words
from listeval.report.console import ReportConsole
from listeval.report.page.run_page import heads, panels, plots
from listeval.report.terminal import print_runs
from listeval.runs import RunConfig, load_run, run
from listeval.runs.figures.words import population, title
from listeval.runs.metrics import summarise
from listeval.runs.rows import encode
from listeval.suites.curves import curves
from listeval.task import Metric
from tests.row_shapes import judged

METRICS = [Metric("a", useful=True, bounds=(0.0, 1.0), at=(1, 2)), Metric("b", useful=True), Metric("c")]
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}


def value(kind, scores):
    """(plain, useful) of a scored answer's metric `a`; None for what is in no mean."""
    own = scores.get("a")
    return own, own if kind == Kind.OK or scores else 0.0


@st.composite
def rows(draw):
    """Rows of labelled and unlabelled examples with one to three seeds; some asked again, unscored or not answered."""
    found = []
    score = st.none() | st.sampled_from([0.0, 1.0])
    for example in range(draw(st.integers(1, 4))):
        labelled = draw(st.booleans())
        for seed in range(draw(st.integers(1, 3))):
            outcome = draw(st.sampled_from(["scored"] * 4 + ["unscored", "error"]))
            kind = draw(st.sampled_from([Kind.OK, Kind.NO_JSON, Kind.MISSING_ID]))
            kind = Kind.ENGINE_ERROR if outcome == "error" else kind
            scores = {} if outcome != "scored" or (labelled and kind != Kind.OK) else dict.fromkeys("abc")
            if outcome == "scored" and labelled and kind == Kind.OK:
                scores = {"a": draw(score), "b": draw(score), "c": 1.0}
            again = outcome != "error" and draw(st.booleans())
            first = {"kind": "no_json", "missing": 0, "n_tokens": 1, "n_prompt_tokens": 1, "bare": False}
            found.append(
                {
                    "example": str(example), "seed": seed, "cluster": "", "kind": kind.value, "outcome": outcome,
                    "missing": int(kind == Kind.MISSING_ID), "reason": None, "flags": [], "scores": scores,
                    "bare": draw(st.none() | st.booleans()), "verdict": None, "masked": None, "n_tokens": 1,
                    "attempts": [first, {**first, "kind": kind.value}] if again else None, "n_prompt_tokens": 1,
                }
            )  # fmt: skip
    return found


@given(rows())
def test_a_figure_is_over_as_many_values_as_its_mean_has(found):
    summary = summarise(judged(*found), METRICS, asks_again=True)
    assert summary.over.keys() == summary.metrics.keys()
    for name, interval in summary.metrics.items():
        assert (summary.over[name] == 0) == math.isnan(interval.value), name
        assert population(name, summary, METRICS).startswith(f"{summary.over[name]} "), name
    answered = [row for row in found if row["kind"] != Kind.ENGINE_ERROR]
    parsed = sum(row["kind"] == Kind.OK for row in found)
    scores = sum(row["outcome"] == "scored" for row in found)
    for name, noun, whole in (("bare_rate", "answers", len(answered)), ("b", "parsed", parsed)):
        n = summary.over[name]
        assert population(name, summary, METRICS) == f"{n if n == whole else f'{n} of {whole}'} {noun}"
    assert (population("useful_b", summary, METRICS).split()[1] == "of") == (summary.over["useful_b"] < scores)
    scored = [value(row["kind"], row["scores"]) for row in found if row["outcome"] == "scored"]
    over = {name: summary.over[name] for name in ("parse_rate", "fmc", "raw_parse_rate", "raw_fmc", "bare_rate")}
    known = sum(row["bare"] is not None for row in answered)
    assert list(over.values()) == [len(answered)] * 4 + [known]
    assert summary.over["a"] == sum(plain is not None for plain, _ in scored)
    assert summary.over["useful_a"] == sum(useful is not None for _, useful in scored)
    samples: dict[str, int] = {}
    for row in found:
        if row["outcome"] == "scored" and value(row["kind"], row["scores"])[1] is not None:
            samples[row["example"]] = samples.get(row["example"], 0) + 1
    for k in (1, 2):
        if (name := f"a@{k}") in summary.over:
            assert summary.over[name] == sum(n >= k for n in samples.values())


@given(rows())
def test_an_example_without_a_right_answer_is_in_no_mean_of_answers_that_can_be_right(found):
    plain = [row for row in found if not row["scores"] or any(score is not None for score in row["scores"].values())]
    whole, part = (summarise(judged(*some), METRICS, asks_again=True) for some in (found, plain))
    for name in ("a", "useful_a", "raw_a", "raw_useful_a", "a@1", "raw_a@1"):
        if name in whole.metrics and name in part.metrics:
            assert whole.metrics[name].value == pytest.approx(part.metrics[name].value, nan_ok=True), name


@pytest.mark.parametrize(
    ("name", "said", "called"),
    [
        ("parse_rate", "2 answers", "parse rate"),
        ("raw_parse_rate", "2 answers", "raw parse rate"),
        ("raw_bare_rate", "2 answers", "raw bare rate"),
        ("a", "2 parsed", "a"),
        ("raw_a", "1 parsed", "raw a"),
        ("useful_a", "2 scored, each failure as 0", "useful a"),
        ("raw_useful_a", "2 scored, each failure as 0", "raw useful a"),
        ("a@2", "1 examples", "a@2"),
        ("raw_a@1", "1 examples", "raw a@1"),
    ],
)
def test_the_noun_is_that_of_the_figure(name, said, called):
    common = {
        "example": "x", "cluster": "", "kind": "ok", "outcome": "scored", "missing": 0, "reason": None, "flags": [],
        "scores": {"a": 1.0, "b": 1.0, "c": 1.0}, "bare": True, "verdict": None, "masked": None, "n_tokens": 1,
        "n_prompt_tokens": 1, "attempts": None,
    }  # fmt: skip
    first = {"kind": "no_json", "missing": 0, "n_tokens": 1, "n_prompt_tokens": 1, "bare": False}
    again = {**common, "seed": 1, "attempts": [first, {**first, "kind": "ok"}]}
    summary = summarise(judged({**common, "seed": 0}, again), METRICS, asks_again=True)
    assert (population(name, summary, METRICS), title(name)) == (said, called)


@pytest.fixture
def labelled(tmp_path):
    """`labelled(n, model)`: a run of the task `json` over 30 rows, of which n have a right answer."""

    def make(n, model="gold", **changes):
        right = [{"expected": {"a": 1}} if at < n else {} for at in range(30)]
        rows = [{"id": f"r{at}", "prompt": "p", "schema": SCHEMA, **own} for at, own in enumerate(right)]
        data = tmp_path / f"{n}.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in rows))
        out = str(tmp_path / f"out-{n}-{model}-{len(list(tmp_path.iterdir()))}")
        return run(RunConfig(task="json", model=model, backend="null", data=str(data), out=out, **changes))

    return make


def on_terminal(done):
    console = ReportConsole()
    console.size = (120, 25)
    with console.capture() as capture:
        print_runs([done], console)
    figures, _, _ = capture.get().partition("\nkind ")
    return {line.split()[0]: " ".join(line.split()) for line in figures.splitlines() if line.strip()}


def test_wherever_a_mean_stands_its_own_count_stands_beside_it(labelled):
    done = labelled(6)
    shown = on_terminal(done)
    assert shown["exact"].endswith(" 6 of 30 parsed") and shown["leaf_accuracy"].endswith(" 6 of 30 parsed")
    assert shown["useful_exact"].endswith(" 6 of 30 scored, each failure as 0")
    assert shown["parse_rate"].endswith(" 30 answers")
    assert [head.over for head in heads(done)] == ["30 answers", "6 of 30 scored, each failure as 0", "6 of 30 parsed"]
    assert any("exact (6 of 30 parsed)" in row.name for panel in panels([done], [""], ["r"]) for row in panel.rows)
    assert "| exact | 1.000" in evaluated(done, "m") and "| 6 of 30 parsed |" in evaluated(done, "m")
    assert "<td>6 of 30 parsed</td>" in done._repr_html_()
    told = {
        one["metric_config"]["metric_id"]: one["score_details"]["uncertainty"]["num_samples"]
        for one in record(done, 0)["evaluation_results"]
    }
    assert (told["listeval.exact"], told["listeval.useful_exact"], told["listeval.parse_rate"]) == (6, 6, 30)
    assert "useful_exact 1.000" in in_words(done) and " over 6, parse_rate 100.0 %" in in_words(done)


def test_what_was_parsed_and_scored_is_not_said_to_be_none_where_nothing_is_labelled(labelled):
    done = labelled(0, "faults:no_json=0.4")
    shown, parsed = on_terminal(done), done.summary.kinds["ok"]
    assert 0 < parsed < 30 and shown["exact"].endswith(f" 0 of {parsed} parsed")
    assert shown["useful_exact"].endswith(" 0 of 30 scored, each failure as 0")


def test_a_model_card_says_it_too(labelled):
    pytest.importorskip("huggingface_hub")
    from listeval.export.model_card import results

    told = {one.metric_type: one.metric_args["samples"] for one in results(labelled(6))}
    assert (told["exact"], told["useful_exact"], told["parse_rate"]) == (6, 6, 30)


def test_a_run_that_asks_again_says_it_of_the_first_answers(labelled):
    done = labelled(30, "faults", attempts=2, reask="explain")
    kinds = [(row["attempts"] or [row])[0]["kind"] for row in done.rows]
    assert 0 < kinds.count("ok") < done.summary.kinds["ok"]
    shown = {name: population(name, done.summary, done.metrics) for name in done.summary.metrics}
    assert shown["raw_parse_rate"] == shown["raw_bare_rate"] == "30 answers"
    assert shown["raw_exact"] == f"{kinds.count('ok')} parsed"
    assert shown["raw_useful_exact"] == "30 scored, each failure as 0"
    texts = " ".join(row.name for panel in panels([done], [""], ["r"]) for row in panel.rows)
    assert "raw parse rate (30 answers)" in texts and "raw useful exact (30 scored, each failure as 0)" in texts


def test_what_has_no_value_heads_no_page_and_no_curve(labelled):
    runs = [labelled(0, options={"tolerance": tolerance}) for tolerance in (0.1, 0.2)]
    assert [head.title for head in heads(runs[0])] == ["parse rate", "bare rate"]
    assert [head.value for head in heads(runs[0])] == ["100.0 %", "100.0 %"]
    [curve] = curves(runs)
    assert curve.figures == ["parse_rate"]
    assert {plot.figure for plot in plots(runs)} <= {"parse rate", "bare rate"}
    assert decisive(runs[0])[0] == "parse_rate"
    other = [labelled(6, options={"tolerance": tolerance}) for tolerance in (0.1, 0.2)]
    assert curves(other)[0].figures == ["parse_rate", "useful_exact"]


def test_the_second_useful_metric_stands_in_for_a_first_without_a_value(labelled):
    done = labelled(30)
    rows = [json.loads(line) for line in (done.path / "samples.jsonl").read_bytes().splitlines()]
    for row in rows:
        row["scores"]["exact"] = None
    (done.path / "samples.jsonl").write_bytes(b"".join(map(encode, rows)))
    again = load_run(done.path)
    assert [head.title for head in heads(again)] == ["parse rate", "useful leaf accuracy", "leaf_accuracy"]
    assert decisive(again)[0] == "useful_leaf_accuracy"


def test_where_nothing_parses_the_useful_form_has_a_value_and_the_metric_none(labelled):
    assert [head.title for head in heads(labelled(30, "garbage"))] == ["parse rate", "useful exact", "bare rate"]
