"""The probe end to end on tiny random models, and as a user types it."""

import json
import math
from xml.etree import ElementTree

import numpy as np
import pytest
from rich.console import Console

from listeval.cli.main import main
from listopd.probe.observations import Observations
from listopd.probe.odds import asked
from listopd.probe.probe_config import ProbeConfig
from listopd.probe.probe_figure import probe_figure
from listopd.probe.probe_terminal import print_probe
from listopd.probe.run_probe import probe
from listopd.probe.walk import reference, walk
from listopd.tokens import TokenClass, leading_place, scan
from tests.listopd.tiny import MERGES, save, tiny_tokenizer

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders by name: a base, another teacher, one with other merges, and one with another template."""
    root = tmp_path_factory.mktemp("models")
    few = len(MERGES) - 1
    return {
        "base": save(root / "base", tiny_tokenizer(), width=300),
        "teacher": save(root / "teacher", tiny_tokenizer(), seed=1, width=320),
        "merges": save(root / "merges", tiny_tokenizer(merges=few), width=300),
        "template": save(root / "template", tiny_tokenizer(chat="{{ messages[0]['content'] }}"), width=300),
    }


def config(models, **values):
    given = {"task": "fashion", "options": {"k": 2}, "limit": 2, "max_tokens": 12, "bootstrap": 100, "scaffold": 0.0}
    return ProbeConfig(**{**given, "base": str(models["base"]), "teacher": str(models["teacher"]), **values})


@pytest.fixture(scope="module")
def result(models):
    return probe(config(models))


def test_both_kinds_of_answers_are_measured(result):
    gold, rollouts = result.parts
    assert (gold.source, rollouts.source) == ("gold", "rollouts")
    kinds = {row.kind: row.n for row in gold.classes}
    assert kinds[TokenClass.NEXT_ITEM] == kinds[TokenClass.CLOSE_LIST] == kinds[TokenClass.END] == gold.prompts == 2
    assert sum(row.n for row in gold.classes) == sum(row.n for row in gold.items) == gold.steps
    assert all(0 < row.p.least <= row.p.most < 1 for row in gold.classes)
    assert sum(row.share for row in gold.classes if not math.isnan(row.share)) == pytest.approx(1)
    assert [bound.form for bound in gold.bounds[:2]] == ["A", "B"]
    assert result.rollouts.n == 2
    assert sum(result.rollouts.kinds.values()) == 2
    assert result.manifest["models"]["teacher"]["fingerprint"] != result.manifest["models"]["base"]["fingerprint"]


def test_an_example_asked_under_many_seeds_is_one_example(models):
    """Whether the seeds ask for the same examples or for other ones of the same products."""
    once, again = (
        probe(config(models, options={"k": 2, "split": "train"}, seeds=seeds, limit=3)) for seeds in ((0,), (0, 1, 2))
    )
    for one, more in zip(once.parts, again.parts, strict=True):
        found = more.verdict.measured
        assert one.verdict.measured.units <= one.prompts == 3
        assert found.prompts == more.prompts == 9 > found.units
        assert f"9 prompts, {found.units} of them independent, have scaffold" in more.verdict.sentence
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    print_probe(again, console)
    assert "Over 9 prompts, " in " ".join(console.export_text().split())


def test_the_same_model_twice_has_no_threshold(models):
    found = probe(config(models, teacher=str(models["base"]), on="gold"))
    (gold,) = found.parts
    assert all(row.p == row.b and row.star == math.inf for row in gold.classes)
    assert all(bound.star.value == math.inf and bound.p == pytest.approx(bound.b) for bound in gold.bounds)
    assert found.rollouts is None


def test_sampled_rollouts_repeat_themselves_and_a_foreign_student_is_no_evidence_of_headroom(models):
    sampled = config(models, student=str(models["teacher"]), temperature=1.0, on="rollouts")
    first, again = (json.loads(probe(sampled).to_json()) for _ in range(2))
    assert first["parts"] == again["parts"]
    headroom = next(c for c in first["parts"][0]["verdict"]["checks"] if c["condition"] == "parse headroom")
    assert headroom["detail"] == "the warm start's parse rate was not measured"


def test_table_figure_and_json(result):
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    print_probe(result, console)
    shown = console.export_text()
    assert max(map(len, shown.splitlines())) <= 80
    assert "} to ," in shown and "(A) largest prompt mean" in shown
    assert "Over 2 prompts: p 0." in shown and "95 % intervals" in " ".join(shown.split())
    assert "abstains: enough evidence: 2 prompts have scaffold (at least 20)" in " ".join(shown.split())
    ElementTree.fromstring(probe_figure(result))
    assert json.loads(result.to_json())["parts"][0]["classes"][0]["kind"] == "list_open"


def test_a_token_is_one_position_of_all_its_steps():
    steps = Observations(
        ["a", "a", "a"],
        np.array([0, 0, 1]),
        np.array(["item_close", "item_next", "space"]),
        np.array([1, 1, 1]),
        np.array([math.log(4), math.log(9), 0.0]),
        np.array([math.inf, 0.0, 0.0]),
        np.zeros(3),
    )
    positions = steps.by_token().positions()
    assert positions.p == pytest.approx([0.8 * 0.9, 0.5])
    assert positions.b == pytest.approx([0.5, 0.5])
    assert positions.kind.tolist() == ["item_next", "space"]


SHIPPED = (
    [b'[{"', b"id", b'":', b' "', b"A", b'",', b' "', b"s", b'":', b" ", b"1", b"},", b' {"', b"id", b'":', b' "', b"B",
     b'",', b' "', b"s", b'":', b" ", b"2", b"}]"],
    [b'[{"id": "', b"A", b'", "s": ', b"1", b'}, {"id": "', b"B", b'", "s": ', b"2", b"}]"],
    [b"[", b'{"id": "A"', b', "s": 1}', b', {"id": "B"', b', "s": 2', b"}", b"]"],
    [b'[{"id": "A", "s": 1}, {"id": "B", "s": 2}]'],
)  # fmt: skip


@pytest.mark.parametrize("tokens", SHIPPED)
def test_a_position_has_the_class_and_item_that_training_gives_its_token(tokens):
    """Wherever a tokenizer cuts one answer: also where a token ends one item and begins the next."""
    gold = b"".join(tokens)
    found = asked(range(len(tokens)), walk(gold, True, reference(gold, "id")), tokens)
    n = len(found)
    steps = Observations(
        ["x"] * n,
        np.array([one.row for one in found]),
        np.array([one.step.kind.value for one in found], dtype=np.str_),
        np.array([one.step.item for one in found]),
        *np.zeros((3, n)),
    ).by_token()
    labels, ends = scan(gold, "id"), np.cumsum([len(token) for token in tokens])
    for place, kind, item in zip(steps.token.tolist(), steps.kind.tolist(), steps.item.tolist(), strict=True):
        if place == len(tokens):
            continue  # the stop token, of which the labels say nothing
        own = labels[ends[place] - len(tokens[place]) : ends[place]]
        leading = own[leading_place([label.kind for label in own])]
        assert (kind, item) == (leading.kind.value, leading.item), tokens[place]
    assert len(steps) > 0


def said(capsys, *args):
    with pytest.raises(SystemExit) as stop:
        main(["probe", *args])
    printed = capsys.readouterr()
    return stop.value.code, printed.out, printed.err


def flags(models, **values):
    given = {
        "teacher": models["teacher"],
        "base": models["base"],
        "task": "fashion",
        "limit": 1,
        "set": "k=2",
        **values,
    }
    return [part for name, value in given.items() for part in (f"--{name}", str(value))]


def test_the_verb_writes_what_it_prints(models, tmp_path, capsys):
    out, figure = tmp_path / "p.json", tmp_path / "p.svg"
    args = flags(models, on="gold", out=out, figure=figure, bootstrap=100)
    code, printed, _ = said(capsys, *args, "--json", "--quiet")
    assert code == 0
    assert json.loads(printed) == json.loads(out.read_text())
    assert figure.read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"teacher": "merges"}, "the teacher has another vocabulary"),
        ({"teacher": "template"}, "the teacher has another chat template"),
        ({"base": "./nowhere"}, "there is no such model folder (./nowhere)"),
        ({"student": "./nowhere"}, "there is no such model folder (./nowhere)"),
        ({"set": "k=8"}, "none of the 1 prompts fits"),
        ({"clip": 1}, "--clip: Input should be greater than 1"),
        ({"steps": 40}, "steps and kappa go together"),
        ({"task": "fashin"}, "unknown task 'fashin'"),
        ({"out": "probe.txt"}, "the result is written as .json"),
        ({"figure": "probe.png"}, "the figure is written as .svg"),
        ({"figure": "no/probe.svg"}, "its folder does not exist"),
        ({"seeds": "a"}, "--seeds"),
        ({"device": "abacus"}, "cannot be used"),
        ({"dtype": "float8"}, "unknown dtype 'float8'"),
    ],
)
def test_mistakes_are_one_line(models, capsys, values, message):
    named = {name: models.get(value, value) if isinstance(value, str) else value for name, value in values.items()}
    code, printed, err = said(capsys, *flags(models, **named), "--quiet")
    assert (code, printed) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1
