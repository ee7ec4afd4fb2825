"""`listeval compare` as a user types it."""

import json

import pytest
from click.testing import CliRunner

from listeval.cli.compare import command
from listeval.cli.main import main
from listeval.runs import RunConfig, run


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Two null runs `a` and `b` in the working folder."""
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        run(RunConfig(task="fashion", model=name, backend="null", limit=12, out=name))
    return tmp_path


def say(*args):
    done = CliRunner().invoke(command, list(args), catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_table_json_markdown_latex(runs):
    assert "Headline figures" in say("a", "b")
    assert json.loads(say("a", "b", "--json"))["baseline"] == "a"
    assert say("a", "b", "--format", "json") == say("a", "b", "--json")
    assert say("b", "a", "--format", "markdown").startswith("**")
    assert r"\begin{tabular}" in say("a", "a+permutation", "--format", "latex")


def test_thresholds_are_flags_and_are_recorded(runs):
    found = json.loads(say("a", "b", "--json", "--margin", "0.2", "--alpha", "0.1", "--cost-order", "train, constrain"))
    used = found["verdict"]["thresholds"]
    assert (used["margin"], used["alpha"], used["cost_order"][:2]) == (0.2, 0.1, ["train", "constrain"])
    assert found["statistics"]["level"] == 0.9
    assert "value [90 %]" in say("a", "b", "--alpha", "0.1")
    usual = json.loads(say("a", "b", "--json"))["verdict"]["thresholds"]
    assert usual == {"margin": 0.1, "margin_in_units": 0.1, "alpha": 0.05, "masked": 0.2, "guard_level": 0.95,
                     "cost_order": ["repair", "change", "constrain", "re-ask", "train"]}  # fmt: skip


def test_a_page_and_json_at_once(runs):
    assert json.loads(say("a", "b", "--json", "--html", "page.html"))
    assert (runs / "page.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["a"], "one arm cannot be compared (compare). Fix: name a second run"),
        (["a", "nowhere"], "not a run: no manifest.json (nowhere)"),
        (["a", "a+trunc"], "unknown repair 'trunc' (a+trunc). Fix: did you mean 'truncation'?"),
        (["a", "b", "--html", "."], "cannot write the page: is a folder (.)"),
        (["a", "b", "--html", "no/page.html"], "cannot write the page: its folder does not exist"),
        (["a", "b", "--seed", "-1"], "Invalid value for '--seed'"),
        ([], "Missing argument 'RUN...'"),
        (["a", "b", "--margin", "0"], "a margin of 0 of a metric's range (--margin)"),
        (["a", "b", "--margin", "nan"], "a margin of nan of a metric's range (--margin)"),
        (["a", "b", "--alpha", "1"], "a chance of error of 1 (--alpha)"),
        (["a", "b", "--cost-order", "repare"], "unknown way 'repare' (--cost-order). Fix: did you mean 'repair'?"),
        (["a", "b", "--cost-order", "train,train"], "the order of cost names a way twice (--cost-order)"),
    ],
)
def test_mistakes_are_one_line(runs, capsys, args, message):
    with pytest.raises(SystemExit) as stop:
        main(["compare", *args])
    said = capsys.readouterr().err
    assert stop.value.code == 2
    assert message in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("garbage", ["", "not json\n", '{"key": 1}\n', "[]\n"])
def test_garbage_rows_are_one_line(runs, capsys, garbage):
    (runs / "b" / "samples.jsonl").write_text(garbage)
    with pytest.raises(SystemExit) as stop:
        main(["compare", "a", "b"])
    assert stop.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
