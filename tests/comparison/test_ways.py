"""What an arm changes, which four arms are a 2x2, and what constraints are told apart by."""

import math

import numpy as np
import pytest
from planted import configured, edit_manifest, edit_rows, ranked

from listeval.comparison import compare, compare_arms, open_arms
from listeval.comparison.ways import ArmSetup, keeps_parsed_answers, two_by_twos, ways
from listeval.report.comparison.headline import remarks
from listeval.report.comparison.sentence import sentence
from listeval.report.comparison.tables import describe, facts, tables
from listeval.runs.reask import SampleAttempt


def half(row):
    return ranked(row, drop=row["index"] % 2)


def most(row):
    return ranked(row, drop=row["index"] % 4 == 1)


def test_an_arm_is_named_by_all_that_it_changes(make_run):
    free = make_run("free", half)
    specs = [free, f"{free}+permutation", make_run("perm", ranked, constraint="permutation"),
             make_run("sft", half, model="sft"), make_run("both", ranked, model="sft", constraint="permutation"),
             make_run("long", half, max_tokens=900)]  # fmt: skip
    base, *others = open_arms(specs)
    assert [ways(arm, base) for arm in others] == [
        ("repair",), ("constrain",), ("train",), ("constrain", "train"), ("change",),
    ]  # fmt: skip
    asked = configured(others[2], attempts=3)
    assert ways(asked, base) == ("re-ask", "train")
    assert ways(configured(base, attempts=3), base) == ("re-ask",)


def test_a_run_asked_again_is_an_arm_like_any_other(make_run):
    """Its tokens are those of all attempts, and answers that it did not touch are the same by construction."""
    specs = [make_run("free", half), make_run("again", ranked)]

    def tries(row):
        if row["index"] % 2:
            said = {name: row[name] for name in SampleAttempt.__annotations__ if name not in ("attempt",)}
            row["attempts"] = [
                {**said, "attempt": 1, "n_tokens": 30, "n_prompt_tokens": 100},
                {**said, "attempt": 2, "n_tokens": 12, "n_prompt_tokens": 140},
            ]

    edit_rows(specs[1], tries)
    free, again = open_arms(specs)
    found = compare_arms([free, configured(again, attempts=2)])
    assert (found.verdict.choice, found.verdict.arm) == ("re-ask", "again")
    assert sentence(found.verdict).startswith("Re-ask: again raises the parse rate")
    assert "leaves every answer that parsed as it was" in sentence(found.verdict)
    assert "without a further token" not in sentence(found.verdict)
    own = np.array([42 if row.index % 2 else row.n_tokens for row in again.rows])
    assert found.costs[1].tokens == pytest.approx(own.mean())
    assert found.columns[1]["tokens"].tolist() == own.tolist()
    assert "asked up to 2 times" in describe(found, 1)


def test_answers_that_came_back_changed_are_not_the_same(make_run):
    free, again = open_arms([make_run("free", half), make_run("again", lambda row: ranked(row) + " ")])
    asked = configured(again, attempts=2)
    assert not keeps_parsed_answers(asked, free, asked.rows, free.rows)
    assert not keeps_parsed_answers(again, free, free.rows, free.rows), (
        "another setting says nothing of the next answers"
    )


def four(make_run):
    held = {"constraint": "permutation"}
    return [
        make_run("free", half),
        make_run("perm", ranked, **held),
        make_run("sft", most, model="sft"),
        make_run("both", ranked, model="sft", **held),
    ]


def test_four_arms_are_a_square_with_its_interaction(make_run):
    runs = four(make_run)
    for order in ([0, 1, 2, 3], [0, 3, 2, 1]):
        found = compare([runs[at] for at in order])
        [square] = found.factorials
        names = [found.arms[at].name for at in square.square]
        assert names == ["free", "perm", "sft", "both"]
        effects = square.effects["parse_rate"]
        parsed = {arm.name: own["parse_rate"].mean() for arm, own in zip(found.arms, found.columns, strict=True)}
        assert effects.train.value == pytest.approx(parsed["sft"] - parsed["free"])
        expected = parsed["both"] - parsed["sft"] - parsed["perm"] + parsed["free"]
        assert effects.interaction.value == pytest.approx(expected)
        assert effects.interaction.low < expected < effects.interaction.high
    assert tables(found)[1].title == "Train and constrain"
    told = found.to_json()["factorials"][0]
    assert told["arms"] == {"neither": "free", "constrained": "perm", "trained": "sft", "both": "both"}
    assert told["effects"]["useful_ndcg@1"]["interaction"]["value"] < 0


@pytest.mark.parametrize("left_out", [1, 2, 3])
def test_three_arms_are_no_square(make_run, left_out):
    runs = four(make_run)
    found = compare([run for at, run in enumerate(runs) if at != left_out])
    assert found.factorials == []
    assert "Train and constrain" not in [table.title for table in tables(found)]


def test_a_square_needs_one_constraint_shaped_one_way(make_run):
    arms = open_arms(four(make_run))
    assert len(two_by_twos(arms)) == 1
    assert two_by_twos([*arms[:3], configured(arms[3], spacing="compact")]) == []
    assert two_by_twos([arms[1], arms[0], arms[2], arms[3]]) == [], "the baseline is the corner that has neither"


def test_spacing_and_engine_are_told_where_arms_differ_in_them(make_run):
    specs = [make_run("free", half), make_run("a", ranked, constraint="schema"),
             make_run("b", ranked, constraint="schema")]  # fmt: skip
    free, a, b = open_arms(specs)
    a, b = configured(a, spacing="either", engine="xgrammar"), configured(b, spacing="compact", engine="xgrammar")
    found = compare_arms([free, a, b])
    assert remarks(found) == ["constrained arms differ in spacing: a either; b compact"]
    assert found.to_json()["constraints_differ"] == {"spacing": {"a": "either", "b": "compact"}}
    assert "constraint schema (xgrammar, spacing either)" in "\n".join(facts(found))
    assert [arm["spacing"] for arm in found.to_json()["arms"]] == [None, "either", "compact"]
    same = compare_arms([free, a, configured(b, spacing="either", engine="xgrammar")])
    assert remarks(same) == []
    assert ArmSetup.of(configured(free, spacing="either", engine="xgrammar")).spacing is None


@pytest.mark.parametrize(("mass", "said"), [(0.959, True), (0.21, True), (0.2, False), (0.028, False), (None, False)])
def test_a_constraint_that_fights_the_model_is_named_in_the_verdict(make_run, mass, said):
    runs = [make_run("free", half), make_run("perm", ranked, constraint="permutation")]
    edit_rows(runs[1], lambda row: row.update(masked=mass))
    found = compare(runs)
    warning = "the constraint of perm fights the model's own spelling"
    assert (warning in sentence(found.verdict)) == said
    assert any(warning in line and "see spacing" in line for line in facts(found)) == said
    assert bool(found.to_json()["verdict"]["fighting_constraints"]) == said


def test_a_task_that_cannot_be_opened_leaves_chance_unknown_and_says_so(make_run):
    runs = [make_run("free", half), make_run("sft", ranked, model="sft")]
    for path in runs:
        edit_manifest(path, lambda values: values["task"].update(name="gone"))
    found = compare(runs)
    assert found.scale.chance is None and "gone" in found.chance.why
    assert any("what a random order is worth is not known" in line for line in facts(found))
    assert math.isnan(found.contrasts[0].guard.above.value)
    assert found.verdict.choice == "keep"
    assert "whether it ranks better than a random order is not known" in sentence(found.verdict)


def test_a_schema_that_was_only_sent_along_is_a_constraint_and_called_unproven(make_run):
    def sent_along(values):
        values["constraint"] = values["identity"]["constraint"] = "schema"

    def proven(values):
        values["identity"]["constraint"] = {"kind": "schema", "engine": "xgrammar", "spacing": "compact"}
        values["config"]["spacing"] = "compact"

    free, sent, held = make_run("a", half), make_run("b", ranked), make_run("c", ranked, constraint="schema")
    edit_manifest(sent, sent_along)
    edit_manifest(held, proven)
    found = compare([free, sent, held])
    assert [ways(arm, found.base) for arm in found.arms[1:]] == [("constrain",), ("constrain",)]
    assert "constraint schema (server, unproven)" in describe(found, 1)
    assert "unproven" not in describe(found, 2)
    assert found.unlike == {
        "spacing": [("b", "unknown"), ("c", "compact")],
        "engine": [("b", "server"), ("c", "xgrammar")],
    }
