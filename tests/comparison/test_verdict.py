"""The verdict's rules, one planted truth each."""

import json

import pytest
from planted import edit_rows, ranked, reversed_order

from listeval.comparison import compare
from listeval.comparison.decision import Standing
from listeval.report.comparison.charts import panels
from listeval.report.comparison.page import comparison_page
from listeval.report.comparison.sentence import sentence
from listeval.report.comparison.tables import facts
from listeval.runs import RunConfig, run


def half(row):
    return ranked(row, drop=row["index"] % 2)


def words(row):
    return "no list" if row["index"] % 2 else ranked(row)


def verdict(*runs):
    found = compare(runs).verdict
    assert sentence(found).count("\n") == 0
    assert sentence(found).endswith(".")
    return found


def test_constrain(make_run):
    found = verdict(make_run("free", words), make_run("perm", ranked, constraint="permutation"))
    assert (found.choice, found.arm) == ("constrain", "perm")
    assert sentence(found).startswith(
        "Constrain: perm raises the parse rate from 50.0 % to 100.0 % (+50.0 points [+35.2"
    )
    assert "useful ndcg@1 from 0.500 to 1.000" in sentence(found)
    assert "without lowering ndcg@1 on common parsed answers by 0.1 or more (+0.000" in sentence(found)
    assert "(40 samples)" in sentence(found)


def test_repair(make_run):
    run = make_run("free", half)
    found = verdict(run, f"{run}+permutation")
    assert (found.choice, found.arm) == ("repair", "free+permutation")
    assert "leaves every answer that parsed as it was, without a further token" in sentence(found)


def test_train(make_run):
    found = verdict(make_run("base", words), make_run("sft", ranked, model="sft"))
    assert (found.choice, found.arm) == ("train", "sft")
    assert sentence(found).startswith("Train (another checkpoint): sft raises")


def test_other_settings(make_run):
    found = verdict(make_run("short", words), make_run("long", ranked, max_tokens=900))
    assert (found.choice, found.arm) == ("change", "long")


def test_a_contract_bought_with_quality_is_not_advised(make_run):
    found = verdict(make_run("free", words), make_run("perm", reversed_order, constraint="permutation"))
    assert (found.choice, found.arm) == ("keep", "")
    assert sentence(found).startswith("Keep free: perm raises the parse rate from 50.0 % to 100.0 %")
    assert "but lowers useful ndcg@1 from 0.500 to" in sentence(found)
    assert found.findings[0].standing is Standing.WORSE


def test_keep_the_baseline(make_run):
    found = verdict(make_run("free", ranked), make_run("schema", words, constraint="schema"))
    assert found.choice == "keep"
    assert sentence(found).startswith("Keep free: schema lowers the parse rate from 100.0 % to 50.0 %")


def test_nothing_shown_says_how_large_it_may_still_be(make_run):
    found = verdict(make_run("a", half), make_run("b", half, model="b"))
    assert found.choice == "none"
    assert sentence(found).startswith("No difference shown: the parse rate may change by -8.8 to +8.8 points against a")


def test_runs_in_which_nothing_parses(tmp_path):
    runs = [
        run(RunConfig(task="gsm8k", model=name, backend="null", limit=4, out=str(tmp_path / name))).path
        for name in "ab"
    ]
    found = compare(runs)
    assert found.verdict.choice == "none"
    assert json.dumps(found.to_json(), allow_nan=False)
    assert "<svg" in comparison_page(found)


def test_few_data_are_called_few_and_show_little(make_run):
    found = verdict(make_run("a", half, limit=6), make_run("b", ranked, limit=6, model="b"))
    assert found.choice == "none"
    assert "few data: 6 samples in 6 independent clusters" in sentence(found)


def test_a_cheaper_way_that_is_as_good_is_named(make_run):
    run = make_run("free", half)
    found = verdict(run, make_run("perm", ranked, constraint="permutation"), f"{run}+permutation")
    assert (found.choice, found.arm) == ("repair", "free+permutation")
    assert "; perm reaches 100.0 %, not shown to be worse or better" in sentence(found)


def test_a_way_that_is_worse_is_named_with_its_rate(make_run):
    run = make_run("free", words)
    broken = lambda row: "no list" if row["index"] % 4 == 1 else ranked(row)  # noqa: E731
    found = verdict(run, make_run("perm", ranked, constraint="permutation"), make_run("sft", broken, model="sft"))
    assert found.choice == "constrain"
    assert "; sft reaches 75.0 %" in sentence(found)
    assert "not shown to be worse" not in sentence(found)


def test_what_could_not_be_paired_is_said(make_run):
    a, b = make_run("a", half), make_run("b", ranked, model="b")
    edit_rows(b, lambda row: row.update(outcome="error", kind="engine_error") if row["index"] < 8 else None)
    assert "8 samples could not be paired" in sentence(verdict(a, b))


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "a|b`c*", "x\u202ey"])
def test_a_runs_name_is_text(make_run, name):
    found = compare([make_run("free", words), make_run(name.replace("/", "_"), ranked, model="b")])
    assert json.dumps(found.to_json())


def test_no_gain_hides_what_fell(make_run):
    """U rises by better answers while every third breaks; and the other way round."""
    third = lambda row: "no list" if row["index"] % 3 == 0 else ranked(row)  # noqa: E731
    found = verdict(make_run("free", reversed_order), make_run("sft", third, model="sft"))
    assert found.choice == "train"
    assert "raises useful ndcg@1" in sentence(found)
    assert "but lowers the parse rate from 100.0 % to 65.0 %" in sentence(found)

    def some(row):
        return ranked(row) if row["index"] % 5 < 2 else "no list"

    def others(row):
        turn = row["index"] % 5
        return "no list" if turn == 0 else ranked(row) if turn == 1 else reversed_order(row)

    few, many = make_run("few", some, limit=60), make_run("perm", others, limit=60, constraint="permutation")
    found = verdict(few, many)
    assert (found.choice, found.arm) == ("keep", "")
    assert "raises the parse rate from 40.0 % to 80.0 %" in sentence(found)
    assert "but lowers useful ndcg@1 from 0.400 to" in sentence(found)


def test_another_checkpoint_repaired_is_no_repair(make_run):
    sft = make_run("sft", half, model="sft")
    found = verdict(make_run("base", words), f"{sft}+permutation")
    assert found.choice == "train"
    assert "without a further token" not in sentence(found)


def test_the_common_subset_is_not_said_to_be_of_an_arm_that_parses_nothing(make_run):
    found = compare([make_run("a", half), make_run("b", lambda row: "no", model="b")])
    assert facts(found)[0].endswith("20 of them parse in every arm that parses any")
    assert panels(found)[-1].note == "the 20 samples that parse in every arm that parses any"
    alive = compare([make_run("c", half), make_run("d", ranked, model="d")])
    assert facts(alive)[0].endswith("20 of them parse in every arm")


@pytest.mark.parametrize("broken", range(3, 9))
def test_no_loss_is_said_to_be_more_than_it_is(make_run, broken):
    """An interval alone makes an arm worse; that Holm's correction does not carry the loss is said."""
    base = make_run("base", ranked, limit=12)
    arms = [make_run(name, lambda row: "" if row["index"] < broken else ranked(row), limit=12) for name in "ab"]
    found = compare([base, *arms])
    text, adjusted = sentence(found.verdict), found.contrasts[0].adjusted
    assert found.verdict.choice == ("keep" if "lowers" in text else "none")
    shown = [name for name in found.headline[:2] if found.contrasts[0].differences[name].difference.high < 0]
    assert ("lowers" in text) == bool(shown)
    assert ("not after correction" in text) == (bool(shown) and adjusted[shown[0]] > 0.05)


def test_a_trade_is_said_to_be_no_more_than_it_is(make_run):
    worse = lambda row: reversed_order(row) if row["index"] % 8 == 0 else ranked(row)  # noqa: E731
    runs = [make_run(name, worse, model=name) for name in ("a", "b", "c")]
    found = compare([make_run("base", half), *runs])
    text, common = sentence(found.verdict), found.headline[2]
    assert found.verdict.findings[0].standing is Standing.TRADES and "it lowers ndcg@1" in text
    assert ("not after correction" in text) == (found.contrasts[0].adjusted[common] > 0.05)
