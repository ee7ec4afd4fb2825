"""Asking again: what is asked, what rows keep, what it costs, and a resume from any point in between."""

import json
from collections import Counter

import pytest

from listeval.backends import null
from listeval.backends.protocol import Completion, ModelInfo, Prompt
from listeval.contract import Kind
from listeval.errors import UserError
from listeval.runs import RunConfig, load_run, rescore
from listeval.runs.reask import seed_of
from listeval.runs.row_decoder import read_rows
from listeval.runs.rows import done_keys, encode

AGAIN = {"attempts": 3, "reask": "explain"}


@pytest.fixture
def asked(monkeypatch):
    """Every request that the null engine got, in order, and `asked.answer` to change what it says."""

    class Asked(list):
        answer = staticmethod(lambda request, completion: completion)

    seen = Asked()
    finish = null.NullBackend._finish

    def spy(self, start, request):
        seen.append(request)
        return seen.answer(request, finish(self, start, request))

    monkeypatch.setattr(null.NullBackend, "_finish", spy)
    return seen


def raw_and_final(run):
    return [((row["attempts"] or [row])[0]["kind"], row["kind"]) for row in run.rows]


def test_failures_are_asked_again_until_they_keep_the_contract(start, asked):
    done = start(**AGAIN)
    plain = start(out=str(done.path) + "-plain")
    assert sum(len(row["attempts"] or [row]) for row in done.rows) == len(asked) - 40
    for row in done.rows:
        tried = row["attempts"] or []
        assert len(tried) != 1
        assert all(one["kind"] != "ok" for one in tried[:-1])
        assert [one["attempt"] for one in tried] == list(range(1, len(tried) + 1))
        assert [one["seed"] for one in tried] == [seed_of(row["seed"], one["attempt"]) for one in tried]
        if tried:
            assert (tried[-1]["text"], tried[-1]["kind"]) == (row["text"], row["kind"])
            assert row["kind"] == "ok" or len(tried) == 3
    kinds = Counter(final for _, final in raw_and_final(done))
    assert done.summary.kinds["ok"] == kinds["ok"] > Counter(raw for raw, _ in raw_and_final(done))["ok"]
    assert plain.summary.raw_kinds is None


def test_raw_figures_are_those_of_the_first_answers(start):
    done = start(**AGAIN)
    found = done.to_json()
    raw = Counter(first for first, _ in raw_and_final(done))
    assert found["raw_kinds"] == {kind.value: raw[kind] for kind in Kind}
    assert found["raw_parse_rate"]["value"] == pytest.approx(raw["ok"] / 40)
    first = [row["scores"]["ndcg@1"] if not row["attempts"] else 0.0 for row in done.rows]
    assert found["raw_useful_ndcg@1"]["value"] == pytest.approx(sum(first) / 40)
    again = [row for row in done.rows if row["attempts"]]
    assert found["further"] == {
        "samples": len(again),
        "mended": sum(row["kind"] == "ok" for row in again),
        "answers": sum(len(row["attempts"]) - 1 for row in again),
        "tokens": sum(one["n_tokens"] for row in again for one in row["attempts"][1:]),
        "prompt_tokens": sum(one["n_prompt_tokens"] for row in again for one in row["attempts"][1:]),
    }
    # What all attempts generated counts for the speed.
    generated = sum(one["n_tokens"] for row in done.rows for one in row["attempts"] or [row])
    assert done.manifest.attempts[0].tokens == generated


def test_explain_shows_the_last_answer_and_its_fault_and_same_changes_the_seed_alone(start, asked):
    done = start(**AGAIN)
    rows = {row["key"]: row for row in done.rows}
    for request in asked[40:]:
        key, _, attempt = request.key.partition("-")
        last = rows[key]["attempts"][int(attempt) - 2]
        *_, answer, fault = request.prompt.messages
        assert (answer.role, answer.content) == ("assistant", last["text"] or "(no answer)")
        assert fault.role == "user" and last["detail"] in fault.content
        # Only the last failure is shown.
        assert len(request.prompt.messages) == 2 + len(asked[0].prompt.messages)
    asked.clear()
    start(attempts=2, reask="same", temperature=0.7, out=str(done.path) + "-same")
    first = {request.key: request for request in asked[:40]}
    assert len(asked) > 40
    for request in asked[40:]:
        before = first[request.key.removesuffix("-2")]
        assert (request.prompt, request.sampling) == (before.prompt, before.sampling)
        assert request.seed == seed_of(before.seed, 2) != before.seed


def test_the_prompt_of_a_row_stays_the_first_one(start):
    done = start(**AGAIN)
    plain = start(out=str(done.path) + "-plain")
    assert [row["prompt"] for row in done.rows] == [row["prompt"] for row in plain.rows]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"attempts": 2, "reask": "same"}, "greedy"),
        ({"reask": "same", "temperature": 0.7}, "--attempts"),
        ({"attempts": 3, "backend": "replay"}, "recorded"),
    ],
)
def test_what_could_change_nothing_is_refused(start, changes, word):
    with pytest.raises(UserError, match=word):
        start(**changes)


def test_attempts_are_part_of_the_identity_only_where_there_are_several(start, tmp_path):
    hashes = [
        start(limit=2, out=str(tmp_path / str(i)), **changes).manifest.identity_hash
        for i, changes in enumerate(({}, {"attempts": 1}, {"attempts": 2}, {"attempts": 3}))
    ]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3
    with pytest.raises(UserError, match="attempts"):
        start(limit=2, out=str(tmp_path / "0"), attempts=2)


def test_a_resume_from_any_point_asks_only_what_is_owed_and_ends_the_same(start, asked):
    whole = start(limit=30, **AGAIN)
    metrics, every = (whole.path / "metrics.json").read_bytes(), list(asked)
    lines = (whole.path / "samples.jsonl").read_bytes().splitlines(keepends=True)
    assert len(lines) == len(every)
    for kept in range(0, len(lines), 3):
        (whole.path / "samples.jsonl").write_bytes(b"".join(lines[:kept]) + lines[kept][:20])
        asked.clear()
        again = start(limit=30, **AGAIN)
        assert len(asked) == len(lines) - kept
        assert {request.key for request in asked} == {r.key for r in every} - {r.key for r in every[:kept]}
        assert (again.path / "metrics.json").read_bytes() == metrics


def test_a_run_that_was_stopped_in_between_says_what_is_owed(start):
    whole = start(limit=30, **AGAIN)
    lines = (whole.path / "samples.jsonl").read_bytes().splitlines(keepends=True)
    (whole.path / "samples.jsonl").write_bytes(b"".join(lines[:30]))
    found = load_run(whole.path)
    owed = [row for row in found.rows if row["outcome"] == "error"]
    assert found.summary.errors == len(owed) == 30 - found.summary.scored > 0
    assert {row["detail"] for row in owed} == {"attempt 2 of 3 is owed"}
    assert not {row["key"] for row in owed} & done_keys(whole.path / "samples.jsonl")
    assert rescore(whole.path).summary.errors == len(owed)
    assert start(limit=30, **AGAIN).summary.errors == 0


def test_an_engine_that_fails_a_later_attempt_costs_no_attempt(start, asked):
    asked.answer = lambda request, given: Completion.failed(request, "down") if "-2" in request.key else given
    broken = start(**AGAIN)
    down = [row for row in broken.rows if row["outcome"] == "error"]
    assert down and all((row["error"], len(row["attempts"])) == ("down", 1) for row in down)
    asked.clear()
    asked.answer = lambda request, given: given
    done = start(**AGAIN)
    assert done.summary.errors == 0
    assert {request.key for request in asked if request.key.endswith("-2")} == {f"{row['key']}-2" for row in down}
    assert all("-" in request.key for request in asked)


def test_a_longer_prompt_that_does_not_fit_leaves_the_answer_that_there_is(start, monkeypatch):
    class Short(null.NullBackend):
        def __init__(self, limit):
            super().__init__("m")
            self.model = ModelInfo("m", "f", max_length=limit)
            self.renderer = self

        def render(self, messages):
            return Prompt(tuple(messages), "", tuple(range(1000 * len(messages))))

    monkeypatch.setattr(null, "open", lambda model, options: Short(2048 + 512))
    done = start(max_tokens=512, **AGAIN)
    assert (done.summary.errors, done.summary.unscored, done.summary.further.samples) == (0, 0, 0)
    failed = [row for row in done.rows if row["kind"] != "ok"]
    assert failed and all("not asked again" in row["detail"] and row["attempts"] is None for row in failed)
    assert done.manifest.attempts[0].tokens == sum(row["n_tokens"] for row in done.rows) > 0


@pytest.mark.parametrize("most", [2, 3])
def test_what_was_generated_counts_once_whichever_attempt_does_not_fit(start, asked, monkeypatch, most):
    """Prompts grow with what the last answer was: some fit, some do not."""

    class Growing(null.NullBackend):
        def __init__(self):
            super().__init__("m")
            self.model = ModelInfo("m", "f", max_length=3000 + 512)
            self.renderer = self

        def render(self, messages):
            longer = len(messages) > 2 and len(messages[-2].content) % 2
            return Prompt(tuple(messages), "", tuple(range(4000 if longer else 2000)))

    monkeypatch.setattr(null, "open", lambda model, options: Growing())
    done = start(max_tokens=512, attempts=most, reask="explain")
    refused = [row for row in done.rows if "not asked again" in row["detail"]]
    assert refused and sum(len(row["attempts"] or [row]) for row in done.rows) == len(asked) > 40
    generated = sum(one["n_tokens"] for row in done.rows for one in row["attempts"] or [row])
    assert done.manifest.attempts[0].tokens == generated


def test_scoring_anew_reads_every_attempt_again(start):
    done = start(**AGAIN)
    before, metrics = done.to_json(), (done.path / "metrics.json").read_bytes()
    rows = done.rows
    for row in rows:
        for one in row["attempts"] or ():
            one |= {"kind": "no_json", "detail": "?", "missing": 9}
    (done.path / "samples.jsonl").write_bytes(b"".join(map(encode, rows)))
    again = rescore(done.path)
    assert again.to_json() == before
    assert (done.path / "metrics.json").read_bytes() == metrics
    assert {one["detail"] for row in again.rows for one in row["attempts"] or ()} != {"?"}


def test_truncations_are_asked_again(start):
    tried = [row["attempts"] or [row] for row in start(model="faults:truncated=0.5", limit=56, **AGAIN).rows]
    assert "truncated" in {one[0]["kind"] for one in tried if len(one) > 1}


def test_the_configuration_that_is_stored_runs_again(start):
    done = start(limit=3, **AGAIN)
    stored = json.loads((done.path / "manifest.json").read_text())["config"]
    assert (stored["attempts"], stored["reask"]) == (3, "explain")
    assert RunConfig(**stored) == done.manifest.config
    assert list(read_rows(done.path / "samples.jsonl"))
