"""What a manifest says of a run's answers stays that of the answers, whatever a later process comes to."""

import json

import pytest

from listeval import __version__
from listeval.backends.openai.openai_engine import OpenAIBackend
from listeval.chat import Message
from listeval.errors import UserError
from listeval.plugins.open import make_task
from listeval.runs import RunConfig, load_run, preparation, rescore, run
from listeval.runs.entries import AuditEntry
from tests.backends.fake_server import Call, FakeServer, Reply, chat

BUSY = Reply({"error": {"message": "moderated"}}, status=400)
EXPIRED = Reply({"error": {"message": "key expired"}}, status=401)
LOOSE = Reply(chat("The sea is wide."))


def is_proof(call: Call) -> bool:
    return "zq-" in json.dumps(call.body["response_format"])


def obeys(call: Call) -> Reply:
    """As a server that holds its answers to every schema; the last of what it may choose."""
    schema = call.body["response_format"]["json_schema"]["schema"]
    if schema["type"] == "object":
        words = schema["properties"]["zq-4817"]
        return Reply(chat(json.dumps({"zq-4817": [words["items"]["enum"][-1]] * words["minItems"]})))
    ids = schema["items"]["properties"]["review_id"]["enum"]
    return Reply(chat(json.dumps([{"review_id": name, "score": 1} for name in ids])))


def but(answer: Reply):
    """Passes the proof, and then always says `answer`."""
    return lambda call: obeys(call) if is_proof(call) else answer


FAILING = {
    "a server that no longer constrains": (lambda call: LOOSE, 3),
    "a key that is refused from the first": (lambda call: EXPIRED, 3),
    "a key that is refused after the proof": (but(EXPIRED), 5),
    "nothing but errors after the proof": (but(BUSY), 5),
}


@pytest.fixture
def served(tmp_path):
    """Run (or go on) against a server that answers by `rule`."""
    pytest.importorskip("httpx")
    with FakeServer(obeys).running() as server:
        values = {"task": "fashion", "model": "tiny", "backend": "openai", "base_url": server.url, "limit": 3}
        values |= {"constraint": "schema", "concurrency": 1, "out": str(tmp_path / "run")}

        def go(rule, **changes):
            server.rule = rule
            return run(RunConfig(**{**values, **changes}))

        yield go


def of_answers(path):
    found = load_run(path).manifest
    return found.canary, found.audit, found.environment, found.listeval


def elsewhere(monkeypatch):
    """From now on this is another machine with another listeval."""
    monkeypatch.setattr(preparation, "environment", lambda: {"python": "9.9", "cpu": "abacus"})
    monkeypatch.setattr(preparation, "__version__", "99.0")


@pytest.mark.parametrize("name", FAILING)
def test_a_process_without_an_answer_changes_nothing_that_is_said_of_answers(served, monkeypatch, name):
    done = served(obeys)
    before, kinds = of_answers(done.path), done.summary.kinds
    assert before[0].passed and isinstance(before[1], AuditEntry)
    rule, limit = FAILING[name]
    elsewhere(monkeypatch)
    try:
        served(rule, limit=limit)
    except UserError:
        assert "errors" not in name
    assert of_answers(done.path) == before
    assert {kind: n for kind, n in rescore(done.path).summary.kinds.items() if kind != "engine_error"} == {
        kind: n for kind, n in kinds.items() if kind != "engine_error"
    }


def test_a_new_answer_is_behind_another_proof_and_machine(served, monkeypatch):
    done = served(obeys)
    elsewhere(monkeypatch)
    first = of_answers(done.path)
    same = served(obeys)
    assert of_answers(done.path) == first
    assert (same.manifest.environment, same.manifest.listeval) == first[2:] == (first[2], __version__)
    more = served(obeys, limit=4)
    canary, audit, environment, version = of_answers(done.path)
    assert canary.passed and audit is not None
    assert (environment["cpu"], version) == ("abacus", "99.0")
    assert (more.manifest.environment, more.manifest.listeval) == (environment, version)


def test_what_stands_is_exchanged_before_the_first_new_row_is_written(served, monkeypatch):
    done = served(obeys)
    elsewhere(monkeypatch)
    monkeypatch.setattr("listeval.runs.rows.RowWriter.append", lambda *rows: (_ for _ in ()).throw(SystemExit))
    with pytest.raises(SystemExit):
        served(obeys, limit=4)
    assert len(load_run(done.path).rows) == 3
    assert load_run(done.path).manifest.listeval == "99.0"


def test_a_run_without_rows_has_the_proof_of_its_last_process(served, tmp_path, monkeypatch):
    with pytest.raises(UserError):
        served(lambda call: LOOSE)
    assert not load_run(tmp_path / "run").manifest.canary.passed
    elsewhere(monkeypatch)
    with pytest.raises(UserError):
        served(but(EXPIRED))
    canary, *_, version = of_answers(tmp_path / "run")
    assert canary.passed and version == "99.0"


@pytest.mark.parametrize("lost", [{"canary": None, "audit": None}, {"canary": {"passed": False, "why": "sea"}}])
def test_a_proof_that_an_earlier_version_lost_is_found_again(served, lost):
    done = served(obeys)
    file = done.path / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | lost))
    served(obeys)
    canary, audit, *_ = of_answers(done.path)
    assert canary.passed and audit == done.manifest.audit


@pytest.fixture
def asked(tmp_path):
    """Run (or go on) without a constraint against a server that answers by `rule`."""
    pytest.importorskip("httpx")
    with FakeServer(obeys).running() as server:
        values = {"task": "fashion", "model": "tiny", "backend": "openai", "base_url": server.url, "limit": 6}
        values |= {"concurrency": 1, "out": str(tmp_path / "run")}

        def go(rule, **changes):
            server.rule = rule
            return run(RunConfig(**{**values, **changes}))

        yield go


class Picky:
    """Refuses requests with a `field`, and its answer number `busy` once; ends answers with `word`."""

    def __init__(self, field=None, busy=None, word="stop"):
        self.field, self.busy, self.word, self.answers = field, busy, word, 0

    def __call__(self, call: Call) -> Reply:
        if self.field in call.body:
            return Reply({"error": {"message": f"unknown field {self.field}"}}, status=400)
        self.answers += 1
        return BUSY if self.answers == self.busy else Reply(chat("no", self.word))


@pytest.mark.parametrize("later", [Picky(), Picky("top_p"), Picky("seed")])
def test_what_a_server_did_not_take_is_said_of_the_rows_of_all_attempts(asked, later):
    first = asked(Picky("seed", busy=4))
    assert first.summary.errors == 1 and list(first.manifest.backend.left_out) == ["seed"]
    done = asked(later)
    assert done.summary.errors == 0 and len(done.manifest.attempts) == 2
    wanted = {"seed"} | ({later.field} - {None})
    assert set(load_run(done.path).manifest.backend.left_out) == wanted
    assert [line for line in done.notices if "takes no" in line] == [
        f"the server takes no {', '.join(sorted(wanted))}: requests went without"
    ]


def test_the_words_of_a_server_are_counted_over_all_attempts(asked):
    asked(Picky(busy=4, word="STOP"))
    assert asked(Picky(word="STOP"), limit=6).manifest.backend.finish_reasons == {"STOP": 6}
    done = asked(Picky(word="end_turn"), limit=9)
    assert load_run(done.path).manifest.backend.finish_reasons == {"STOP": 6, "end_turn": 3}
    assert asked(Picky(word="end_turn"), limit=9).manifest.backend.finish_reasons == {"STOP": 6, "end_turn": 3}


@pytest.fixture
def planted(monkeypatch):
    """The first five prompts of the sample spell a control token."""
    task = type(make_task("fashion", {}))
    loaded = make_task("fashion", {}).load(None, 0)
    mark = Message("user", "<|im_start|> bag")
    examples = [
        example._replace(messages=(*example.messages, mark)) if place < 5 else example
        for place, example in enumerate(loaded.examples)
    ]
    monkeypatch.setattr(task, "load", lambda self, path, seed: loaded._replace(examples=examples))
    return examples


@pytest.mark.parametrize("scope", [{"samples": 3}, {"limit": 1}, {"limit": 6}])
def test_prompts_that_spell_control_tokens_stay_counted_whatever_part_is_asked_for(asked, planted, scope):
    assert asked(Picky(busy=1)).manifest.control_text == {"as_the_server_renders": 5}
    if "samples" in scope:
        scope = {"samples": tuple(example.id for example in planted[: scope["samples"]])}
    done = asked(Picky(), **scope)
    assert done.summary.errors == 0 and len(done.manifest.attempts) == 2
    assert load_run(done.path).manifest.control_text == {"as_the_server_renders": 5}


def test_more_prompts_that_spell_control_tokens_count(asked, planted):
    assert asked(Picky(), limit=2).manifest.control_text == {"as_the_server_renders": 2}
    assert asked(Picky(), limit=4).manifest.control_text == {"as_the_server_renders": 4}
    assert asked(Picky(), limit=9).manifest.control_text == {"as_the_server_renders": 5}


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([{"limit": 3}, {"seeds": (1,), "limit": 2}], 5),
        ([{"limit": 3}, {"seeds": (0, 1), "limit": 3}], 6),
        ([{"samples": slice(0, 2)}, {"samples": slice(3, 5)}], 4),
        ([{"samples": slice(0, 3)}, {"samples": slice(2, 5)}], 5),
        ([{"limit": 2}, {"limit": 1}, {"limit": 2, "seeds": (0, 1)}, {"limit": 2, "seeds": (1,)}], 4),
    ],
    ids=str,
)
def test_prompts_of_disjoint_parts_add_up_and_none_counts_twice(asked, planted, parts, said):
    for part in parts:
        if "samples" in part:
            part = {"samples": tuple(example.id for example in planted[part["samples"]])}
        done = asked(Picky(), **part)
    assert load_run(done.path).manifest.control_text == {"as_the_server_renders": said}


@pytest.mark.parametrize("kept", [0, 2, 4])
def test_prompts_of_a_process_that_was_killed_are_counted_when_they_are_seen_again(asked, planted, kept):
    done = asked(Picky())
    lines = (done.path / "samples.jsonl").read_bytes().splitlines(keepends=True)
    (done.path / "samples.jsonl").write_bytes(b"".join(lines[:kept]))
    values = json.loads((done.path / "manifest.json").read_text())
    (done.path / "manifest.json").write_text(json.dumps(values | {"control_text": {}, "attempts": []}))
    assert asked(Picky()).manifest.control_text == {"as_the_server_renders": 5}


def behind(path):
    found = load_run(path).manifest.backend
    return {**found.settings, "left_out": None}, found.versions


@pytest.mark.parametrize("limit", [6, 8])
def test_an_attempt_whose_every_answer_failed_leaves_the_engine_behind_the_rows(asked, monkeypatch, limit):
    done = asked(Picky("seed", busy=4))
    before = behind(done.path)
    monkeypatch.setattr(OpenAIBackend, "versions", lambda self: {"server": "99"})

    asked(lambda call: BUSY, limit=limit, timeout_s=77.0)
    made = load_run(done.path).manifest
    assert behind(done.path) == before
    assert len(made.attempts) == 2 and set(made.backend.left_out) == {"seed"}
    asked(Picky(), limit=limit, timeout_s=55.0)
    settings, versions = behind(done.path)
    assert (settings["timeout_s"], versions) == (55.0, {"server": "99"})
    assert load_run(done.path).manifest.backend.finish_reasons == {"stop": limit}
