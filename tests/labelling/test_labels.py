"""Labels on disk, judges by name, prices, and pieces by content."""

import json

import pytest

from listeval.errors import UserError
from listeval.labelling.judge_server import Judge
from listeval.labelling.labels import Label, in_common, read_labels, write_labels
from listeval.labelling.tally import Price, Tokens
from listeval.task import Piece


def test_labels_come_back_as_they_were_written(tmp_path):
    labels = [Label(key=f"k{n}", grade=n, criteria={"focus": n}, judge="j", attempt=1) for n in range(5)]
    assert write_labels(labels, tmp_path) == tmp_path / "labels.jsonl"
    assert read_labels(tmp_path) == read_labels(tmp_path / "labels.jsonl") == {label.key: label for label in labels}
    assert [file.name for file in tmp_path.iterdir()] == ["labels.jsonl"]


def test_a_key_and_a_grade_make_a_label_of_anyone(tmp_path):
    (tmp_path / "mine.jsonl").write_text('{"key": "a", "grade": 7.5, "by": "me"}\n')
    assert read_labels(tmp_path / "mine.jsonl")["a"].grade == 7.5


def test_labels_in_common_keep_the_order_of_the_first():
    a, b = ({key: Label(key=key, grade=1) for key in keys} for keys in ("cab", "bxa"))
    assert in_common(a, b) == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ("empty", "labels.jsonl")),
        ("{", ("not JSON", "labels.jsonl:1")),
        ('{"key": "a", "grade": 7}\n{"grade": 7}\n', ("key", "labels.jsonl:2")),
        ('{"key": "a", "grade": "high"}', ("grade", "labels.jsonl:1")),
        ('{"key": "a", "grade": true}', ("grade", "labels.jsonl:1")),
        ('{"key": "a", "grade": NaN}', ("grade", "labels.jsonl:1")),
        ('{"key": "a", "grade": 7}\n{"key": "a", "grade": 8}\n', ("second label", "labels.jsonl:2")),
        ("key,grade\na,7\n", ("not JSON", "labels.jsonl:1")),
    ],
)
def test_bad_label_files_are_named_with_their_line(tmp_path, content, words):
    (tmp_path / "labels.jsonl").write_text(content)
    with pytest.raises(UserError) as caught:
        read_labels(tmp_path)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_no_labels_at_all(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_labels(tmp_path / "none")


def test_a_judge_is_an_address_and_a_model():
    judge = Judge.parse("http://127.0.0.1:8000#org/Some Model")
    assert judge == ("http://127.0.0.1:8000/v1", "org/Some Model")
    assert str(judge) == "http://127.0.0.1:8000/v1#org/Some Model"
    assert judge.short == "Some-Model"
    gemini = Judge.parse("https://generativelanguage.googleapis.com/v1beta/openai/#gemini-2.5-flash")
    assert gemini.url == "https://generativelanguage.googleapis.com/v1beta/openai"


@pytest.mark.parametrize("name", ["http://h/v1", "http://h/v1#", "gpt#x", "http://key@h/v1#m", "#m", "http://h:x#m"])
def test_what_is_no_judge(name):
    with pytest.raises(UserError) as caught:
        Judge.parse(name)
    assert caught.value.place == "--judge"
    assert "#MODEL" in caught.value.fix


def test_prices():
    assert Tokens(2_000_000, 1_000_000).cost(Price.parse("0.15,0.60")) == pytest.approx(0.9)
    assert Tokens(1, 1).cost(None) is None
    for bad in ("1", "a,b", "1,2,3", "-1,2", "nan,1", "inf,1", ""):
        with pytest.raises(UserError, match="price"):
            Price.parse(bad)


def test_a_piece_is_what_a_judge_reads():
    assert Piece("a", "b", "P", "1", 3).key == Piece("a", "b", "Q").key
    assert len({Piece("a", "b").key, Piece("ab", "").key, Piece("", "ab").key, Piece("b", "a").key}) == 4
    assert len(Piece(json.loads('"\\ud800"')).key) == 32
