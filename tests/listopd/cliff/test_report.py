"""The report: complete, safe to open, and the same numbers in every form."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET

import pytest

from listopd.cliff.lock_study import lock_study
from listopd.cliff.report.gather import binding_class, gather, trajectory
from listopd.cliff.report.tables import scope, tables
from listopd.cliff.report.write import write_report
from listopd.cliff.sweep import sweep_arms
from listopd.cliff.verify import verify_study
from tests.listopd.cliff.toy import Toy, falls_at, stays

pytest.importorskip("matplotlib")
NASTY = "a <script>alert(1)</script> $\\frac{x & y_z | [1](http://x)"
PARTS = {
    "P": {
        "about": NASTY,
        "pairs": ["flip"],
        "methods": ["listopd", "start"],
        "lams": [1.0, 1.05, 1.1, 1.15, 1.2, 1.25, 1.3],
        "caps": [math.inf, 5, 2],
        "lrs": [5e-4],
        "seeds": [0, 1, 2],
        "budgets": [3, 6],
    },
    "S": {"pairs": ["flip"], "lams": [1.0, 1.2], "lrs": [1e-2], "seeds": [0, 1], "budgets": [4]},
}
PAIRS = {"flip": {"student": "sharp", "teacher": "flip", "size": "0.02M"}}
CLAIM = {"id": "where", "says": NASTY, "kind": "midpoint", "of": {"part": "P", "cap": 5}, "at": "curve"}
SATURATED = {
    "id": "saturated",
    "kind": "midpoint",
    "of": {"part": "P", "method": "listopd", "cap": 2, "budget": 6},
    "at": "token",
    "good": "safe",
    "token": "sep 4",
}


@pytest.fixture
def swept(study, tmp_path):
    """A study that is locked and swept, with its lock and directory."""
    file, out = study(parts=PARTS, pairs=PAIRS, predictions=[CLAIM]), tmp_path / "out"
    toy = Toy({"P": falls_at(1.15), "S": stays(0.97)})
    made = lock_study(file, toy, out)
    sweep_arms(made, file.arms, toy, out)
    return file, made, out


def test_the_report_is_written_in_all_forms_with_all_figures(swept):
    file, made, out = swept
    written = [one.relative_to(out).as_posix() for one in write_report(file, made, out)]
    assert written[:3] == ["report.html", "report.md", "report.tex"]
    assert {"figures/midpoint-budget.svg", "figures/midpoint-cap.svg"} < set(written)
    assert sum("curve" in name for name in written) == 7
    texts = [(out / name).read_text() for name in written[:3]]
    for text in texts:
        assert made.seal in text
        assert file.sha256 in text
        for title in ("Predictions", "Curves of the parse rate", "Budgets", "Caps", "Sizes", "Scope of each rule"):
            assert title in text


def test_budgets_and_caps_show_where_the_clip_saturates(study, tmp_path):
    """At c = 2 and p = 0.99 the student is safe while its own off-modal mass is 0.005 or more."""
    parts = {"P": PARTS["P"] | {"seeds": list(range(8)), "caps": [math.inf, 2], "budgets": [6, 8]}}
    file, out = study(parts=parts, pairs=PAIRS, predictions=[SATURATED]), tmp_path / "out"
    toy = Toy(falls_at(1.15), theta=lambda arm, steps: 0.99 if arm.lam < 1.18 else 0.999)
    made = lock_study(file, toy, out)
    sweep_arms(made, file.arms, toy, out)
    shown = tables(gather(file, made, out, []))
    budgets, caps = (next(one for one in shown if one.title == title) for title in ("Budgets", "Caps"))
    for table in (budgets, caps):
        at = table.header.index("saturates at sep 4")
        assert table.header[at + 1] == "λ*(sep 4)"
        cells = {row[0]: row[at] for row in table.rows}
        assert cells["P: flip, listopd, c = 2, lr 0.0005, 6 steps"].startswith("1.175 [1.15")
        assert cells["P: flip, listopd, no cap, lr 0.0005, 6 steps"] == "–"


def test_names_and_words_of_a_study_are_no_markup(swept):
    file, made, out = swept
    write_report(file, made, out)
    assert "<script" not in (out / "report.html").read_text()
    assert "&lt;script&gt;" in (out / "report.html").read_text()
    assert not re.search(r"(?<!\\)<script", (out / "report.md").read_text())
    latex = (out / "report.tex").read_text()
    assert all(line.startswith("%") or r"\frac" not in line for line in latex.splitlines())
    for figure in (out / "figures").glob("*.svg"):
        ET.parse(figure)


def test_a_page_loads_nothing(swept):
    file, made, out = swept
    write_report(file, made, out)
    text = (out / "report.html").read_text()
    assert "default-src 'none'" in text
    loaded = re.findall(r'(?:src|href)="([^"#][^"]*)"', text)
    assert loaded == []


def test_writing_twice_gives_the_same_bytes(swept):
    file, made, out = swept
    before = {one: one.read_bytes() for one in write_report(file, made, out)}
    assert before == {one: one.read_bytes() for one in write_report(file, made, out)}


def test_the_scope_of_a_rule_follows_from_where_the_cliff_is(swept):
    file, made, out = swept
    found = gather(file, made, out, verify_study(file, made, out))
    fallen = next(one for one in found.shown if one.series.part == "P" and one.series.cap == 5)
    flat = next(one for one in found.shown if one.series.part == "S")
    assert scope(fallen, "curve") == "predicts"
    # λ*(B) at c = 5 is 1.504, and there is a cliff at 1.15; at S no cap leaves λ* without a limit, and nothing falls.
    assert scope(fallen, "B") == "shifts"
    assert scope(flat, "B") == "predicts"
    assert scope(flat, "curve") == "shifts"
    on_the_slope = fallen._replace(found=fallen.found._replace(settled=False))
    assert scope(on_the_slope, "curve") == "abstains"
    beside = flat._replace(estimates=flat.estimates._replace(curve=max(flat.found.lams)))
    assert scope(beside, "curve") == "abstains"
    unknown = fallen._replace(estimates=fallen.estimates._replace(A=math.nan))
    assert scope(unknown, "A") == "abstains"


def test_a_half_swept_study_shows_what_there_is(study, tmp_path):
    file, out = study(), tmp_path / "out"
    toy = Toy(falls_at(1.15), stop_after=60)
    made = lock_study(file, toy, out)
    with pytest.raises(KeyboardInterrupt):
        sweep_arms(made, file.arms, toy, out)
    write_report(file, made, out)
    text = (out / "report.md").read_text()
    assert "15 of 35 arms are finished" in text
    assert "not decidable" in text


def test_a_study_without_any_arm_is_a_report_of_its_predictions(study, tmp_path):
    file, out = study(), tmp_path / "out"
    made = lock_study(file, Toy(stays(1.0)), out)
    assert [one.name for one in write_report(file, made, out)] == ["report.html", "report.md", "report.tex"]


def test_the_class_that_binds_is_where_teacher_and_base_differ_most():
    line = {"step": 1, "p": {"a": 0.9, "b": 0.5, "c": 1.0}, "b": {"a": 0.91, "b": 0.99, "c": None}}
    assert binding_class({1.0: [[line]], 2.0: [[]]}) == "b"
    assert binding_class({1.0: [[{"step": 1}]]}) is None


def test_a_trajectory_is_over_the_steps_that_every_seed_has():
    one = [{"step": 1, "x": {"y": 0.0}}, {"step": 2, "x": {"y": 1.0}}, {"step": 3, "x": 4}]
    other = [{"step": 2, "x": {"y": 3.0}}, {"step": 3, "x": {"y": None}}]
    assert trajectory([one, other], "x", "y") == ([2], [2.0])
    assert trajectory([one, other], "z") == ([], [])
