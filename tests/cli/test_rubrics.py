"""`listeval rubrics`: list, show, and how far labels agree with each other and with votes."""

import json

import pytest
from listeval.plugins.open import make_task

from listeval.cli.main import _run
from listeval.labelling.labels import Label, write_labels
from tests.labelling.judges import reviews


@pytest.fixture
def cli(tmp_path, monkeypatch, capsys):
    """Run a command line in an empty folder: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def call(*args):
        code = _run(list(map(str, args)))
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def labelled(tmp_path):
    """Review data and a folder of labels, each a function of the piece."""
    data = reviews(tmp_path / "hats.jsonl", products=6, count=6)
    pieces = make_task("fashion", {}).pieces(str(data)).pieces

    def make(name, grade, keep=lambda piece: True):
        folder = tmp_path / name
        folder.mkdir()
        labels = [Label(key=p.key, product=p.product, id=p.id, grade=grade(p)) for p in pieces if keep(p)]
        write_labels(labels, folder)
        return folder

    return data, make


def test_list_and_show(cli):
    code, out, _ = cli("rubrics", "list")
    assert code == 0
    assert out.startswith("helpfulness ")
    assert list(json.loads(cli("rubrics", "list", "--json")[1])) == ["helpfulness"]
    code, out, _ = cli("rubrics", "show", "helpfulness")
    assert code == 0
    assert "helpfulness (version 1)" in out
    assert "[prompt]" in out and "<review>\nTEXT\n</review>" in out and '"additionalProperties": false' in out


def test_two_label_sets_and_votes(cli, labelled):
    data, make = labelled
    one = make("one", lambda piece: piece.votes)
    other = make("other", lambda piece: piece.votes + (piece.votes == 5), keep=lambda piece: piece.product != "P0")
    code, out, _ = cli("rubrics", "agree", one, other / "labels.jsonl", "--votes", data, "--json")
    assert code == 0
    found = json.loads(out)
    assert (found["labels"]["n"], found["labels"]["only_a"], found["labels"]["only_b"]) == (30, 6, 0)
    assert found["labels"]["kendall_tau"]["value"] == 1.0
    assert 0.9 < found["labels"]["kappa"]["value"] < 1.0
    assert found["labels"]["mae"]["value"] == pytest.approx(5 / 30)
    assert found["votes"] == {
        "n": 36, "tau_within": {"value": 1.0, "low": pytest.approx(0.22, abs=0.01), "high": 1.0},
        "products": 6, "labelled": 36, "only_a": 0,
    }  # fmt: skip
    code, out, _ = cli("rubrics", "agree", one, other, "--votes", data)
    assert code == 0
    assert "30 texts in common (6 only in A" in out and "weighted kappa" in out and "6 products in which votes" in out


def test_opposite_labels_disagree_with_votes(cli, labelled):
    data, make = labelled
    one = make("one", lambda piece: 10 - piece.votes)
    found = json.loads(cli("rubrics", "agree", one, "--votes", data, "--json")[1])
    assert found.keys() == {"votes"}
    assert found["votes"]["tau_within"]["value"] == -1.0


def test_what_cannot_be_compared_is_said_in_one_line(cli, labelled, tmp_path):
    data, make = labelled
    one = make("one", lambda piece: piece.votes)
    stranger = tmp_path / "stranger.jsonl"
    stranger.write_text('{"key": "x", "grade": 1}\n')
    unvoted = reviews(tmp_path / "unvoted.jsonl", count=1)
    torn = tmp_path / "torn.jsonl"
    torn.write_text('{"key": "x"\n')
    for args, words in [
        ((one,), ("nothing to compare", "--votes")),
        ((one, tmp_path / "none"), ("no such file", "none")),
        ((one, stranger), ("share no text",)),
        ((stranger, "--votes", data), ("no label is of a text",)),
        ((one, "--votes", unvoted), ("no text of this data has a vote", "unvoted.jsonl")),
        ((one, torn), ("not JSON", "torn.jsonl:1")),
        ((one, "--votes", data, "--task", "fashon"), ("did you mean 'fashion'",)),
    ]:
        code, _, err = cli("rubrics", "agree", *args)
        assert code == 2
        assert len(err.splitlines()) == 1
        assert all(word in err for word in words), err


def test_an_unknown_rubric(cli):
    code, _, err = cli("rubrics", "show", "helpfulnes")
    assert (code, err.strip()) == (
        2, "listeval: unknown rubric 'helpfulnes' (--rubric). Fix: did you mean 'helpfulness'?",
    )  # fmt: skip
