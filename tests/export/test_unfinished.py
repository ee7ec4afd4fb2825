"""A run that was killed is stated as one, in every format that has a place for it."""

import json

import pytest

from listeval.export import export
from listeval.export.eee import record
from listeval.export.evaluated import limits
from listeval.export.figures import in_words
from listeval.export.lm_eval import results_json
from listeval.export.model_card import results
from listeval.runs import RunConfig, load_run, run
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


def test_every_format_is_still_written(runs, tmp_path):
    _, cut, _ = runs
    for form in ("csv", "lm-eval", "eee"):
        assert export(cut, form, tmp_path / form)
