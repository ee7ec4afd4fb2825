"""Speed is claimed of repeated runs on one machine alone; what training cost is read where it was left."""

import json
import re

import pytest
from planted import edit_manifest, ranked

from listeval.comparison import compare
from listeval.report.comparison.as_markdown import comparison_markdown
from listeval.report.comparison.headline import cost_of
from listeval.report.comparison.page import comparison_page
from listeval.report.comparison.sentence import sentence
from listeval.report.comparison.tables import costs


def half(row):
    return ranked(row, drop=row["index"] % 2)


def timed(path, *seconds, backend="hf", rows=40, **environment):
    """As if an engine had made the rows, once for each of `seconds`."""

    def change(values):
        values["backend"]["name"] = backend
        values["environment"].update(environment)
        first = values["attempts"][0]
        values["attempts"] = [{**first, "seconds": s, "rows": rows, "tokens": 4000} for s in seconds]

    edit_manifest(path, change)
    return path


def speed(*runs):
    return compare(runs).verdict.findings[0].speed


def test_two_timings_that_lie_apart_are_a_speed(make_run):
    base, fast = make_run("a", half), make_run("b", ranked, max_tokens=900)
    found = speed(timed(base, 20.0, 22.0), timed(fast, 10.0, 11.0))
    assert found.ratio == pytest.approx((20 / 11, 2.2))
    assert ", at 1.8 to 2.2x the speed" in sentence(compare([base, fast]).verdict)


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ({"seconds": [20.0]}, {"seconds": [10.0, 11.0]}, "a timed fewer than twice"),
        ({"seconds": [20.0]}, {"seconds": [10.0]}, "a and b timed fewer than twice"),
        ({"seconds": [10.0, 20.0]}, {"seconds": [11.0, 12.0]}, "no difference beyond that of a repetition"),
        ({"seconds": [20.0, 21.0]}, {"seconds": [10.0, 11.0], "cpu": "another"}, "another machine"),
        ({"seconds": [20.0, 21.0]}, {"seconds": [10.0, 11.0], "cores": 99}, "another machine"),
        ({"seconds": [20.0, 21.0]}, {"seconds": [10.0, 11.0], "backend": "vllm"}, "another engine, version or setting"),
        ({"seconds": [20.0, 21.0]}, {"seconds": [10.0, 11.0], "backend": "replay"}, "replayed answers have no speed"),
        ({"seconds": [20.0, 21.0], "backend": "replay"}, {"seconds": [10.0, 11.0]}, "replayed answers have no speed"),
        ({"seconds": [2.0, 2.1], "backend": "openai"}, {"seconds": [1.0, 1.1], "backend": "openai"},
         "the machine behind a server is not known"),
        ({"seconds": [20.0, 21.0]}, {"seconds": [10.0, 11.0], "rows": 2}, "b timed fewer than twice"),
        ({"seconds": []}, {"seconds": []}, "a and b timed fewer than twice"),
    ],
)  # fmt: skip
def test_no_speed_is_claimed(make_run, before, after, why):
    runs = [make_run("a", half), make_run("b", ranked, max_tokens=900)]
    for path, of in zip(runs, (before, after), strict=True):
        timed(path, *of.pop("seconds"), **of)
    found = compare(runs)
    assert (found.verdict.findings[0].speed.ratio, found.verdict.findings[0].speed.why) == (None, why)
    assert "the speed" not in sentence(found.verdict)
    assert json.dumps(found.to_json())
    told = costs(found).note
    assert f"No speed is claimed of [2]: {why}." in told and "--json" not in told
    assert ("named as an arm, too" in told) == ("fewer than twice" in why)
    for text in (comparison_page(found), re.sub(r"\\(.)", r"\1", comparison_markdown(found))):
        assert f"No speed is claimed of [2]: {why}." in text


def test_the_reason_is_each_arm_s_own_and_a_claimed_speed_needs_none(make_run):
    base, fast, other = (make_run(name, rule, max_tokens=n) for name, rule, n in
                         (("a", half, 512), ("b", ranked, 900), ("c", ranked, 901)))  # fmt: skip
    timed(base, 20.0, 21.0), timed(fast, 10.0, 11.0), timed(other, 10.0, 11.0, cpu="another")
    note = costs(compare([base, fast, other])).note
    assert "No speed is claimed of [3]: another machine. The speeds do not compare." in note and "[2]" not in note
    assert "speed" not in costs(compare([base, fast])).note


def test_runs_and_their_repetitions_as_arms_are_timed_twice(make_run):
    """As the guide has it: compare A B A2 B2."""
    first = [timed(make_run("a", half), 20.0), timed(make_run("b", ranked, max_tokens=900), 10.0)]
    again = [timed(make_run("a2", half), 21.0), timed(make_run("b2", ranked, max_tokens=900), 11.0)]
    found = compare([*first, *again])
    assert found.verdict.findings[0].speed.ratio == pytest.approx((20 / 11, 2.1))
    assert "No speed is claimed of [3]: no difference beyond that of a repetition." in costs(found).note


def test_a_run_repeated_in_another_directory_is_a_repetition(make_run):
    base, again, fast = make_run("a", half), make_run("a2", half), make_run("b", ranked, max_tokens=900)
    runs = [timed(base, 20.0), timed(fast, 10.0, 11.0), timed(again, 21.0)]
    assert compare(runs).verdict.findings[0].speed.ratio == pytest.approx((20 / 11, 2.1))
    assert speed(*runs[:2]).ratio is None


def test_other_versions_of_an_engine_are_another_engine(make_run):
    base, other = make_run("a", half), make_run("b", ranked, max_tokens=900)
    timed(base, 20.0, 21.0)
    timed(other, 10.0, 11.0)
    edit_manifest(other, lambda values: [a.update(versions={"torch": "9"}) for a in values["attempts"]])
    assert speed(base, other).why == "another engine, version or setting"


def trained(folder, *, steps, seconds=None, processes=1, start=None, device="cpu"):
    """A training run's directory; gives the path of its checkpoint."""
    checkpoint = folder / "checkpoint"
    checkpoint.mkdir(parents=True)
    manifest = {"stage": "sft", "steps": steps, "processes": processes, "device": device, "models": {"start": start}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    if seconds is not None:
        (folder / "log.jsonl").write_text("".join(json.dumps({"seconds": s}) + "\n" for s in seconds))
    return str(checkpoint)


def of_model(path, checkpoint, fingerprint):
    edit_manifest(path, lambda values: values["model"].update(path=checkpoint, fingerprint=fingerprint))
    return path


def test_training_costs_all_stages_back_to_the_baselines_weights(make_run, tmp_path):
    first = trained(tmp_path / "sft", steps=20, seconds=[1.0, 2.0], start={"name": "x", "fingerprint": "base"})
    last = trained(
        tmp_path / "opd", steps=200, seconds=[10.0, 5.0], processes=2, device="cuda",
        start={"name": first, "fingerprint": "sft"},
    )  # fmt: skip
    base, opd = make_run("a", half), make_run("b", ranked, model="b")
    found = compare([of_model(base, None, "base"), of_model(opd, last, "opd")])
    made = found.costs[1].training
    assert (made.steps, made.seconds, made.device) == (220, 33.0, "cuda")
    assert "trained in 220 steps, 33 s on cuda" in cost_of(found.verdict.findings[0])
    assert costs(found).rows[1][-1] == "220 steps, 33 s on cuda"
    assert found.to_json()["arms"][1]["cost"]["training"] == {"steps": 220, "seconds": 33.0, "device": "cuda"}
    found = compare([of_model(base, first, "sft"), opd])
    assert (found.costs[1].training.steps, found.costs[1].training.seconds) == (200, 30.0)


@pytest.mark.parametrize("left", ["nothing", "no log", "a broken log", "a broken manifest", "a pipe"])
def test_what_training_left_may_be_broken_or_gone(make_run, tmp_path, left):
    import os

    checkpoint = trained(tmp_path / "sft", steps=7, seconds=[1.0])
    log, manifest = tmp_path / "sft" / "log.jsonl", tmp_path / "sft" / "manifest.json"
    if left == "nothing":
        manifest.unlink()
    elif left == "no log":
        log.unlink()
    elif left == "a broken log":
        log.write_text('{"seconds": 1.0}\n{"sec')
    elif left == "a broken manifest":
        manifest.write_bytes(b"\xff{")
    else:
        log.unlink()
        os.mkfifo(log)
    base, sft = make_run("a", half), make_run("b", ranked, model="b")
    made = compare([base, of_model(sft, checkpoint, "sft")]).costs[1].training
    if left in ("nothing", "a broken manifest"):
        assert made is None
    else:
        assert (made.steps, made.seconds) == (7, None)


def test_a_checkpoint_that_travelled_brings_its_steps(make_run):
    from listeval.bundled import bundled

    base, tiny = make_run("a", half), make_run("b", ranked, model="b")
    folder = bundled() / "checkpoints" / "tiny-sft"
    if not folder.exists():
        pytest.skip("the tiny checkpoints are not in this checkout")
    made = compare([base, of_model(tiny, str(folder), "tiny")]).costs[1].training
    assert (made.steps, made.seconds, made.device) == (20, None, "cpu")


@pytest.mark.parametrize(
    "wrong",
    [{"steps": 1e400}, {"steps": True}, {"steps": -5}, {"steps": 10**400}, {"processes": "x"}, {"processes": 10**400},
     {"models": {"start": {"name": 5}}}, {"models": {"start": {"name": "\0"}}}, {"models": 3}, {"device": [1]}],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("seconds", ["1.0", '"x"', "1e400", "NaN", "-1", "1" + "0" * 400, "[]"])
def test_a_damaged_manifest_beside_weights_is_no_cost_and_no_traceback(make_run, tmp_path, wrong, seconds):
    (tmp_path / "t/checkpoint").mkdir(parents=True)
    manifest = {"stage": "sft", "steps": 7, "device": "cpu", "processes": 1, "models": {}, **wrong}
    (tmp_path / "t/manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "t/log.jsonl").write_text(f'{{"seconds": {seconds}}}\n')
    base, trained = make_run("a", half), make_run("b", ranked, max_tokens=900)
    edit_manifest(trained, lambda values: values["model"].update(path=str(tmp_path / "t/checkpoint"), fingerprint="x"))
    found = compare([base, trained])
    assert "nan" not in json.dumps([str(one) for one in costs(found)]).lower()


@pytest.mark.parametrize("path", [5, "", "\0", ["x"], "/dev/zero", "/"], ids=str)
def test_a_damaged_path_of_weights_is_no_traceback(make_run, path):
    base, trained = make_run("a", half), make_run("b", ranked, max_tokens=900)
    edit_manifest(trained, lambda values: values["model"].update(path=path, fingerprint="x"))
    assert compare([base, trained]).verdict.findings
