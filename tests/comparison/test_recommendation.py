"""What may be recommended: never an arm that ranks by luck or backwards, whatever it gains in form."""

import json

import pytest
from planted import constant, edit_manifest, edit_rows, first, noisy, ranked, reversed_order, shuffled

from listeval.comparison import compare
from listeval.comparison.decision import Standing
from listeval.comparison.thresholds import WAYS, Thresholds, cost_order
from listeval.errors import UserError
from listeval.report.comparison.headline import heads, subject, verdict_title
from listeval.report.comparison.sentence import sentence
from listeval.report.comparison.tables import facts
from listeval.runs import RunConfig, run


def half(row):
    return ranked(row, drop=row["index"] % 2)


USELESS = {"reversed": reversed_order, "constant": constant, "shuffled": shuffled}


def never_contradicts_itself(found):
    """No "no difference" beside an interval that is clear of zero."""
    clear = any(
        d.difference.low > 0 or d.difference.high < 0
        for own in found.contrasts
        for name, d in own.differences.items()
        if name in found.headline
    )
    assert not (clear and "No difference" in sentence(found.verdict))
    return found.verdict


@pytest.mark.parametrize("parsed", [0, 2, 6, 20, 40])
@pytest.mark.parametrize("name", USELESS)
@pytest.mark.parametrize("way", ["train", "constrain", "change"])
def test_an_order_that_knows_nothing_is_never_recommended(make_run, parsed, name, way):
    """Six perfect answers of forty against forty parseable ones in reversed order, and its kin."""
    own = {"train": {"model": "other"}, "constrain": {"constraint": "permutation"}, "change": {"max_tokens": 900}}[way]
    found = compare([make_run("base", first(parsed, ranked)), make_run(name, USELESS[name], **own)])
    verdict = never_contradicts_itself(found)
    assert (verdict.choice in ("keep", "none"), verdict.arm, verdict.chosen) == (True, "", None)


def test_the_reversed_ranker_is_told_apart(make_run):
    found = compare([make_run("base", first(6, ranked)), make_run("sft", reversed_order, model="sft")]).verdict
    assert "lowers ndcg@1 on common parsed answers (-0.9" in sentence(found)
    assert "no difference" not in sentence(found).lower()


def test_constant_scores_are_said_to_be_worth_a_random_order(make_run):
    found = compare([make_run("base", first(6, ranked)), make_run("flat", constant, constraint="permutation")])
    assert found.verdict.findings[0].standing is Standing.AT_CHANCE
    assert "not shown to rank better than a random order (ndcg@1 +0.000" in sentence(found.verdict)
    assert found.contrasts[0].guard.above.value == pytest.approx(0, abs=1e-12)
    assert found.to_json()["chance"]["value"] == pytest.approx(found.values[1]["ndcg@1"].value)


@pytest.mark.parametrize("parsed", [0, 6, 20, 30])
def test_a_perfect_arm_is_recommended_however_few_answers_the_baseline_has(make_run, parsed):
    found = compare([make_run("base", first(parsed, ranked)), make_run("sft", ranked, model="sft")]).verdict
    assert (found.choice, found.arm) == ("train", "sft")


def test_too_few_common_answers_are_said_and_nothing_rests_on_them(make_run):
    base = make_run("base", first(6, lambda row: noisy(row, 2)))
    found = compare([base, make_run("sft", lambda row: noisy(row, 2, stream=1), model="sft")]).verdict
    assert (found.choice, found.findings[0].standing) == ("none", Standing.UNKNOWN)
    assert sentence(found).startswith("No recommendation: sft raises the parse rate from 15.0 % to 100.0 %")
    assert "6 common parsed answers are too few to exclude a loss of ndcg@1 beyond the margin of 0.1" in sentence(found)
    assert "would do, were there none" in sentence(found)
    assert verdict_title(found) == "No recommendation"


def test_a_wider_margin_is_a_users_word(make_run):
    base = make_run("base", first(20, lambda row: noisy(row, 4)))
    runs = [base, make_run("sft", lambda row: noisy(row, 4, stream=1), model="sft")]
    assert compare(runs).verdict.choice == "none"
    found = compare(runs, thresholds=Thresholds(margin=0.5))
    assert found.verdict.choice == "train"
    assert found.to_json()["verdict"]["thresholds"]["margin"] == 0.5


def test_a_shown_loss_of_quality_is_a_trade(make_run):
    worse = lambda row: reversed_order(row) if row["index"] % 4 == 0 else ranked(row)  # noqa: E731
    found = compare([make_run("base", half), make_run("sft", worse, model="sft")]).verdict
    assert (found.choice, found.findings[0].standing) == ("keep", Standing.TRADES)
    assert "it lowers ndcg@1 on common parsed answers (-0.4" in sentence(found)


def test_one_cluster_shows_nothing(make_run):
    base, other = make_run("base", half), make_run("sft", ranked, model="sft")
    for path in (base, other):
        edit_rows(path, lambda row: row.update(cluster="one"))
    found = compare([base, other])
    assert found.verdict.choice == "none"
    assert json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_a_handful_of_samples_recommends_nothing(make_run, limit):
    never = lambda row: "no"  # noqa: E731
    found = compare([make_run("base", never, limit=limit), make_run("sft", ranked, model="sft", limit=limit)])
    assert found.verdict.choice == "none"


def gsm(tmp_path, name, right, wrong, n):
    """A run of a task whose answers rank nothing: so many right, so many wrong, the others broken."""
    done = run(RunConfig(task="gsm8k", model=name, backend="null", limit=n, out=str(tmp_path / name)))

    def set_row(row):
        at = row["index"]
        kind = "ok" if at < right + wrong else "no_json"
        row.update(kind=kind, scores={"accuracy": float(at < right)} if kind == "ok" else {})

    edit_rows(done.path, set_row)
    return done.path


def test_a_task_that_ranks_nothing_has_no_chance_to_beat(tmp_path):
    n = 40
    base, good, guess = (gsm(tmp_path, *of, n=n) for of in (("a", n // 3, 0), ("b", n, 0), ("c", n // 6, n - n // 6)))
    found = compare([base, good])
    assert found.scale.chance is None
    assert found.verdict.arm == "b"
    assert compare([base, guess]).verdict.choice in ("keep", "none")


def test_a_task_without_a_useful_metric_is_decided_by_its_parse_rate(make_run):
    runs = [make_run("base", half), make_run("sft", ranked, model="sft")]
    for path in runs:
        edit_manifest(path, lambda values: [metric.update(useful=False) for metric in values["task"]["metrics"]])
    found = compare(runs)
    assert (found.verdict.choice, found.verdict.decisive, found.scale) == ("train", "parse_rate", None)
    assert len(heads(found.verdict)) == 1


def test_the_cheapest_of_equals_is_named_and_the_order_is_an_option(make_run):
    base = make_run("free", half)
    runs = [base, make_run("sft", ranked, model="sft"), make_run("perm", ranked, constraint="permutation")]
    assert compare(runs).verdict.choice == "constrain"
    assert compare([*runs, f"{base}+permutation"]).verdict.choice == "repair"
    other = compare(runs, thresholds=Thresholds(order=cost_order(["train", "constrain"])))
    assert other.verdict.choice == "train"
    assert other.to_json()["verdict"]["thresholds"]["cost_order"] == [
        "train",
        "constrain",
        "repair",
        "change",
        "re-ask",
    ]
    assert {f.name for f in other.verdict.tied} == {arm.name for arm in other.arms[1:]}


def test_a_cheaper_arm_that_is_worse_is_not_named(make_run):
    some = lambda row: "no list" if row["index"] % 4 == 1 else ranked(row)  # noqa: E731
    runs = [make_run("free", half), make_run("perm", some, constraint="permutation")]
    found = compare([*runs, make_run("sft", ranked, model="sft")]).verdict
    assert (found.choice, found.arm, [f.name for f in found.behind]) == ("train", "sft", ["perm"])
    assert "; perm reaches 75.0 %, worse (useful ndcg@1 -0.25" in sentence(found)


def test_a_dearer_arm_that_is_better_by_less_than_the_margin_is_said_to_be_better(make_run):
    """All intervals are clear of zero, so nothing may be called equal."""
    nearly = lambda row: ranked(row, drop=row["index"] % 30 == 7)  # noqa: E731
    runs = [make_run("free", half, limit=60), make_run("perm", nearly, constraint="permutation", limit=60)]
    found = compare([*runs, make_run("sft", ranked, model="sft", limit=60)]).verdict
    assert found.arm == "perm"
    assert "; sft reaches 100.0 %, not shown to be worse or better" in sentence(found)

    fewer = lambda row: ranked(row, drop=row["index"] % 12 == 7)  # noqa: E731
    runs[1] = make_run("perm2", fewer, constraint="permutation", limit=60)
    found = compare([*runs, make_run("sft2", ranked, model="sft", limit=60)], thresholds=Thresholds(margin=0.4)).verdict
    assert found.arm == "perm2"
    assert "; sft2 reaches 100.0 %, better within the margin (useful ndcg@1 +0.08" in sentence(found)
    assert found.to_json()["rivals"]["sft2"]["low"] > 0


def test_an_arm_of_several_ways_costs_all_of_them(make_run):
    base = make_run("free", half)
    both = make_run("both", ranked, model="sft", constraint="permutation")
    found = compare([base, both, make_run("sft", ranked, model="sft")]).verdict
    assert (found.arm, found.findings[0].ways) == ("sft", ("constrain", "train"))


def test_an_arm_that_hardly_parses_does_not_blind_the_others(make_run):
    """What parses in every arm is next to nothing then; two arms are compared on what both of them parse."""
    runs = [make_run("free", half), make_run("sft", ranked, model="sft"), make_run("dead", first(1, ranked), model="d")]
    found = compare(runs)
    assert found.common == 1
    assert (found.verdict.choice, found.verdict.arm) == ("train", "sft")
    assert found.contrasts[0].guard.common == 20
    assert "on the answers that both parse" in sentence(found.verdict)


def test_the_chance_of_error_is_held_over_all_arms():
    assert Thresholds().guard_level(1) == Thresholds().guard_level(2) == 0.95
    assert Thresholds().guard_level(5) == pytest.approx(0.98)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Thresholds(margin=0.0),
        lambda: Thresholds(margin=float("nan")),
        lambda: Thresholds(margin=1.5),
        lambda: Thresholds(alpha=0.0),
        lambda: Thresholds(alpha=0.7),
        lambda: Thresholds(order=("repair",)),
        lambda: cost_order(["repair", "repair"]),
        lambda: cost_order(["retrain"]),
    ],
)
def test_thresholds_that_nothing_could_rest_on_are_refused(make):
    with pytest.raises(UserError):
        make()


def test_a_cost_order_names_what_matters_and_keeps_the_rest():
    assert cost_order([]) == WAYS
    assert cost_order(["train"]) == ("train", "repair", "change", "constrain", "re-ask")


def test_the_figures_at_the_head_are_of_the_arm_that_the_verdict_is_about(make_run):
    found = compare([make_run("free", half), make_run("bad", reversed_order, model="b"), make_run("good", ranked)])
    assert subject(found.verdict).name == "good"
    assert [head.title for head in heads(found.verdict)] == ["parse rate", "useful ndcg@1", "common ndcg@1"]
    assert heads(found.verdict)[0].change.startswith("+50.0 [")


def test_what_decides_is_said(make_run):
    text = "\n".join(facts(compare([make_run("free", half), make_run("sft", ranked, model="sft")])))
    assert (
        "decided by useful ndcg@1 at alpha 0.05; ndcg@1 may not be lower by 0.1, and must beat a random order" in text
    )
    assert "cost of sft: " in text and "training not recorded" in text
