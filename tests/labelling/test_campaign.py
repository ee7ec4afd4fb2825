"""Campaigns against a real server on loopback: what is asked, what is asked again, and what never is."""

from contextlib import contextmanager, nullcontext
from dataclasses import replace

import pytest

from listeval.backends.openai.http import Retry
from listeval.errors import UserError
from listeval.labelling.campaign import Campaign
from listeval.labelling.grading import Grading
from listeval.labelling.judge_server import Judge
from listeval.labelling.labels import read_labels
from listeval.labelling.rubric import load_rubric
from listeval.labelling.tally import estimate, tally
from listeval.runs import load_run
from listeval.runs.execute import run_task
from listeval.runs.observer import SilentObserver
from listeval.runs.row_decoder import read_rows
from listeval.runs.rows import encode
from listeval.task import Piece, Pieces
from tests.backends.fake_server import FakeServer, Reply, chat
from tests.labelling.judges import asked, first, good, grades, prose, text

pytest.importorskip("httpx", reason="judges are asked over HTTP")

TEXTS = Pieces("inline", [Piece(f"Text {n}, quality {n}.", "Hat", f"P{n % 2}", str(n), n) for n in range(8)])


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(Retry, "pause", lambda self, attempt: 0.001)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def judged(tmp_path):
    """A server with a rule, and the campaign that asks it: `with judged(rule) as (server, campaign)`."""

    @contextmanager
    def make(rule, **changes):
        with FakeServer(rule).running() as server:
            values = {
                "rubric": load_rubric("helpfulness"), "judge": Judge.parse(f"{server.url}#tiny"), "attempts": 3,
                "temperature": 0.0, "max_tokens": 100, "wire": {}, "out": str(tmp_path / "store"),
            }  # fmt: skip
            yield server, Campaign(**{**values, **changes})

    return make


def label(campaign, texts=TEXTS):
    return campaign.label(texts, lambda: nullcontext(SilentObserver()))


def test_every_text_is_asked_once_and_graded(judged):
    with judged(good) as (server, campaign):
        assert estimate(campaign, TEXTS.pieces)[0] == 8
        assert label(campaign) == {}
        assert set(asked(server).values()) == {1}
        assert len(server.calls) == 8
        done = tally(campaign, TEXTS.pieces)
        assert (done.n, len(done.labels), done.without, done.kinds["ok"]) == (8, 8, {}, 8)
        assert done.tokens == (88, 56)
        assert done.grade.value == 3.5
        assert done.histogram == dict.fromkeys(map(float, range(8)), 1)
        written = read_labels(campaign.write())
        for piece in TEXTS.pieces:
            found = written[piece.key]
            assert (found.grade, found.product, found.id) == (int(piece.id), piece.product, piece.id)
            assert (found.rubric, found.rubric_version, found.attempt) == ("helpfulness", 1, 1)
            assert found.judge == f"{server.url}#tiny"
            assert found.criteria == dict.fromkeys(("specifics", "experience", "balance", "focus"), float(piece.id))


def test_the_request_holds_the_judge_to_the_contract(judged):
    with judged(good) as (server, campaign):
        label(campaign)
        body = server.calls[0].body
        assert (body["temperature"], body["max_tokens"], body["seed"]) == (0.0, 100, 0)
        form = body["response_format"]
        assert (form["type"], form["json_schema"]["strict"]) == ("json_schema", True)
        assert form["json_schema"]["schema"]["required"][-1] == "grade"


def test_again_or_with_more_texts_only_what_is_new_is_asked(judged):
    few = TEXTS._replace(pieces=TEXTS.pieces[:3])
    with judged(good) as (server, campaign):
        label(campaign, few)
        campaign.write()
        label(campaign, few)
        assert len(server.calls) == 3
        assert estimate(campaign, TEXTS.pieces)[0] == 5
        label(campaign)
        assert len(server.calls) == 8
        moved = [piece._replace(product="Z", id="z", votes=None) for piece in reversed(TEXTS.pieces)]
        label(campaign, Pieces("another file", moved))
        assert len(server.calls) == 8
        assert tally(campaign, moved).kinds["ok"] == 8


def test_prose_is_asked_again_with_another_seed_a_temperature_and_twice_the_budget(judged):
    with judged(first(prose)) as (server, campaign):
        label(campaign)
        assert set(asked(server).values()) == {2}
        bodies = [call.body for call in server.calls if text(call) == TEXTS.pieces[0].text]
        assert [(b["seed"], b["temperature"], b["max_tokens"]) for b in bodies] == [(0, 0.0, 100), (1, 0.7, 200)]
        done = tally(campaign, TEXTS.pieces)
        assert (done.kinds["no_json"], done.kinds["ok"], len(done.labels)) == (8, 8, 8)
        assert done.tokens == (176, 112)
        assert {found.attempt for found in campaign.labels().values()} == {2}
        label(campaign)
        assert len(server.calls) == 16


def test_a_warmer_first_attempt_is_kept_warm(judged):
    with judged(prose, temperature=1.0, attempts=2) as (server, campaign):
        label(campaign)
        assert {call.body["temperature"] for call in server.calls} == {1.0}


def test_only_what_failed_is_asked_again_and_attempts_may_be_raised(judged):
    def half(call):
        return prose(call) if int(text(call)[5]) % 2 else good(call)

    with judged(half, attempts=2) as (server, campaign):
        label(campaign)
        assert sorted(asked(server).values()) == [1] * 4 + [2] * 4
        done = tally(campaign, TEXTS.pieces)
        assert (len(done.labels), done.without) == (4, {"no_json": 4})
        server.rule = good
        label(campaign)
        assert len(server.calls) == 12
    with judged(good, attempts=3, out=None) as (server, other):
        assert other.directory.name.startswith("helpfulness-tiny-")


def test_all_prose_gives_no_label_and_says_why(judged):
    with judged(prose) as (server, campaign):
        label(campaign)
        assert set(asked(server).values()) == {3}
        done = tally(campaign, TEXTS.pieces)
        assert (done.labels, done.without, done.first_fault) == ([], {"no_json": 8}, "words without JSON")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (grades(11), "bad_value"),
        (grades(5, focus="5"), "bad_value"),
        (grades(5, why="so"), "extra_key"),
        ('{"grade": 5}', "missing_key"),
        ("[5]", "wrong_type"),
        ("", "empty"),
        ("I'm sorry, but I can't help with that.", "refusal"),
        ('{"type": "object", "properties": {"grade": {"type": "integer"}}}', "missing_key"),
    ],
)
def test_answers_that_break_the_contract_are_no_labels(judged, answer, kind):
    with judged(lambda call: Reply(chat(answer)), attempts=1) as (_, campaign):
        label(campaign)
        assert tally(campaign, TEXTS.pieces).without == {kind: 8}


def test_a_schema_before_the_answer_is_flagged_not_fatal(judged):
    """A judge that repeats the schema and then answers: the outermost object spans both, so it is asked again."""
    echo = '{"$schema": "x", "properties": {}, "type": "object"}\n'
    with judged(first(lambda call: Reply(chat(echo + grades(4))))) as (_, campaign):
        label(campaign)
        assert len(tally(campaign, TEXTS.pieces).labels) == 8


@pytest.mark.parametrize("status", [429, 500, 503])
def test_busy_servers_are_asked_again_within_the_attempt(judged, status):
    with judged(first(lambda call: Reply({"error": "busy"}, status), times=2)) as (server, campaign):
        label(campaign)
        assert set(asked(server).values()) == {3}
        assert tally(campaign, TEXTS.pieces).kinds == {**tally(campaign, TEXTS.pieces).kinds, "ok": 8, "no_json": 0}
        assert not (campaign.directory / "attempt-2").exists()


def test_what_the_server_failed_stays_owed(judged):
    broken = first(lambda call: Reply({"error": "lost"}, 500) if "quality 3" in text(call) else good(call), times=7)
    with judged(broken) as (server, campaign):
        label(campaign)
        done = tally(campaign, TEXTS.pieces)
        assert (len(done.labels), done.without) == (7, {"engine_error": 1})
        assert estimate(campaign, TEXTS.pieces)[0] == 1
        before = len(server.calls)
        label(campaign)
        assert len(server.calls) == before + 1
        assert tally(campaign, TEXTS.pieces).without == {}


def test_a_server_without_response_format_is_asked_without_and_it_is_said(judged, caplog):
    def plain(call):
        if "response_format" in call.body:
            return Reply({"error": {"message": "json_schema is not supported by this model"}}, 400)
        return good(call)

    with judged(plain) as (_, campaign):
        assert "response_format" in label(campaign)
        assert len(tally(campaign, TEXTS.pieces).labels) == 8
        assert "takes no response_format (json_schema is not supported" in caplog.text
        assert caplog.text.count("response_format") == 1
        settings = load_run(campaign.directory / "attempt-1").manifest.backend.settings
        assert settings["left_out"] == {"response_format": "json_schema is not supported by this model"}
        label(campaign)
        assert load_run(campaign.directory / "attempt-1").manifest.backend.settings == settings


def test_a_server_that_knows_no_seed_as_geminis(judged):
    def gemini(call):
        if "seed" in call.body:
            words = 'Invalid JSON payload received. Unknown name "seed": Cannot find field.'
            return Reply([{"error": {"code": 400, "message": words, "status": "INVALID_ARGUMENT"}}], 400)
        return good(call)

    with judged(gemini) as (server, campaign):
        server.models = [{"id": "models/tiny"}]
        assert list(label(campaign)) == ["seed"]
        assert len(tally(campaign, TEXTS.pieces).labels) == 8
        assert all("response_format" in call.body for call in server.calls)


def test_another_rubric_in_the_same_store_is_refused(judged):
    with judged(good) as (server, campaign):
        label(campaign)
        other = campaign.rubric.model_copy(update={"summary": "something else"})
        changed = Campaign(other, campaign.judge, 3, 0.0, 100, {}, str(campaign.directory))
        with pytest.raises(UserError, match=r"another run \(task\.code"):
            label(changed)
        assert len(server.calls) == 8


def test_stores_are_named_by_what_determines_the_labels(judged):
    with judged(good, out=None) as (_, campaign):
        same = {replace(campaign, attempts=9, wire={"concurrency": 2}).directory, campaign.directory}
        assert len(same) == 1
        others = [
            replace(campaign, temperature=1.0), replace(campaign, max_tokens=99),
            replace(campaign, judge=campaign.judge._replace(model="other")),
            replace(campaign, rubric=campaign.rubric.model_copy(update={"version": 2})),
        ]  # fmt: skip
        assert len({other.directory for other in others} | same) == 5


def raised(campaign, attempts):
    return replace(campaign, attempts=attempts)


@pytest.mark.parametrize("length", [None, 300, 512])
def test_more_attempts_go_on_after_those_that_are_spent(judged, length):
    """Also where a judge's length has no room for a budget that doubles for ever."""
    with judged(prose, attempts=2) as (server, campaign):
        server.models = [{"id": "tiny", "max_model_len": length}]
        label(campaign)
        assert (set(asked(server).values()), estimate(campaign, TEXTS.pieces)[:2]) == ({2}, (0, 0))
        assert estimate(raised(campaign, 9), TEXTS.pieces)[:2] == (0, 8)
        label(raised(campaign, 8))
        assert set(asked(server).values()) == {8}
        budgets = {call.body["max_tokens"] for call in server.calls}
        assert max(budgets) == (800 if length is None else min(800, length - 11 - 16))
        server.rule = good
        label(raised(campaign, 9))
        done = tally(campaign, TEXTS.pieces)
        assert (len(done.labels), {found.attempt for found in done.labels}) == (8, {9})
        label(raised(campaign, 9))
        assert set(asked(server).values()) == {9}


def refuse(campaign, keys, attempt=1):
    """Write over the rows of `keys` what a prompt leaves that has no room."""
    path = campaign.directory / f"attempt-{attempt}" / "samples.jsonl"
    rows = list(read_rows(path))
    for row in rows:
        if row["example"] in keys:
            row |= {"outcome": "unscored", "reason": "prompt_too_long", "kind": "engine_error", "n_tokens": 0}
            row |= {"detail": "prompt of 900 tokens", "n_prompt_tokens": 900, "text": "", "value": None, "scores": {}}
    path.write_bytes(b"".join(map(encode, rows)))


@pytest.mark.parametrize("n", [1, 5, 8])
def test_a_text_that_the_first_attempt_has_no_room_for_costs_nothing_and_is_not_asked_again(judged, n):
    with judged(good) as (_, campaign):
        label(campaign)
        refuse(campaign, {piece.key for piece in TEXTS.pieces[:n]})
        done = tally(campaign, TEXTS.pieces)
        assert (len(done.labels), done.without, done.refused) == (8 - n, {"prompt_too_long": n}, n)
        assert (sum(done.kinds.values()), done.tokens) == (8 - n, (11 * (8 - n), 7 * (8 - n)))
        for attempts in (1, 3, 9):
            assert estimate(raised(campaign, attempts), TEXTS.pieces) == (0, 0, (0, 0))


def test_a_text_that_only_a_retry_had_no_room_for_is_asked_again(judged):
    with judged(prose, attempts=2) as (_, campaign):
        label(campaign)
        refuse(campaign, {piece.key for piece in TEXTS.pieces[:3]}, attempt=2)
        assert tally(campaign, TEXTS.pieces).refused == 0
        assert estimate(raised(campaign, 3), TEXTS.pieces)[:2] == (0, 8)


def test_an_attempt_that_refused_its_budget_does_not_end_the_campaign(judged):
    """As stores were left by versions that doubled the budget beyond the judge's length."""
    with judged(prose, attempts=2) as (server, campaign):
        server.models = [{"id": "tiny", "max_model_len": 300}]
        label(campaign)
        folder = campaign.directory / "attempt-3"
        config = campaign._config(3).model_copy(update={"max_tokens": 4000})
        run_task(Grading(campaign.rubric, TEXTS), config, SilentObserver())
        assert {row["reason"] for row in load_run(folder).rows} == {"prompt_too_long"}
        server.rule = good
        label(raised(campaign, 4))
        assert len(tally(campaign, TEXTS.pieces).labels) == 8
