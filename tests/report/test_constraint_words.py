"""Beside every constrained run stand its engine and spacing, asked and measured, and what took too much."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("httpx")

from listeval.report.constrained import audit_words, constraint_words, notes
from listeval.report.markdown import markdown
from listeval.runs import load_run, run
from listeval.runs.entries import AuditEntry
from listeval.runs.row_decoder import read_rows
from listeval.runs.rows import encode
from tests.backends.fake_server import FakeServer
from tests.runs.test_promise import config, duplicates


@pytest.fixture
def done(tmp_path: Any) -> Any:
    with FakeServer(duplicates).running() as server:
        return run(config(server, tmp_path))


def test_asked_and_measured(done: Any) -> None:
    assert constraint_words(done.manifest) == "schema by server, spacing either (measured: gold (seen once))"
    assert "spacing either" in markdown([done])
    kept = done.to_json()
    assert kept["spacing"] == {"asked": "either", "measured": "gold (seen once)"} and kept["warnings"] == []
    assert notes(done) == []


@pytest.mark.parametrize(("masked", "warned"), [(0.19, False), (0.21, True), (None, False)])
def test_masked_mass_is_a_warning_above_a_fifth(done: Any, masked: float | None, warned: bool) -> None:
    rows = [{**row, "masked": masked} for row in read_rows(done.path / "samples.jsonl")]
    (done.path / "samples.jsonl").write_bytes(b"".join(map(encode, rows)))
    again = load_run(done.path)
    assert bool(again.summary.warnings) == warned == bool(again.to_json()["warnings"])
    assert any("the constraint fights the model's own spelling; see spacing" in line for line in notes(again)) == warned


def test_a_run_of_before_spacing_is_not_called_either(done: Any) -> None:
    identity = {**done.manifest.identity, "constraint": {"kind": "schema", "engine": "xgrammar", "spacing": "compact"}}
    old = done.manifest.model_copy(update={"identity": identity, "audit": AuditEntry(engine="xgrammar")})
    assert constraint_words(old) == "schema by xgrammar, spacing compact"
    assert constraint_words(old.model_copy(update={"identity": {"constraint": "none"}})) == ""


def test_the_audit_by_fate() -> None:
    audit = {"keywords": {"enum": "kept", "pattern": "untested", "anyOf": "narrowed"}, "numbers": "endless"}
    assert (
        audit_words(AuditEntry.model_validate(audit))
        == "kept: enum; endless: numbers; narrowed: anyOf; untested: pattern"
    )
    assert audit_words(AuditEntry()) == ""
