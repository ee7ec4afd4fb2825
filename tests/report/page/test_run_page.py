"""The page of one or several runs as text: headline, provenance, warnings, nothing hidden."""

import re
import shlex
from html import unescape

import pytest
from right_rankings import good

from listeval.report.page.provenance import provenance
from listeval.report.page.run_page import heads, runs_page


def words(page):
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", re.sub(r"(?s)<(script|style).*?</\1>", "", page))).split())


def test_three_figures_stand_at_the_head_with_intervals_below(make_run):
    run = make_run("free", lambda row: good(row, row["index"] % 2))
    found = heads(run)
    assert [one.title for one in found] == ["parse rate", "useful ndcg@1", "ndcg@1"]
    assert (found[0].value, found[0].over) == ("50.0 %", "56 answers")
    assert all(re.fullmatch(r"\[.+, .+\]", one.interval) for one in found)
    text = words(runs_page([run]))
    for one in found:
        assert f"{one.title} {one.value} {one.interval} {one.over}" in text


def test_a_task_without_useful_metrics_has_a_headline_too(make_run):
    run = make_run("none", manifest=lambda values: values["task"].update(metrics=[]))
    assert [one.title for one in heads(run)] == ["parse rate", "bare rate"]


def test_provenance_says_when_how_and_by_what(make_run):
    run = make_run("free", temperature=0.7, top_p=0.9, seeds=(3,), options={"k": 4})
    text = words(runs_page([run]))
    command = shlex.join(["--temperature", "0.7", "--top-p", "0.9"])
    created = run.manifest.created[:19].replace("T", " ")
    fingerprint = next(iter(run.manifest.data.values())).fingerprint[:12]
    for part in (created, f"{command} --seeds 3", "--set k=4", run.manifest.listeval, run.manifest.task.code[:12],
                 fingerprint, "listeval report", "constraint none"):  # fmt: skip
        assert part in text, part


def test_a_constraint_is_told_with_spacing_canary_and_audit(make_run):
    def held(values):
        values["constraint"] = "schema"
        values["identity"]["constraint"] = {"kind": "schema", "engine": "xgrammar", "spacing": "either"}
        values["canary"] = {"passed": True, "why": "the answer is held"}
        values["audit"] = {"engine": "xgrammar", "keywords": {"minItems": "kept", "pattern": "ignored"}}

    text = words(runs_page([make_run("held", manifest=held)]))
    for part in (
        "schema by xgrammar, spacing either",
        "passed: the answer is held",
        "kept: minItems; ignored: pattern",
    ):
        assert part in text
    bare = make_run("bare", manifest=lambda values: values.update(constraint="schema"))
    assert "nothing shows that the engine constrains" in words(runs_page([bare]))


def test_what_runs_have_in_common_is_one_cell(make_run):
    runs = [make_run("a", model="m", options={"k": 2}), make_run("b", model="m", options={"k": 4})]
    facts = {fact.name: fact.cells for group in provenance(runs) for fact in group.facts}
    assert facts["task"] == ["fashion, version 1"]
    assert len(facts["options"]) == len(facts["command"]) == 2


def test_no_password_of_a_server_is_on_the_page(make_run):
    def served(values):
        values["config"]["base_url"] = "http://me:hunter2@host/v1"
        values["backend"]["settings"]["base_url"] = "http://me:hunter2@host/v1"

    page = runs_page([make_run("served", manifest=served)])
    assert "hunter2" not in page
    assert "http://host/v1" in page


def test_warnings_stand_above_the_figures(make_run):
    run = make_run("cut", max_tokens=3)
    text = words(runs_page([run]))
    assert run.notices
    assert text.index(run.notices[0]) < text.index("Bars are values")


@pytest.mark.parametrize("sign", ["\u202e", "\u2067", "\u200f", "\x07"])
def test_what_turns_or_hides_text_is_shown(make_run, sign):
    page = runs_page([make_run(f"a{sign}b", model=f"m{sign}x")])
    assert sign not in page
    assert repr(sign)[1:-1] in page


def test_several_runs_stand_in_rows_and_no_verdict_is_given(make_run):
    runs = [make_run("a", good), make_run("b", lambda row: "no")]
    text = words(runs_page(runs))
    assert "2 runs of fashion" in text
    assert "[1] a 100.0 %" in text
    assert "[2] b 0.0 %" in text
    assert "pair them by listeval compare" in text
