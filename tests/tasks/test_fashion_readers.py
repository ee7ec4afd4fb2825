"""Each form's rows and quirks, files and folders, and one line of error for each thing that can be wrong."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import re

import pytest

from listeval.errors import UserError
from tasks.fashion.readers import read
from tasks.fashion.sources import local

AMAZON_2018 = [
    {"overall": 5.0, "reviewerID": "A1", "asin": "0000012345", "summary": "Warm", "unixReviewTime": 1},
    {"overall": 5.0, "reviewerID": "A2", "asin": "0000012345", "reviewText": "Warm and\r\ndry.", "vote": "1,204"},
    {"overall": 1.0, "reviewerID": "A3", "asin": "0000012345", "reviewText": "Leaks.", "summary": "No"},
]
AMAZON_2014 = [
    {"reviewerID": "A1", "asin": "0042", "helpful": "[13, 14]", "reviewText": "Loud.", "overall": 5, "summary": "Ok"},
    {"reviewerID": "A2", "asin": "0042", "helpful": "[0, 3]", "reviewText": "Quiet.", "overall": 2, "summary": "Meh"},
]
AMAZON_2023 = [
    {"rating": 4.0, "title": "Fits", "text": "Fits well.", "images": [], "asin": "B1", "parent_asin": "B0",
     "user_id": "AE", "timestamp": 1, "helpful_vote": 3, "verified_purchase": True},
    {"rating": 4.0, "title": "", "text": "Tight.", "asin": "B2", "parent_asin": "B0", "user_id": "AF",
     "helpful_vote": 0},
]  # fmt: skip
CLOTHING = [
    {"": 0, "Clothing ID": 7, "Age": 30, "Title": "", "Review Text": 'Soft, "really" soft', "Rating": 5,
     "Positive Feedback Count": 2},
    {"": 1, "Clothing ID": 7, "Age": 40, "Title": "Gone", "Review Text": "", "Rating": 5,
     "Positive Feedback Count": 0},
    {"": 2, "Clothing ID": 8, "Age": 50, "Title": "Two\r\nlines", "Review Text": "a\r\nb", "Rating": 1,
     "Positive Feedback Count": 31},
]  # fmt: skip
GROUPS = [
    {"product": "P1", "title": "Hat", "split": "train",
     "reviews": [{"id": 7, "text": "Warm.", "grade": 3.5}, {"id": "b", "text": " ", "grade": 1}]},
    {"product": "P2", "reviews": [{"id": "c", "text": "Cold.", "votes": 7}]},
]  # fmt: skip


def jsonl(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def as_csv(rows):
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def load(tmp_path, content, name="data.bin"):
    path = tmp_path / name
    path.write_bytes(content)
    return read(local(path))


def test_amazon_2018_takes_absent_votes_as_none_and_counts_rows_without_text(tmp_path):
    reading = load(tmp_path, jsonl(AMAZON_2018))
    assert reading.without_text == 1
    assert [(r.id, r.user, r.product, r.votes) for r in reading.reviews] == [
        ("A2", "A2", "0000012345", 1204),
        ("A3", "A3", "0000012345", 0),
    ]
    assert reading.reviews[0].text == "Warm and\ndry."
    assert reading.reviews[1].body == "No. Leaks."


@pytest.mark.parametrize("content", [as_csv(AMAZON_2014), jsonl(AMAZON_2014)], ids=["csv", "jsonl"])
def test_amazon_2014_reads_helpful_as_text_and_keeps_leading_zeros(tmp_path, content):
    reviews = load(tmp_path, content).reviews
    assert [(r.product, r.votes, r.headline) for r in reviews] == [("0042", 13, "Ok"), ("0042", 0, "Meh")]


def test_amazon_2014_reads_helpful_as_list(tmp_path):
    assert load(tmp_path, jsonl([{**AMAZON_2014[0], "helpful": [5, 6]}])).reviews[0].votes == 5


def test_amazon_2023_joins_variants_under_their_parent(tmp_path):
    reviews = load(tmp_path, jsonl(AMAZON_2023)).reviews
    assert [(r.product, r.user, r.votes) for r in reviews] == [("B0", "AE", 3), ("B0", "AF", 0)]
    assert reviews[0].body == "Fits well."


def test_clothing_ids_are_data_row_numbers(tmp_path):
    reading = load(tmp_path, as_csv(CLOTHING))
    assert [(r.id, r.user, r.product, r.votes) for r in reading.reviews] == [("1", None, "7", 2), ("3", None, "8", 31)]
    assert (reading.reviews[1].headline, reading.reviews[1].text) == ("Two\nlines", "a\nb")
    assert reading.without_text == 1


def test_groups_carry_grade_split_and_title(tmp_path):
    reading = load(tmp_path, jsonl(GROUPS))
    first, second = reading.reviews
    assert (first.id, first.grade, first.split, first.product_title) == ("7", 3.5, "train", "Hat")
    assert (second.grade, second.votes, second.split) == (None, 7, None)


@pytest.mark.parametrize("field", ["grade", "rubric_score"])
def test_a_rubric_grade_is_read_in_any_form(tmp_path, field):
    assert load(tmp_path, jsonl([{**AMAZON_2018[1], field: 6}])).reviews[0].grade == 6
    assert load(tmp_path, as_csv([{**CLOTHING[0], field: "6.5"}])).reviews[0].grade == 6.5


@pytest.mark.parametrize("wrap", [bytes, gzip.compress, lambda b: b"\xef\xbb\xbf" + b, lambda b: b"\n \n" + b])
def test_content_decides_not_the_name(tmp_path, wrap):
    for content, count in ((jsonl(AMAZON_2018), 2), (as_csv(CLOTHING), 2)):
        assert len(load(tmp_path, wrap(content)).reviews) == count


def test_half_a_surrogate_pair_becomes_encodable(tmp_path):
    row = rb'{"asin": "B", "user_id": "A", "text": "so \ud83d nice"}'
    assert load(tmp_path, row).reviews[0].text == "so ? nice"


def test_fingerprint_is_of_the_bytes(tmp_path):
    content = jsonl(AMAZON_2018)
    (tmp_path / "x").write_bytes(content)
    assert local(tmp_path / "x").file.fingerprint == hashlib.sha256(content).hexdigest()


def test_a_folder_stands_for_its_one_data_file(tmp_path):
    (tmp_path / "README.md").write_text("about")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(as_csv(CLOTHING)))
    assert len(read(local(tmp_path)).reviews) == 2
    (tmp_path / "b.jsonl").write_bytes(jsonl(GROUPS))
    with pytest.raises(UserError, match=r"2 data files: a\.csv\.gz, b\.jsonl .* Fix: name one"):
        local(tmp_path)


def test_missing_path_and_empty_folder(tmp_path):
    with pytest.raises(UserError, match=r"no such file or folder \(.*nowhere\)\. Fix"):
        local(tmp_path / "nowhere")
    with pytest.raises(UserError, match="no data file"):
        local(tmp_path)


ROW = jsonl(AMAZON_2018[1:2])
BAD = {
    "empty": (b"", "the data is empty (DATA)"),
    "blank": (b"\n\n", "the data is empty (DATA)"),
    "not JSON": (ROW + b"\n{oops\n", "not JSON: Expecting property name"),
    "line number": (ROW + b"\n{oops\n", "(DATA:3)"),
    "array of arrays": (b"[[" + ROW.strip() + b"]]", "a JSON list, not an object (DATA[0])"),
    "array with a fault": (b"[" + ROW.strip() + b", {}]", "the field 'reviewerID' is missing (DATA[1])"),
    "half a vote": (jsonl([{**AMAZON_2018[1], "vote": 1.5}]), "1.5 is no count of votes"),
    "decimal comma": (jsonl([{**AMAZON_2018[1], "vote": "1,5"}]), "could not convert string to float"),
    "a vote that is true": (jsonl([{**AMAZON_2018[1], "vote": True}]), "True is no count of votes"),
    "missing id, spelled": (jsonl([{**AMAZON_2018[1], "reviewerID": "nan"}]), "'nan' is no id"),
    "UTF-16": (ROW.decode().encode("utf-16"), "not UTF-8: its byte order mark is that of UTF-16 (DATA)"),
    "UTF-16, packed": (gzip.compress(ROW.decode().encode("utf-16")), "its byte order mark is that of UTF-16"),
    "number too long": (ROW + b'{"asin": ' + b"9" * 5000 + b"}", "(DATA:2)"),
    "too deep": (ROW + b'{"asin": ' + b"[" * 200_000, "not JSON"),
    "unknown JSON fields": (b'{"name": 1, "body": 2}\n', "unknown fields: name, body (DATA:1). Fix: known forms are"),
    "unknown CSV fields": (b"name,body\n1,2\n", "unknown fields: name, body (DATA:1)"),
    "later row of another form": (ROW + b'{"product": 1}\n', "the field 'reviewerID' is missing (DATA:2)"),
    "votes": (jsonl([{**AMAZON_2018[1], "vote": "many"}]), "could not convert string to float"),
    "negative votes": (jsonl([{**AMAZON_2018[1], "vote": "-3"}]), "'-3' is no count of votes (DATA:1)"),
    "infinite votes": (b'{"asin": "B", "user_id": "A", "helpful_vote": Infinity, "text": "x"}', "(DATA:1)"),
    "helpful": (jsonl([{**AMAZON_2014[0], "helpful": "[1]"}]), "is not [helpful, all] (DATA:1)"),
    "text": (jsonl([{**AMAZON_2018[1], "reviewText": ["x"]}]), "is not text"),
    "id": (jsonl([{**AMAZON_2018[1], "reviewerID": None}]), "None is no id"),
    "grade": (jsonl([{**AMAZON_2018[1], "grade": 11}]), "grade 11 is not within 0 and 10"),
    "infinite grade": (b'{"asin": "B", "user_id": "A", "grade": Infinity, "text": "x"}', "is not within 0 and 10"),
    "split": (jsonl([{**AMAZON_2018[1], "split": "dev"}]), "split 'dev' is none of train, validation, test"),
    "no label": (b'{"product": "P", "reviews": [{"id": "a", "text": "b"}]}', "has neither 'grade' nor 'votes'"),
    "no list": (b'{"product": "P", "reviews": 3}', "'reviews' is not a list"),
    "no review": (b'{"product": "P", "reviews": [3]}', "review 1 is not an object"),
    "latin-1": ("Clothing ID,Review Text\n1,café\n".encode("latin-1"), "not UTF-8: invalid continuation"),
    "latin-1 JSON": (ROW + b'{"asin": "\xe9"}', "not UTF-8: invalid continuation byte (DATA:2)"),
    "broken gzip": (gzip.compress(ROW * 50)[:-20], "the gzip file is damaged"),
    "flipped gzip": (gzip.compress(ROW * 50)[:30] + b"\0" * 40, "the gzip file is damaged"),
    "huge CSV cell": (b"Clothing ID,Review Text\n1," + b"x" * 200_000, "not CSV: field larger"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_data_is_one_line_with_place_and_fix(tmp_path, case):
    content, expected = BAD[case]
    with pytest.raises(UserError) as caught:
        load(tmp_path, content)
    message = str(caught.value).replace(str(tmp_path / "data.bin"), "DATA")
    assert expected in message
    assert re.search(r"\(DATA(:\d+|\[\d+\])?\)\. Fix: .", message)
    assert "\n" not in message


def as_parquet(rows):
    arrow = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    from pyarrow import parquet

    out = io.BytesIO()
    fields = dict.fromkeys(field for row in rows for field in row)
    parquet.write_table(arrow.Table.from_pylist([dict.fromkeys(fields) | row for row in rows]), out)
    return out.getvalue()


FORMS = {"2018": AMAZON_2018, "2014": AMAZON_2014, "2023": AMAZON_2023, "clothing": CLOTHING, "groups": GROUPS}
WRITERS = {
    "array": lambda rows: json.dumps(rows).encode(),
    "indented array": lambda rows: json.dumps(rows, indent=1).encode(),
    "parquet": as_parquet,
}


@pytest.mark.parametrize("wrap", [bytes, gzip.compress])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("writer", ["array", "indented array", "parquet"])
def test_every_form_is_read_from_every_file(tmp_path, form, writer, wrap):
    if (form, writer) == ("groups", "parquet"):
        rows = json.loads(json.dumps(FORMS[form]).replace('"id": 7', '"id": "7"'))
    else:
        rows = FORMS[form]
    assert load(tmp_path, wrap(WRITERS[writer](rows))) == load(tmp_path, jsonl(rows))


def test_the_separator_of_a_table_is_that_of_a_known_form(tmp_path):
    content = as_csv([{**CLOTHING[0], "Review Text": "Soft"}])
    for sign in (b"\t", b";", b"|"):
        assert load(tmp_path, content.replace(b",", sign)) == load(tmp_path, content)


def test_a_mark_where_files_were_joined_is_no_text(tmp_path):
    mark = b"\xef\xbb\xbf"
    joined = mark + jsonl(AMAZON_2018) + mark + jsonl(AMAZON_2018) + mark
    assert len(load(tmp_path, joined).reviews) == 4


MISSING = [None, float("nan"), "", "NaN", "nan", "None", "null", "N/A", "<NA>", "NaT", " "]


@pytest.mark.parametrize("value", MISSING, ids=repr)
def test_a_missing_value_is_an_absent_field_however_it_is_spelled(tmp_path, value):
    row = AMAZON_2018[1]
    plain = load(tmp_path, jsonl([{k: v for k, v in row.items() if k != "vote"}]))
    changed = {**row, "vote": value, "grade": value, "rubric_score": value, "split": value}
    assert load(tmp_path, jsonl([changed])) == plain
    assert load(tmp_path, as_csv([changed])) == plain
    variant = {**AMAZON_2023[0], "helpful_vote": value, "parent_asin": value}
    assert [(r.product, r.votes) for r in load(tmp_path, jsonl([variant])).reviews] == [("B1", 0)]
    old = {**AMAZON_2014[0], "helpful": value}
    assert load(tmp_path, jsonl([old])).reviews[0].votes == 0
    with pytest.raises(UserError, match="is no id"):
        load(tmp_path, jsonl([{**row, "reviewerID": value}]))
    with pytest.raises(UserError, match="neither 'grade' nor 'votes'"):
        load(tmp_path, jsonl([{"product": "P", "reviews": [{"id": "a", "text": "b", "grade": value, "votes": value}]}]))


def test_a_text_that_spells_a_missing_value_is_text_and_a_missing_text_is_none(tmp_path):
    for word in ("None", "nan", "null", "N/A"):
        assert load(tmp_path, jsonl([{**AMAZON_2018[1], "reviewText": word}])).reviews[0].text == word
    reading = load(tmp_path, jsonl([{**AMAZON_2018[1], "reviewText": float("nan")}]))
    assert (reading.reviews, reading.without_text) == ([], 1)


def test_integers_of_a_column_with_gaps_are_integers(tmp_path):
    row = {**CLOTHING[0], "Clothing ID": 7.0, "Positive Feedback Count": 2.0}
    assert load(tmp_path, jsonl([row])) == load(tmp_path, jsonl([CLOTHING[0]]))


def test_a_file_that_only_claims_to_be_gzip(tmp_path):
    with pytest.raises(UserError, match="the gzip file is damaged: Not a gzipped file"):
        load(tmp_path, ROW, name="data.jsonl.gz")


def test_csv_line_numbers_count_lines_inside_cells(tmp_path):
    content = as_csv([CLOTHING[2], {**CLOTHING[0], "Positive Feedback Count": "x"}])
    # Line 1 header, lines 2-4 the first row (two cells of two lines), line 5 the faulty row.
    with pytest.raises(UserError, match=r"data\.bin:5\)"):
        load(tmp_path, content)
