"""Constrained runs: proven before they start, judged by what the engine promised, and refused where nothing decodes."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("jsonschema")

from listeval.contract import Item, KeyedList, Kind, Record, Score
from listeval.decoding.promise import Promise
from listeval.errors import UserError
from listeval.report.constrained import constraint_words
from listeval.runs import RunConfig, load_run, rescore, run
from listeval.runs.row_decoder import read_rows
from listeval.runs.rows import encode
from tests.backends.fake_server import Call, FakeServer, Reply, chat

SCHEMA = Promise("schema")


class Rated(Item):
    id: str
    score: Score


PAIR = KeyedList(Rated, key="id", ids=["A1", "A2"])


def objects(*pairs):
    return json.dumps([{"id": name, "score": score} for name, score in pairs])


def judged(promise, text, finish="stop", contract=PAIR):
    failure = contract.parse(text, finish)
    return promise.held(contract, text, finish, failure)


@pytest.mark.parametrize(
    ("text", "was"),
    [
        ("", "empty"),
        ("The first one.", "no_json"),
        ('[{"id": "A1", "score": 1}', "malformed_json"),
        ('{"id": "A1", "score": 1}', "wrong_type"),
        ('[{"id": "A1"}, {"id": "A2", "score": 1}]', "missing_key"),
        ('[{"id": "A1", "score": 1, "why": 2}, {"id": "A2", "score": 1}]', "extra_key"),
        ('[{"id": "A1", "score": "high"}, {"id": "A2", "score": 1}]', "bad_value"),
        (objects(("A1", 1)), "missing_id"),
        (objects(("A1", 1), ("A3", 1)), "unknown_id"),
        (objects(("1", 1), ("2", 1)), "position_only"),
        (objects(("A1", 1), ("A2", 1), ("A1", 1)), "too_long"),
        ("I'm sorry, but I can't help with that.", "refusal"),
    ],
)
def test_what_a_schema_promises(text, was):
    found = judged(SCHEMA, text)
    assert found.kind is Kind.CONSTRAINT_IGNORED
    assert found.detail.startswith(f"{was}: ")
    assert found.span == PAIR.parse(text).span
    assert judged(Promise("none"), text).kind == was


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (objects(("A1", 1), ("A1", 2)), Kind.DUPLICATE_ID),
        ('[{"id": "A1", "score": 1e999}, {"id": "A2", "score": 1}]', Kind.BAD_VALUE),
    ],
)
def test_what_no_schema_promises(text, kind):
    assert judged(SCHEMA, text).kind is kind
    assert judged(Promise("permutation"), text).kind is Kind.CONSTRAINT_IGNORED


@pytest.mark.parametrize("kind", ["schema", "permutation", "scaffold"])
@pytest.mark.parametrize("text", ["", '[{"id": "A1", ', "prose" + " " * 40])
def test_a_truncated_answer_breaks_no_promise(kind, text):
    assert judged(Promise(kind), text, "length") == PAIR.parse(text, "length")


def test_a_keyword_that_was_measured_to_be_ignored_was_not_promised():
    short = objects(("A1", 1))
    assert judged(Promise("schema", frozenset({"minItems"})), short).kind is Kind.MISSING_ID


def test_a_rule_beyond_the_schema_is_not_promised():
    class Even(Item):
        n: int

        def model_post_init(self, context):
            if self.n % 2:
                raise ValueError("odd")

    found = judged(SCHEMA, '{"n": 3}', contract=Record(Even))
    assert found.kind is not Kind.CONSTRAINT_IGNORED


@pytest.mark.parametrize("kind", ["permutation", "scaffold"])
def test_a_rule_of_the_tasks_own_code_is_not_promised(kind):
    class Small(Item):
        id: str
        score: Score

        def model_post_init(self, context):
            if self.score > 5:
                raise ValueError("too much")

    pair = KeyedList(Small, key="id", ids=["A1", "A2"])
    found = judged(Promise(kind), objects(("A2", 9), ("A1", 1)), contract=pair)
    assert found.kind is Kind.CONTRACT_OTHER
    assert judged(Promise(kind), objects(("A2", 1), ("A2", 1)), contract=pair).kind is Kind.CONSTRAINT_IGNORED


def test_depth_that_no_reader_survives_is_a_broken_promise():
    assert judged(SCHEMA, "[" * 100_000 + "]" * 100_000).kind is Kind.CONSTRAINT_IGNORED


@pytest.mark.parametrize("kind", ["schema", "permutation", "scaffold"])
@pytest.mark.parametrize("backend", ["null", "replay"])
def test_what_decodes_nothing_is_refused(start, kind, backend):
    with pytest.raises(UserError, match="decodes nothing"):
        start(backend=backend, constraint=kind)


def test_an_engine_without_a_constraint_is_refused(start):
    with pytest.raises(UserError, match="without a constraint"):
        start(engine="xgrammar")


def duplicates(call: Call) -> Reply:
    """Honours every schema, without a thought for what stands twice."""
    schema = call.body["response_format"]["json_schema"]["schema"]
    if schema["type"] == "object":
        words = schema["properties"]["zq-4817"]
        return Reply(chat(json.dumps({"zq-4817": [words["items"]["enum"][0]] * words["minItems"]})))
    items = schema["items"]
    name = items["properties"]["review_id"]["enum"][0]
    return Reply(chat(json.dumps([{"review_id": name, "score": 1}] * schema["minItems"])))


def forgets(call: Call) -> Reply:
    """Honours the schemas of the proof, and then no other."""
    proof = "zq-" in json.dumps(call.body["response_format"])
    return duplicates(call) if proof else Reply(chat("The first review is best."))


def config(server, tmp_path, **changes):
    values = {"task": "fashion", "model": "tiny", "backend": "openai", "base_url": server.url, "limit": 3}
    return RunConfig(**{**values, "constraint": "schema", "out": str(tmp_path / "run"), **changes})


def test_a_proven_run_shows_duplicates_as_counts(tmp_path):
    pytest.importorskip("httpx")
    with FakeServer(duplicates).running() as server:
        done = run(config(server, tmp_path))
    manifest = load_run(done.path).manifest
    assert manifest.canary.passed and manifest.constraint == "schema"
    assert manifest.audit.model_dump() == {
        "engine": "server", "form": "the server's own JSON mode", "valid": "untested", "keywords": {},
        "unique_items_asked": "ignored", "spacing": {"asked": "either", "measured": "gold (seen once)"},
    }  # fmt: skip
    assert manifest.canary.sent.model_dump() == {"field": "response_format"}
    assert manifest.identity["constraint"] == {"kind": "schema", "engine": "server", "spacing": "either"}
    assert manifest.config.spacing == "either"
    assert manifest.config.engine == "server"
    assert done.summary.kinds["duplicate_id"] == 3
    assert done.summary.to_json()["masked"] is None


def test_an_answer_that_breaks_the_promise_says_so_and_stays_so(tmp_path):
    pytest.importorskip("httpx")
    with FakeServer(forgets).running() as server:
        done = run(config(server, tmp_path))
    assert done.summary.kinds["constraint_ignored"] == 3
    assert {row["detail"].split(":")[0] for row in done.rows} == {"no_json"}
    assert rescore(done.path).summary.kinds["constraint_ignored"] == 3


def test_masked_mass_is_in_the_summary(tmp_path):
    pytest.importorskip("httpx")
    with FakeServer(duplicates).running() as server:
        done = run(config(server, tmp_path))
    rows = list(read_rows(done.path / "samples.jsonl"))
    for row, masked in zip(rows, (0.25, 0.75, None), strict=True):
        row["masked"] = masked
    (done.path / "samples.jsonl").write_bytes(b"".join(map(encode, rows)))
    assert load_run(done.path).summary.masked == 0.5


def test_another_constraint_is_another_run(tmp_path):
    pytest.importorskip("httpx")
    with FakeServer(duplicates).running() as server:
        run(config(server, tmp_path))
        with pytest.raises(UserError, match="constraint"):
            run(config(server, tmp_path, constraint="none"))


def test_a_failed_canary_leaves_its_word_in_the_manifest_and_no_row(tmp_path):
    pytest.importorskip("httpx")
    fake = FakeServer(lambda call: Reply(chat("The sea is wide.")))
    with fake.running() as server, pytest.raises(UserError, match="does not hold"):
        run(config(server, tmp_path))
    kept = load_run(tmp_path / "run")
    assert not kept.manifest.canary.passed and "sea" in kept.manifest.canary.text
    assert kept.rows == []


def test_half_a_character_in_a_canary_s_answer_breaks_no_manifest(tmp_path):
    # As JSON spells it: Python's own reader takes it, a file in UTF-8 does not.
    server = FakeServer(lambda call: Reply(json.dumps(chat("sea \ud83d", reasoning_content="\ude00")).encode()))
    with server.running(), pytest.raises(UserError, match="does not hold"):
        run(config(server, tmp_path))
    assert load_run(tmp_path / "run").manifest.canary.text == "sea \ufffd"


def test_a_schema_that_is_only_sent_along_is_a_constraint_that_nothing_proves(tmp_path):
    pytest.importorskip("httpx")
    with FakeServer(forgets).running() as server:
        done = run(config(server, tmp_path, constraint="none", structured=True))
    manifest = load_run(done.path).manifest
    assert (manifest.constraint, manifest.identity["constraint"]) == ("schema", "schema")
    assert manifest.unproven and (manifest.canary, manifest.audit) == (None, None)
    assert constraint_words(manifest) == "schema by server, spacing unknown, unproven"
    assert manifest.promise == Promise("none")
    assert not done.summary.kinds["constraint_ignored"], "nobody has shown that the server keeps to it"
    assert done.summary.kinds["no_json"] == 3


def test_an_earlier_run_with_the_schema_sent_along_reads_as_one(tmp_path):
    pytest.importorskip("httpx")
    with FakeServer(duplicates).running() as server:
        done = run(config(server, tmp_path, constraint="none", structured=True))
        file = done.path / "manifest.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "constraint": "none"}))
        assert load_run(done.path).manifest.constraint == "schema"
        again = run(config(server, tmp_path, constraint="none", structured=True))
    assert len(again.rows) == len(done.rows) == 3


def test_a_proven_run_is_not_called_unproven(tmp_path):
    pytest.importorskip("httpx")
    with FakeServer(duplicates).running() as server:
        manifest = run(config(server, tmp_path)).manifest
    assert not manifest.unproven and "unproven" not in constraint_words(manifest)
