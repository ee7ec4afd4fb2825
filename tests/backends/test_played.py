"""Gold, planted faults and garbage: every task's scoring is exercised without a model, faults land in their kinds."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.backends import null, played
from listeval.backends.protocol import BackendOptions, KnownAnswers, Message, Prompt, Request, Sampling
from listeval.contract import Kind
from listeval.errors import UserError
from listeval.plugins.open import make_task
from listeval.runs import RunConfig, run

TASKS = ("fashion", "baby", "software", "msmarco", "bfcl", "gsm8k", "mbpp")


@pytest.fixture
def play(tmp_path):
    """Run a task's bundled sample on the null engine, playing something."""

    def make(task: str, model: str, **changes):
        if task == "mbpp":
            _needs_a_sandbox()
        config = {"task": task, "backend": "null", "model": model, "allow_code_execution": True}
        return run(RunConfig(**{**config, "out": str(tmp_path / "run"), **changes}))

    return make


def _needs_a_sandbox() -> None:
    from listeval.scoring.execution import Sandbox

    try:
        with Sandbox(workers=1):
            pass
    except UserError as error:
        pytest.skip(f"no sandbox here: {error.cause}")


def known(row, task) -> KnownAnswers:
    return KnownAnswers(task.gold(row["target"]), task.bad(row["target"]))


@pytest.mark.parametrize("task", TASKS)
def test_gold_scores_best_in_every_task(play, task):
    done = play(task, "gold")
    assert done.summary.kinds["ok"] == done.summary.scored == done.summary.n > 30
    for metric in make_task(task, {}).metrics:
        best = 0.0 if metric.bounds is None or metric.bounds[1] != 1.0 else 1.0
        assert done.summary.metrics[metric.name].value == pytest.approx(best)


@pytest.mark.parametrize("task", TASKS)
def test_planted_faults_land_in_their_kinds(play, task):
    done, plugin, faults = play(task, "faults"), make_task(task, {}), played.Faults()
    planted = [faults.planted(row["key"], known(row, plugin))[0] for row in done.rows]
    assert [row["kind"] for row in done.rows] == planted
    assert len({*planted}) > 5
    for row in done.rows:
        if row["kind"] == "ok":
            assert all(value in (pytest.approx(1.0), None) for name, value in row["scores"].items() if name != "mae")


@pytest.mark.parametrize("task", TASKS)
def test_garbage_is_classified_and_breaks_nothing(play, task):
    found = play(task, "garbage").summary
    assert (found.errors, found.unscored, found.scored) == (0, 0, found.n)
    assert sum(n for kind, n in found.kinds.items() if kind != "ok") > 0.9 * found.n


def test_every_kind_that_an_answer_can_show_is_planted_somewhere():
    kinds = set()
    for name in TASKS:
        task = make_task(name, {})
        for example in task.load(None, 0).examples[:5]:
            faulty = played.faulty(KnownAnswers(task.gold(example.target), task.bad(example.target)))
            kinds |= faulty.keys()
            for kind, draft in faulty.items():
                result = task.contract(example.target).parse(draft.text, draft.finish_reason, draft.reasoning)
                assert result.kind == kind, (name, draft)
    assert kinds == {*Kind} - {Kind.OK, Kind.CONSTRAINT_IGNORED, Kind.CONTRACT_OTHER}


def test_named_shares_are_kept_and_the_rest_is_gold():
    faults = played.Faults.parse("duplicate_id=0.25,truncated=0.125")
    task = make_task("fashion", {})
    target = task.load(None, 0).examples[0].target
    one = KnownAnswers(task.gold(target), task.bad(target))
    found = Counter(faults.planted(f"k{i}", one)[0] for i in range(4000))
    assert set(found) == {Kind.OK, Kind.DUPLICATE_ID, Kind.TRUNCATED}
    assert abs(found[Kind.DUPLICATE_ID] - 1000) < 4.5 * 28
    assert abs(found[Kind.TRUNCATED] - 500) < 4.5 * 21


def test_a_kind_that_an_example_cannot_show_is_gold_and_counted(play):
    done = play("gsm8k", "faults:duplicate_id=0.5,engine_error=0.25", limit=40)
    assert done.summary.kinds["duplicate_id"] == 0
    assert done.summary.errors == done.summary.kinds["engine_error"] > 0
    counted = done.manifest.backend.settings["not_planted"]["duplicate_id"]
    assert 0 < counted <= done.summary.kinds["ok"]


@pytest.mark.parametrize(
    ("task", "kind"), [("gsm8k", "duplicate_id"), ("fashion", "contract_other"), ("json", "too_long")]
)
def test_a_kind_that_could_not_be_planted_is_told(play, task, kind):
    done = play(task, f"faults:{kind}=0.9,empty=0.1", limit=20)
    counted = done.manifest.backend.settings["not_planted"][kind]
    (told,) = done.notices
    assert told.startswith("not planted") and f"{kind} in {counted};" in told


@pytest.mark.parametrize("more", [{"limit": 9}, {"limit": 12}, {"limit": 8, "seeds": (1,)}], ids=str)
def test_kinds_that_could_not_be_planted_are_counted_over_all_attempts(play, tmp_path, more):
    model = "faults:duplicate_id=0.3"
    first = play("gsm8k", model, limit=8).manifest.backend.not_planted
    done = play("gsm8k", model, **more)
    assert done.manifest.backend.not_planted["duplicate_id"] >= first["duplicate_id"] > 0
    scope = {"limit": done.manifest.config.limit, "seeds": done.manifest.config.seeds}
    at_once = play("gsm8k", model, **scope, out=str(tmp_path / "at once"))
    assert (done.notices, done.manifest.backend.not_planted) == (at_once.notices, at_once.manifest.backend.not_planted)


@pytest.mark.parametrize(("model", "limit", "said"), [
    ("faults:empty=0.0", 3, "fell to one of the 3 samples"), ("faults:empty=0", 1, "fell to the only sample"),
])  # fmt: skip
def test_a_run_in_which_nothing_was_planted_says_so(play, model, limit, said):
    (told,) = play("json", model, limit=limit).notices
    assert told.startswith("no fault was planted") and said in told


@pytest.mark.parametrize("model", ["faults:empty=1", "gold", "m"])
def test_where_all_was_planted_or_nothing_asked_there_is_nothing_to_tell(play, model):
    assert play("json", model, limit=6).notices == []


@pytest.mark.parametrize(
    "model",
    ["faults:nonsense=0.1", "faults:ok=0.5", "faults:constraint_ignored=1", "faults:truncated", "faults:truncated=x",
     "faults:truncated=-0.1", "faults:truncated=0.6,empty=0.6", "faults:truncated=nan"],
)  # fmt: skip
def test_shares_of_no_sense_are_refused(model):
    with pytest.raises(UserError, match="--model"):
        null.open(model, BackendOptions())


@given(st.text(), st.text(max_size=200), st.sampled_from(["gold", "faults", "garbage"]))
def test_what_is_played_depends_on_key_and_example_alone(key, gold, model):
    one = KnownAnswers(gold, {Kind.EMPTY: ""})
    first, second = (null.playing(model) for _ in range(2))
    assert first and second and first(key, one) == second(key, one)


def test_other_models_and_other_engines_are_told_nothing(start_requests):
    assert {request.known for request in start_requests("m")} == {None}
    assert all(request.known and request.known.gold for request in start_requests("gold"))


@pytest.fixture
def start_requests(play, monkeypatch, tmp_path):
    """The requests that the null engine gets under a model."""

    def make(model: str):
        seen = []
        draft = null.NullBackend._draft

        def spy(self, request):
            seen.append(request)
            return draft(self, request)

        monkeypatch.setattr(null.NullBackend, "_draft", spy)
        play("fashion", model, limit=3, out=str(tmp_path / model))
        monkeypatch.setattr(null.NullBackend, "_draft", draft)
        return seen

    return make


def test_the_null_engine_needs_no_model():
    assert RunConfig(task="fashion", backend="null").model == "null"
    with pytest.raises(ValueError, match="model"):
        RunConfig(task="fashion", backend="hf")


def test_a_request_without_an_example_is_an_error_not_a_crash():
    request = Request("k", "k", Prompt((Message("user", "?"),)), Sampling(), 0, None)
    (done,) = null.open("gold", BackendOptions()).generate([request])
    assert done.error
