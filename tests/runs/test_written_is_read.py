"""Whatever a run writes, its reader takes: no plug-in, engine or server makes a run that cannot be read again."""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from listeval import (
    Appendix,
    Dataset,
    Example,
    Failure,
    Item,
    Kind,
    Message,
    Metric,
    Parsed,
    Record,
    Task,
    TaskOptions,
    Unscored,
    UserError,
    Verdict,
)
from listeval.backends import null
from listeval.backends.protocol import Completion
from listeval.runs import RunConfig, load_run
from listeval.runs.config import build_config
from listeval.runs.execute import run_task
from listeval.runs.fields import MOST, recorded
from listeval.runs.figures.order_figures import OrderEffect
from listeval.runs.make_rows import parse_and_score
from listeval.runs.observer import SilentObserver
from listeval.runs.rows import encode
from listeval.stats.intervals import Interval
from listeval.suites.file import read_suite

REASONS = st.sampled_from(["stop", "length", "content_filter"])
TEXTS = st.text(st.characters(exclude_categories=()), max_size=6)
"""Lone surrogates too."""
NUMBERS = (
    st.floats()
    | st.integers()
    | st.sampled_from(
        [10**16, -(10**16), 10**400, MOST, -MOST, MOST + 1, 1e300, np.float32(0.5), np.float64(1e18), True]
    )
)
ANYTHING = NUMBERS | TEXTS | st.none() | st.just(object()) | st.binary(max_size=2)


class Word(Item):
    word: str


class OwnContract(Record):
    """Says what it is told to."""

    def __init__(self, said):
        super().__init__(Word)
        self._said = said

    def parse(self, text, finish_reason="stop", reasoning=None):
        return self._said


class Own(Task):
    """Gives what it is told to, of every example."""

    name, version, summary = "own", 1, ""
    metrics = (Metric("error", bounds=(0.0, None), less_is_better=True),)
    verdicts = ("right",)

    def __init__(self, scored=None, said=..., appendix=None, examples=None, options=None):
        super().__init__(options)
        self.scored, self.said, self.found, self.examples = scored, said, appendix, examples

    def load(self, data, seed):
        found = self.examples or [Example(w, (Message("user", w),), {"word": w}) for w in "ab"]
        return found if isinstance(found, Dataset) else Dataset(found, "inline", "v1", {})

    def contract(self, target):
        return Record(Word) if self.said is ... else OwnContract(self.said)

    def gold(self, target):
        return json.dumps({"word": "a"})

    def score(self, targets, values):
        # As many tasks do, with the answers that arrived together: one at fault takes no other with it.
        return [self.scored if target.get("word") == "a" else {"error": 0.5} for target in targets]

    def appendix(self, rows):
        return self.found or Appendix()


def done(task, out, **changes):
    """The run of `task` on its own gold answers, read again from the disk."""
    values = {"task": "own", "model": "gold", "backend": "null", "out": str(out), **changes}
    run_task(task, RunConfig(**values), SilentObserver())
    return load_run(out)


def read_again(task, **changes):
    """Rows and figures of a run in a folder of its own, each read from its file."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        try:
            done(task, out, **changes)
        except UserError as error:
            assert "\n" not in str(error) and "damaged" not in str(error)
        if not out.exists():
            return None
        found = load_run(out)
        json.dumps(found.to_json(), allow_nan=False)
        assert not found.strays and found.summary.n == len(found.rows)
        rows = found.rows
        parse_and_score(task, rows)
        (out / "samples.jsonl").write_bytes(b"".join(map(encode, rows)))
        assert [row["key"] for row in load_run(out).rows] == [row["key"] for row in rows]
        return rows


RESULTS = (
    st.fixed_dictionaries({"error": ANYTHING})
    | st.builds(Verdict, st.fixed_dictionaries({"error": NUMBERS}), st.just("right") | ANYTHING, ANYTHING)
    | st.builds(Unscored, ANYTHING)
    | ANYTHING
)


@settings(max_examples=80)
@given(RESULTS)
def test_whatever_a_task_says_of_an_answer(result):
    rows = read_again(Own(result))
    assert [row["example"] for row in rows] == ["a", "b"]
    assert (rows[1]["outcome"], rows[1]["scores"]) == ("scored", {"error": 0.5}), (
        "another answer's fault is not its own"
    )
    value = rows[0]["scores"].get("error")
    assert value is None or abs(value) <= MOST
    assert rows[0]["outcome"] == "scored" or rows[0]["reason"]


@pytest.mark.parametrize("value", [1e16, -1e300, 10**17, 10**400, np.float64(1e18)])
def test_a_score_beyond_all_is_the_task_s_fault_and_of_that_answer_alone(tmp_path, value):
    first, second = done(Own({"error": value}), tmp_path / "r").rows
    assert (first["outcome"], first["kind"], second["scores"]) == ("unscored", "ok", {"error": 0.5})
    assert first["reason"].startswith("score: ValueError: its metric 'error': ")
    assert first["reason"].endswith("beyond ±2^53, the largest number of a run")


@pytest.mark.parametrize("value", [MOST, -MOST, 0, 1.5, np.float32(0.5)])
def test_a_number_at_the_bound_is_a_score(tmp_path, value):
    assert done(Own({"error": value}), tmp_path / "r").rows[0]["scores"] == {"error": float(value)}


@given(NUMBERS)
def test_a_recorded_number_is_itself(value):
    try:
        found = recorded(value)
    except ValueError:
        assert abs(value) > MOST
    else:
        assert found == value if math.isfinite(value) else found is None


FAILURES = st.builds(
    Failure,
    st.sampled_from(list(Kind)) | ANYTHING,
    TEXTS | ANYTHING,
    st.just(()) | ANYTHING,
    st.none() | st.tuples(st.integers(-2, 9), st.integers(-2, 9)) | ANYTHING,
    st.integers(-1, 3) | ANYTHING,
)
VALUES = st.recursive(ANYTHING, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2))


@settings(max_examples=120)
@given(FAILURES | st.builds(Parsed, VALUES, st.just(()) | ANYTHING, st.just((0, 3)) | ANYTHING) | ANYTHING)
def test_whatever_a_contract_of_its_own_says(said):
    rows = read_again(Own({"error": 0.0}, said=said))
    for row in rows:
        assert (row["kind"] == "ok") == (row["outcome"] == "scored" and isinstance(said, Parsed))
        assert row["outcome"] != "unscored" or row["reason"].startswith("contract: ")


@pytest.mark.parametrize("raises", ["labelled", "contract"])
def test_what_raises_of_a_broken_answer_leaves_it_unscored(tmp_path, monkeypatch, raises):
    def broken(self, target):
        raise RuntimeError("\ud800")

    task = Own({"error": 0.0})
    answered = done(task, tmp_path / "r", model="m").rows
    monkeypatch.setattr(Own, raises, broken)
    parse_and_score(task, answered)
    assert {(row["outcome"], row["reason"]) for row in answered} == {("unscored", "contract: RuntimeError: \ufffd")}
    assert all(map(encode, answered))


COMPLETIONS = st.fixed_dictionaries(
    {"text": TEXTS | st.just('{"word": "a"}')},
    optional={
        "finish_reason": REASONS,
        "n_tokens": st.integers() | st.just(MOST) | st.booleans() | st.floats(),
        "n_prompt_tokens": st.integers() | st.just(MOST),
        "reasoning": TEXTS,
        "latency_s": st.floats() | st.integers(-(2**70), 2**70),
        "masked": st.floats(),
    },
)
ENGINE_ERRORS = st.builds(lambda why: {"text": "", "finish_reason": "error", "error": why}, TEXTS)


@settings(max_examples=80)
@given(st.lists(COMPLETIONS | ENGINE_ERRORS, min_size=2, max_size=2))
def test_whatever_an_engine_measures(answers):
    class Engine(null.NullBackend):
        def generate(self, requests):
            for request, answer in zip(requests, answers, strict=True):
                yield Completion(request.key, **{"finish_reason": "stop", **answer})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(null, "open", lambda model, options: Engine("m"))
        rows = read_again(Own({"error": 0.0}), model="m")
    assert len(rows) == 2
    for row, answer in zip(rows, answers, strict=True):
        claimed = answer.get("n_tokens", 0)
        sound = type(claimed) is int and 0 <= claimed <= MOST
        assert row["n_tokens"] == (claimed if sound else 0)


def test_tokens_that_add_up_to_more_than_any_number_leave_a_run(tmp_path):
    tape = tmp_path / "tape.jsonl"
    answer = {"text": '{"word": "a"}', "n_tokens": MOST}
    tape.write_text("".join(json.dumps({**answer, "example": name}) + "\n" for name in "ab"))
    found = done(Own({"error": 0.0}), tmp_path / "r", backend="replay", model=str(tape))
    assert [row["n_tokens"] for row in found.rows] == [MOST, MOST]
    assert found.manifest.attempts[0].tokens == MOST


@given(st.integers() | st.integers(-MOST - 2, -MOST + 2) | st.integers(MOST - 2, MOST + 2))
def test_a_seed_is_refused_or_its_rows_are_read(seed):
    try:
        config = build_config({"task": "own", "model": "m", "seeds": [seed]})
    except UserError as error:
        assert abs(seed) > MOST and "--seeds" in str(error)
        return
    assert abs(seed) <= MOST
    assert RunConfig.model_validate_json(config.model_dump_json()) == config


def test_a_seed_of_a_run_is_read_whatever_its_sign_and_size(tmp_path):
    seeds = (-MOST, -1, MOST)
    assert [row["seed"] for row in done(Own({"error": 0.0}), tmp_path / "r", seeds=seeds).rows[::2]] == list(seeds)


def test_a_suite_and_a_recipe_refuse_such_seeds_before_anything_runs(tmp_path):
    file = tmp_path / "s.yaml"
    file.write_text("tasks: [fashion]\nmodels: [m]\nbackend: null\nseeds: [0, 12345678901234567]\n")
    with pytest.raises(UserError, match=r"seeds\[1\]: Input should be less than or equal to") as raised:
        read_suite(file)
    assert raised.value.place.endswith(":4")
    recipes = pytest.importorskip("listopd.recipe")
    for key in ("seed", "data_seed"):
        with pytest.raises(UserError, match=f"^{key}: Input should be less than or equal to"):
            recipes.read_recipe("listopd", [f"{key}=12345678901234567"])
    probes = pytest.importorskip("listopd.probe.probe_config")
    with pytest.raises(UserError, match="seeds"):
        probes.build_config({"task": "fashion", "teacher": "t", "base": "b", "seeds": [12345678901234567]})


@settings(max_examples=60)
@given(st.dictionaries(st.text(max_size=3), ANYTHING, max_size=2))
def test_whatever_an_appendix_finds(figures):
    task = Own({"error": 0.0}, appendix=Appendix({"more.csv": "a\n"}, figures))
    assert len(read_again(task)) == 2


@pytest.mark.parametrize("value", [1e30, -1e16, 10**400])
def test_a_figure_beyond_all_is_the_task_s_fault_and_the_run_stays(tmp_path, value):
    task = Own({"error": 0.0}, appendix=Appendix(figures={"spread": value}))
    with pytest.raises(
        UserError, match=r"task 'own' has no appendix: ValueError: its figure 'spread': .*beyond"
    ) as raised:
        done(task, tmp_path / "r")
    assert "then `listeval score" in raised.value.fix
    found = load_run(tmp_path / "r")
    assert (found.figures, found.summary.n) == ({}, 2)
    found.conclude(Own({"error": 0.0}, appendix=Appendix(figures={"spread": 2.0, "none": math.nan})))
    assert load_run(tmp_path / "r").figures == {"spread": 2.0, "none": None}


@pytest.mark.parametrize("value", [1e30, math.inf])
def test_what_the_order_did_is_a_number_of_a_run_too(tmp_path, monkeypatch, value):
    effect = OrderEffect({"position_slope": Interval(0.0, -1.0, value)}, [Interval(0.0, 0.0, 0.0)])
    monkeypatch.setattr("listeval.runs.store.is_shuffled", lambda task: True)
    monkeypatch.setattr("listeval.runs.store.order_effect", lambda task, rows: effect)
    read_again(Own({"error": 0.0}))


TARGETS = st.dictionaries(TEXTS, ANYTHING, max_size=2) | ANYTHING
EXAMPLES = st.builds(
    Example,
    st.text(max_size=3) | TEXTS | ANYTHING,
    st.just((Message("user", "a"),)) | TEXTS.map(lambda text: (Message("user", text),)),
    TARGETS,
    TEXTS | ANYTHING,
)
DATA = st.builds(
    Dataset,
    st.lists(EXAMPLES, min_size=1, max_size=2) | ANYTHING,
    TEXTS | ANYTHING,
    TEXTS | ANYTHING,
    st.dictionaries(TEXTS | st.integers(), ANYTHING, max_size=2) | ANYTHING,
    TEXTS | ANYTHING,
)


@settings(max_examples=150)
@given(st.lists(EXAMPLES, min_size=1, max_size=2) | DATA)
def test_whatever_data_a_task_loads(examples):
    rows = read_again(Own({"error": 0.0}, examples=examples))
    assert rows is None or all(isinstance(row["example"], str) for row in rows)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": 7}, "example 0: its id is a int, not a text: 7"),
        ({"cluster": 7}, "example 0: its cluster is a int, not a text: 7"),
        ({"target": [1]}, "example 0: its target is a list, not a JSON object"),
        ({"target": {"a": np.int64(3)}}, "example 0 is no JSON: Unable to serialize unknown type"),
    ],
)
def test_data_that_no_row_can_hold_are_the_task_s_fault(tmp_path, changes, said):
    example = Example("a", (Message("user", "a"),), {})._replace(**changes)
    with pytest.raises(UserError, match="task 'own' cannot load its data") as raised:
        done(Own({"error": 0.0}, examples=[example]), tmp_path / "r")
    assert said in str(raised.value) and not (tmp_path / "r").exists()


class Endless(TaskOptions):
    limit: float = math.inf
    start: float = 0.0


@pytest.mark.parametrize("given_options", [{}, {"start": -math.inf}, {"start": math.nan}])
def test_endless_options_are_read_as_they_were(tmp_path, given_options):
    class Open(Own):
        Options = Endless

    config = build_config({"task": "own", "model": "m", "options": given_options})
    task = Open({"error": 0.0}, options=Endless.model_validate(config.options))
    found = done(task, tmp_path / "r", options=config.options)
    again = Endless.model_validate(found.manifest.task.options)
    assert repr(again) == repr(task.options)
    assert load_run(tmp_path / "r").manifest.config.options == config.options
    assert len(done(task, tmp_path / "r", options=config.options).rows) == 2, "the same command goes on with it"


@pytest.mark.parametrize("name", ["chat_template_arg", "engine_arg"])
@pytest.mark.parametrize("value", [math.inf, [1.0, math.nan], {"a": -math.inf}])
def test_words_for_an_engine_have_finite_numbers(name, value):
    with pytest.raises(UserError, match=f"--{name.replace('_', '-')}: numbers are finite"):
        build_config({"task": "own", "model": "m", name: {"x": value}})


@pytest.mark.parametrize(("key", "value"), [("max_model_len", -1), ("batch_size", 0)])
def test_an_engine_argument_that_is_a_flag_is_held_to_the_flag(monkeypatch, key, value):
    monkeypatch.setattr("listeval.runs.config.typed", lambda backend, given: ({}, {key: value}))
    config = build_config({"task": "own", "model": "m", "backend": "vllm", "engine_arg": {"x": value}})
    with pytest.raises(UserError, match=f"--{key.replace('_', '-')}: Input should be greater than"):
        config.resolved(64, "vllm")
