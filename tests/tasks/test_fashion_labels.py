"""Reviews as pieces for a judge, and labels in place of votes."""

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from listeval.errors import UserError
from listeval.labelling.labels import Label, write_labels
from tasks.fashion.helpfulness import HelpfulnessOptions
from tasks.fashion.task import Fashion
from tests.labelling.judges import reviews


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def amazon(user, product, text, votes=0):
    return {"user_id": user, "asin": product, "title": "Nice", "text": text, "helpful_vote": votes}


def pieces(data):
    return Fashion().pieces(data and str(data))


def test_the_sample_has_a_piece_for_every_text():
    found = pieces(None)
    assert len(found.pieces) == len({piece.key for piece in found.pieces}) == 512
    assert all(piece.text and piece.context and piece.product and piece.id for piece in found.pieces)
    assert found == pieces(None)


def test_a_piece_is_what_the_model_reads_with_votes(tmp_path):
    data = write(tmp_path / "a.jsonl", [amazon("u", "P", "Warm.", 3), amazon("v", "P", "Cold.", 1)])
    assert [(p.text, p.context, p.product, p.id, p.votes) for p in pieces(data).pieces] == [
        ("Nice. Warm.", "", "P", "u", 3), ("Nice. Cold.", "", "P", "v", 1),
    ]  # fmt: skip


def test_copies_and_equal_texts_are_one_piece_with_the_most_votes(tmp_path):
    rows = [amazon("u", "P", "Warm.", 1), amazon("u", "Q", "Warm.", 5), amazon("v", "R", "Warm.", 7)]
    [found] = pieces(write(tmp_path / "a.jsonl", rows)).pieces
    assert (found.product, found.id, found.votes) == ("P", "u", 7)


def test_equal_texts_under_other_titles_are_other_pieces(tmp_path):
    data = reviews(tmp_path / "a.jsonl", products=2, count=1)
    rows = [json.loads(line) for line in data.read_text().splitlines()]
    for row in rows:
        row["reviews"][0]["text"] = "Perfect."
    assert len(pieces(write(data, rows)).pieces) == 2


@pytest.fixture
def labelled(tmp_path):
    """Data and a function that labels it: `labelled(grade)`; a grade of None leaves the text without a label."""
    data = reviews(tmp_path / "hats.jsonl", products=4, count=6)

    def make(grade, name="labels"):
        found = [(piece, grade(piece)) for piece in pieces(data).pieces]
        (tmp_path / name).mkdir()
        write_labels([Label(key=p.key, grade=g) for p, g in found if g is not None], tmp_path / name)
        return str(tmp_path / name)

    def load(labels=None, **options):
        return Fashion(HelpfulnessOptions(k=2, split="all", labels=labels, **options)).load(str(data), 0)

    return make, load


def test_labels_replace_votes_and_the_rest_is_counted(labelled):
    make, load = labelled
    found = load(make(lambda piece: 9 - piece.votes if piece.product != "P3" else None))
    assert {e.cluster for e in found.examples} == {"P0", "P1", "P2"}
    for example in found.examples:
        assert example.target["grades"] == {name: 9 - int(name[-1]) for name in example.target["grades"]}
    counts = found.counts
    assert (counts["reviews"], counts["without_grade"], counts["distinct"], counts["products"]) == (24, 6, 18, 3)
    added = counts["without_text"] + counts["without_grade"] + counts["copies"] + counts["distinct"]
    assert added == counts["reviews"]


def test_labels_outrank_grades_of_the_data(tmp_path):
    data = reviews(tmp_path / "a.jsonl", products=1, count=2)
    rows = [json.loads(line) for line in data.read_text().splitlines()]
    rows[0]["reviews"][0]["grade"] = 3
    write(data, rows)
    labels = [Label(key=piece.key, grade=n + 1) for n, piece in enumerate(pieces(data).pieces)]
    options = HelpfulnessOptions(k=2, split="all", labels=str(write_labels(labels, tmp_path)))
    [example] = Fashion(options).load(str(data), 0).examples
    assert sorted(example.target["grades"].values()) == [1.0, 2.0]


def test_other_labels_are_other_data_and_labels_of_other_texts_change_nothing(labelled, tmp_path):
    make, load = labelled
    one, same = (load(make(lambda piece: piece.votes, name)) for name in ("one", "same"))
    other = load(make(lambda piece: piece.votes + 1, "other"))
    assert one.fingerprint == same.fingerprint
    assert len({one.fingerprint, other.fingerprint, load().fingerprint}) == 3
    with (tmp_path / "same" / "labels.jsonl").open("a") as file:
        file.write('{"key": "of another data set", "grade": 3}\n')
    assert load(str(tmp_path / "same")).fingerprint == one.fingerprint


def part_of_each(data, labels=None, k=2):
    """The part of every product that has an example."""
    found = {}
    for part in ("train", "validation", "test"):
        options = HelpfulnessOptions(k=k, split=part, cap=0, labels=labels)
        try:
            examples = Fashion(options).load(str(data), 0).examples
        except UserError as error:
            assert "no label is of" in str(error) or "no group of" in str(error) or "carries signal" in str(error)
            continue
        found |= {example.cluster: part for example in examples}
    return found


@settings(max_examples=40)
@given(
    st.lists(st.lists(st.integers(0, 3), min_size=2, max_size=12), min_size=2, max_size=8),
    st.sampled_from(["votes", "no votes", "some graded"]),
    st.randoms(use_true_random=False),
)
def test_labels_move_no_product_and_neither_does_a_growing_store(tmp_path_factory, products, own, random):
    """Else a product that a model was trained on is evaluated once more of it is labelled."""
    folder = tmp_path_factory.mktemp("labels")
    rows = [
        amazon(f"u{p}-{n}", f"P{p}", f"text {n} of {p}", 0 if own == "no votes" else votes)
        | ({"grade": votes} if own == "some graded" and random.random() < 0.5 else {})
        for p, reviews_of in enumerate(products)
        for n, votes in enumerate(reviews_of)
    ]
    data = write(folder / "hats.jsonl", rows)
    keys = [piece.key for piece in pieces(data).pieces]
    random.shuffle(keys)
    few, rest = keys[: len(keys) // 2], keys[len(keys) // 2 :]
    stores = []
    for name, kept in (("few", few), ("all", few + rest)):
        (folder / name).mkdir()
        labels = [Label(key=key, grade=random.randrange(11)) for key in kept]
        stores.append(str(write_labels(labels, folder / name)))
    seen = [part_of_each(data, labels) for labels in (None, *stores)]
    assert all(one[name] == other[name] for one in seen for other in seen for name in one.keys() & other.keys())


def test_data_without_votes_is_split_as_well(tmp_path):
    data = write(
        tmp_path / "a.jsonl", [amazon(f"u{p}-{n}", f"P{p}", f"{n} of {p}") for p in range(20) for n in range(8)]
    )
    labels = [Label(key=piece.key, grade=n % 10) for n, piece in enumerate(pieces(data).pieces)]
    counted = Counter(part_of_each(data, str(write_labels(labels, tmp_path))).values())
    assert counted == {"test": 4, "validation": 2, "train": 14}


def test_bad_labels_are_said(labelled, tmp_path):
    make, load = labelled
    with pytest.raises(UserError, match="grade 11, which is beyond 0-10"):
        load(make(lambda piece: 11, "beyond"))
    (tmp_path / "stranger.jsonl").write_text('{"key": "x", "grade": 1}\n')
    with pytest.raises(UserError, match="no label is of a review of this data"):
        load(str(tmp_path / "stranger.jsonl"))
    with pytest.raises(UserError, match="no such file"):
        load(str(tmp_path / "none"))
    with pytest.raises(UserError, match="carries signal"):
        load(make(lambda piece: 5, "equal"))


def test_real_reviews_make_pieces(shared_data):
    clothing = pieces(shared_data / "womens_clothing")
    assert len(clothing.pieces) > 19_000
    shoes = pieces(shared_data / "fashion")
    assert 370 < len(shoes.pieces) < 385
    assert 30 < sum(piece.votes > 0 for piece in shoes.pieces) < 40
