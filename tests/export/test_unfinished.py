"""A run that was killed is stated as one, and what has no answer as what it is, in every format that can say so."""

import json

import pytest

from listeval.export import export
from listeval.export.eee import record
from listeval.export.evaluated import limits
from listeval.export.figures import in_words
from listeval.export.lm_eval import results_json
from listeval.export.model_card import results
from listeval.runs import RunConfig, load_run, run
from tests.export.conftest import change
from tests.export.peers import peer


@pytest.fixture(params=[(0,), (0, 1)], ids=["one seed", "two seeds"])
def runs(request, tmp_path):
    """Of 10 examples a seed the whole run, and one that was killed after 7 rows; with no limit as a user gave none."""
    out = tmp_path / "run"
    seeds = request.param
    done = run(RunConfig(task="gsm8k", model="gold", backend="null", seeds=seeds, out=str(out)))
    whole = load_run(done.path)
    n = whole.summary.n
    lines = (out / "samples.jsonl").read_bytes().splitlines(keepends=True)
    (out / "samples.jsonl").write_bytes(b"".join(lines[:7]))
    return whole, load_run(out), n


def test_figures_of_a_part_say_so_and_those_of_the_whole_do_not(runs):
    whole, cut, n = runs
    assert f"7 of {n} samples" in in_words(cut) and f"{n} samples" in in_words(whole) and " of " not in in_words(whole)
    told = [line for line in limits(cut) if f"{n - 7} of {n} samples" in line]
    assert len(told) == 1 and not list(limits(whole))
    for one, asked in ((cut, n), (whole, n)):
        samples = results_json(one)["n-samples"]["gsm8k"]
        assert samples["original"] == asked // len(one.manifest.config.seeds)
        assert samples["effective"] == len({row["example"] for row in one.rows})
    told = [[one.metric_args.get("samples_without_row") for one in results(run)] for run in (cut, whole)]
    assert set(told[0]) == {n - 7} and set(told[1]) == {None}
    of_cut, of_whole = (json.dumps(record(one, now=1)) for one in (cut, whole))
    assert f'"samples_without_row": "{n - 7}"' in of_cut and "samples_without_row" not in of_whole


def test_inspect_reads_it_as_cancelled(runs, tmp_path):
    _, cut, n = runs
    out = tmp_path / "log.json"
    peer("inspect_ai", "-m", "listeval", "export", str(cut.path), "--to", "inspect", "--out", str(out))
    code = (
        f"from inspect_ai.log import read_eval_log; log = read_eval_log({str(out)!r})\n"
        "print(log.status, log.results.total_samples, log.results.completed_samples, len(log.samples))"
    )
    assert peer("inspect_ai", "-c", code).split() == ["cancelled", str(n), "7", "7"]


FATES = {
    "failed": {"outcome": "error", "kind": "engine_error", "error": "no memory", "detail": "no memory", "text": ""},
    "refused": {
        "outcome": "unscored", "reason": "prompt_too_long", "kind": "engine_error", "text": "",
        "detail": "512 tokens to generate > the model's 500", "finish_reason": "error",
    },
    "raised": {"outcome": "unscored", "reason": "contract: KeyError", "kind": "engine_error"},
    "away": {"outcome": "unscored", "reason": "the judge is away"},
}  # fmt: skip


@pytest.fixture
def fated(tmp_path):
    """`fated(failed=2, away=1)`: a run of ten examples of which so many have that fate, one after the other."""

    def make(**wanted):
        out = tmp_path / "fated"
        done = run(RunConfig(task="fashion", model="gold", backend="null", limit=10, out=str(out)))
        none = {"scores": dict.fromkeys(done.rows[0]["scores"]), "value": None, "bare": None}
        fates = [FATES[name] | none for name, n in wanted.items() for _ in range(n)]
        change(out, dict(enumerate(fates)))
        return load_run(out)

    return make


WANTED = [
    {"refused": 3}, {"failed": 2}, {"raised": 1}, {"away": 4}, {"failed": 2, "refused": 3, "raised": 1, "away": 1}, {},
]  # fmt: skip


@pytest.mark.parametrize("wanted", WANTED, ids=str)
def test_a_card_says_of_each_sample_without_a_score_once_why(fated, wanted):
    said = list(limits(fated(**wanted)))
    of = {name: wanted.get(name, 0) for name in FATES}
    unscored = of["raised"] + of["away"]
    for n, words in (
        (of["failed"], "The engine failed {} samples"), (of["refused"], "{} prompts left no room"),
        (unscored, "{} answers are unscored"),
    ):  # fmt: skip
        assert [words.format(n) in line for line in said].count(True) == (n > 0)
    assert len(said) == 1 + sum(n > 0 for n in (of["failed"], of["refused"], unscored))


@pytest.mark.parametrize("wanted", WANTED[:2] + WANTED[4:], ids=str)
def test_inspect_counts_as_completed_what_has_an_answer(fated, tmp_path, wanted):
    done = fated(**wanted)
    out = tmp_path / "log.json"
    peer("inspect_ai", "-m", "listeval", "export", str(done.path), "--to", "inspect", "--out", str(out))
    code = (
        f"from inspect_ai.log import read_eval_log; log = read_eval_log({str(out)!r})\n"
        "print(log.status, log.results.completed_samples, sum(s.error is not None for s in log.samples),"
        "sum(not s.output.choices for s in log.samples))"
    )
    lost = wanted.get("failed", 0) + wanted.get("refused", 0)
    assert peer("inspect_ai", "-c", code).split() == ["success", str(10 - lost), str(lost), str(lost)]


def test_every_format_is_still_written(runs, tmp_path):
    _, cut, _ = runs
    for form in ("csv", "lm-eval", "eee"):
        assert export(cut, form, tmp_path / form)
