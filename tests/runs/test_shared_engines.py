"""One engine for runs after each other: what they share, what makes another engine, and what closes it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from listeval.backends.protocol import BackendOptions
from listeval.decoding.constraint import Constraint
from listeval.errors import UserError
from listeval.runs import RunConfig
from listeval.runs import engines as module
from listeval.runs.engines import EngineLoad, Engines
from listeval.runs.observer import SilentObserver

SCHEMA = Constraint("schema", "xgrammar")
WATCH = SilentObserver()


class Engine:
    """Takes any constraint but those of llguidance."""

    name = model = capabilities = renderer = None
    versions = settings = generate = score = staticmethod(dict)

    def __init__(self, options):
        self.options, self.closed, self.held_to = options, False, options.constraint

    def constrain(self, constraint):
        if constraint is not None and constraint.engine == "llguidance":
            return False
        self.held_to = constraint
        return True

    def adapt(self, adapter):
        self.adapter = adapter
        return True

    def close(self):
        self.closed = True


class Fixed(Engine):
    """An engine that cannot be told another constraint."""

    constrain = None


@pytest.fixture
def opened(monkeypatch):
    """Every engine that was opened, in order."""
    found = []

    def open_one(backend, model, options):
        found.append((Engine if backend == "hf" else Fixed)(options))
        return found[-1]

    monkeypatch.setattr(module, "open_backend", open_one)
    return found


def config(constraint="none", engine=None, **changes):
    values = {"task": "fashion", "model": "m", "backend": "hf", **changes}
    return RunConfig(constraint=constraint, engine=engine, **values).resolved(64, values["backend"])


def test_a_model_is_loaded_once_whatever_the_constraint(opened):
    runs = [config(), config("schema", "xgrammar"), config("permutation"), config(max_tokens=9, temperature=1.0)]
    with Engines(runs) as engines:
        for run in runs:
            backend = engines.open(run, WATCH)
            assert backend.held_to == run.decoding
            assert not backend.closed
    assert len(opened) == 1
    assert opened[0].closed
    assert set(opened[0].options.constraints) == {runs[1].decoding, runs[2].decoding}


@pytest.mark.parametrize(
    "other",
    [
        {"model": "n"}, {"dtype": "bfloat16"}, {"batch_size": 3}, {"enable_thinking": True}, {"max_model_len": 99},
        {"device": "cpu"}, {"tokenizer": "t"}, {"chat_template_arg": {"a": 1}},
    ],
)  # fmt: skip
def test_what_an_engine_is_opened_with_makes_another(opened, other):
    with Engines() as engines:
        engines.open(config(), WATCH)
        engines.open(config(**other), WATCH)
        assert [engine.closed for engine in opened] == [True, False], "one at a time: two may not fit"


def test_every_option_but_the_constraint_tells_engines_apart():
    """A new option of engines cannot be forgotten here."""
    plain = EngineLoad.of(config())
    assert EngineLoad.of(config("schema", "xgrammar")) == plain
    changed = replace(plain.options, constraints=(SCHEMA,))
    assert plain._replace(options=changed) != plain
    assert plain.options == replace(config().backend_options, constraint=None, adapter=None)
    assert isinstance(plain.options, BackendOptions)


def test_an_engine_that_was_not_started_for_a_constraint_is_opened_anew(opened):
    with Engines() as engines:
        engines.open(config(), WATCH)
        backend = engines.open(config("schema", "llguidance"), WATCH)
        assert backend is opened[1]
        assert opened[0].closed


def test_an_engine_that_cannot_be_told_is_opened_for_each_run(opened):
    with Engines() as engines:
        engines.open(config(backend="null"), WATCH)
        engines.open(config(backend="null"), WATCH)
    assert [engine.closed for engine in opened] == [True, True]


@pytest.mark.parametrize("error", [KeyboardInterrupt, UserError("died"), RuntimeError("a bug")])
def test_an_engine_whose_answers_were_cut_off_is_not_used_again(opened, error):
    with Engines() as engines:
        engines.open(config(), WATCH)
        with pytest.raises(type(error) if isinstance(error, Exception) else error), engines.generating():
            raise error
        assert opened[0].closed
        assert engines.open(config(), WATCH) is opened[1]


def test_an_error_before_the_first_answer_keeps_the_engine(opened):
    with Engines() as engines:
        first = engines.open(config(), WATCH)
        assert engines.open(config("permutation"), WATCH) is first


def test_constraints_of_one_model_on_transformers_are_what_runs_of_their_own_are(tmp_path):
    """The shipped checkpoint, loaded once for three runs, answers as it does when it is loaded for each of them."""
    pytest.importorskip("torch")
    from listeval.backends.hf import hf_engine as hf
    from listeval.runs import run

    loads = []
    load = hf.load_network
    values = {"task": "fashion", "model": "tiny-sft", "backend": "hf", "limit": 3, "max_tokens": 96, "device": "cpu"}
    ways = ["none", "permutation", "scaffold", "none"]
    runs = [RunConfig(constraint=way, out=str(tmp_path / f"shared{at}"), **values) for at, way in enumerate(ways)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hf, "load_network", lambda *args: loads.append(1) or load(*args))
        with Engines(one.resolved(96, "hf") for one in runs) as engines:
            shared = [run(one, engines=engines) for one in runs]
        assert len(loads) == 1
        alone = [run(one.model_copy(update={"out": f"{one.out}-alone"})) for one in runs]
        assert len(loads) == 1 + len(runs)
    for one, other in zip(shared, alone, strict=True):
        assert [row["text"] for row in one.rows] == [row["text"] for row in other.rows]
        assert one.manifest.identity == other.manifest.identity
        assert one.manifest.canary == other.manifest.canary
        mine, theirs = (run.manifest.backend.constraint for run in (one, other))
        assert {name: mine.get(name) for name in ("kind", "engine", "compiled")} == {
            name: theirs.get(name) for name in ("kind", "engine", "compiled")
        }
