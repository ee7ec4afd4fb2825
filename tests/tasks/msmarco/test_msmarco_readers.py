"""Every form of lists and grades becomes the same queries, and what cannot be read is one line with its place."""

from __future__ import annotations

import gzip
import json
import re

import pytest

from listeval.errors import UserError
from tasks.msmarco.sources import local

JOINED = {
    "qid": "7", "query": "how  deep", "qrels_by_grade": {"0": 5, "3": 2},
    "candidates": [
        {"docid": "11", "text": "Very\n deep.", "rel": 3, "runs": {"BM25": {"rank": 2}, "X": {"rank": 1}}},
        {"docid": "12", "text": "Not so.", "rel": 0, "runs": {"BM25": {"rank": 1, "score": 2.5}}},
        {"docid": "13", "text": "Who knows?", "rel": None, "runs": {"X": {"rank": 2}}},
    ],
}  # fmt: skip
REQUEST = {
    "query": {"text": "how deep", "qid": 7},
    "candidates": [
        {"docid": 12, "score": 2.5, "doc": {"contents": "Not so."}},
        {"docid": "11", "score": 1.5, "doc": {"title": "Lake", "text": "Very deep."}},
    ],
}
HITS = {
    "query": "how deep",
    "hits": [
        {"content": "Very  deep.", "qid": 7, "docid": "11", "rank": 2, "score": 1.5},
        {"content": "Not so.", "qid": 7, "docid": "12", "rank": 1, "score": 2.5},
    ],
}
QRELS = "7 Q0 11 3\n7 0 12 0\n7 0 99 3\n\n8 0 11 1\n"


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_joined_candidates_carry_everything(tmp_path):
    reading = local(write(tmp_path / "c.dl19.jsonl.gz", gzip.compress(lines(JOINED))))
    [query] = reading.queries
    assert (query.qid, query.text, query.split, query.judged) == ("7", "how deep", "dl19", {0: 5, 3: 2})
    assert [(p.docid, p.text, p.grade) for p in query.passages.values()] == [
        ("11", "Very deep.", 3), ("12", "Not so.", 0), ("13", "Who knows?", None),
    ]  # fmt: skip
    assert query.runs == {"BM25": ["12", "11"], "X": ["11", "13"]}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", lines(REQUEST)),
        ("a.json", json.dumps([REQUEST], indent=1)),
        ("a.json", json.dumps([HITS], indent=1)),
        ("a.jsonl", lines(HITS)),
    ],
    ids=["request lines", "request array", "hits array", "hits lines"],
)
def test_first_stage_lists_take_their_grades_from_the_qrels(tmp_path, name, content):
    write(tmp_path / "qrels.txt", QRELS)
    path = write(tmp_path / "retrieve_results" / "BM25" / name, content)
    for place in (tmp_path, path):
        [query] = local(place).queries
        assert query.runs == {"BM25": ["12", "11"]}
        assert {p.docid: p.grade for p in query.passages.values()} == {"11": 3, "12": 0}
        assert query.passages["11"].text in ("Very deep.", "Lake: Very deep.")
        assert query.judged == {0: 1, 3: 2}


def test_runs_of_one_query_are_joined_and_queries_without_grades_counted(tmp_path):
    write(tmp_path / "2019qrels-pass.txt", QRELS)
    other = {"query": "else", "hits": [{"content": "x", "qid": 5, "docid": "1", "rank": 1, "score": 1.0}]}
    write(tmp_path / "retrieve_results/BM25/retrieve_results_dl2019_top100.jsonl", lines(REQUEST, other))
    titled = json.dumps([HITS]).replace("Very  deep.", "Lake: Very  deep.")
    write(tmp_path / "retrieve_results/ADA/retrieve_results_dl19.json", titled)
    reading = local(tmp_path)
    [query] = reading.queries
    assert query.split == "dl19"
    assert query.runs == {"ADA": ["12", "11"], "BM25": ["12", "11"]}
    assert reading.unjudged == 1


def test_candidates_outrank_the_lists_beside_them_and_qrels_fill_their_gaps(tmp_path):
    write(tmp_path / "retrieve_results/BM25/a.json", b"never read")
    bare = {**JOINED, "candidates": [{"docid": "11", "text": "Deep."}, {"docid": "12", "text": "No.", "rel": 0}]}
    bare.pop("qrels_by_grade")
    path = write(tmp_path / "candidates.jsonl", lines(bare))
    assert local(path).queries[0].judged == {0: 1}
    write(tmp_path / "qrels.txt", QRELS)
    [query] = local(tmp_path).queries
    assert query.passages["11"].grade == 3
    assert query.judged == {0: 1, 3: 2}


def passage(docid, rel, run, rank, text="Deep."):
    return {"docid": docid, "text": text, "rel": rel, "runs": {run: {"rank": rank}}}


def part(*passages, **fields):
    return lines({"qid": "7", "query": "how deep", "candidates": passages, **fields})


PARTS = (
    part(passage("1", None, "BM25", 1), passage("2", 0, "BM25", 2)),
    part(passage("1", 3, "ADA", 1), passage("2", None, "ADA", 2), split="dl20", qrels_by_grade={"0": 4, "3": 9}),
    part(passage("2", 0, "X", 1), passage("3", 2, "X", 2), qrels_by_grade={"0": 4, "3": 9}),
)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (2, 0, 1)])
def test_each_file_adds_what_it_knows_of_a_query(tmp_path, order):
    for name, at in zip("abc", order, strict=True):
        write(tmp_path / f"candidates.{name}.jsonl", PARTS[at])
    reading = local(tmp_path)
    [query] = reading.queries
    assert {docid: p.grade for docid, p in query.passages.items()} == {"1": 3, "2": 0, "3": 2}
    assert (query.text, query.split, query.judged) == ("how deep", "dl20", {0: 4, 3: 9})
    assert query.runs == {"BM25": ["1", "2"], "ADA": ["1", "2"], "X": ["2", "3"]}
    assert reading.unjudged == 0


@pytest.mark.parametrize(
    ("fields", "passages", "words"),
    [
        ({"query": "how high"}, (), "another text than"),
        ({"split": "dl19"}, (), "another split than"),
        ({"qrels_by_grade": {"0": 1}}, (), "another qrels_by_grade than"),
        ({}, [passage("1", 2, "X", 1)], "another grade of passage 1 than"),
        ({}, [passage("1", 0, "X", 1)], "another grade of passage 1 than"),
        ({}, [passage("1", 3, "X", 1, "Not deep.")], "another text of passage 1 than"),
    ],
)
def test_two_files_that_say_something_else_of_a_query_are_refused(tmp_path, fields, passages, words):
    first = write(tmp_path / "candidates.a.jsonl", PARTS[1])
    second = write(tmp_path / "candidates.b.jsonl", b"\n" + part(*passages, **fields))
    with pytest.raises(UserError) as caught:
        local(tmp_path)
    assert caught.value.cause == f"query 7 has {words} in {first}:1"
    assert caught.value.place == f"{second}:2"


def test_a_grade_other_than_that_of_the_qrels_is_refused(tmp_path):
    write(tmp_path / "qrels.txt", "7 0 1 1\n7 0 2 0\n")
    write(tmp_path / "candidates.jsonl", PARTS[0])
    assert local(tmp_path).queries[0].passages["1"].grade == 1
    write(tmp_path / "candidates.jsonl", PARTS[1])
    with pytest.raises(UserError, match=r"another grade of passage 1 than in the qrels \(.*candidates\.jsonl:1\)"):
        local(tmp_path)


def test_several_qrels_are_joined_and_must_agree(tmp_path):
    write(tmp_path / "candidates.jsonl", PARTS[0])
    write(tmp_path / "a.qrels.txt", "7 0 1 1\n7 0 2 0\n")
    write(tmp_path / "b.qrels.txt", "7 0 2 0\n7 0 9 3\n")
    assert local(tmp_path).queries[0].judged == {0: 1, 1: 1, 3: 1}
    write(tmp_path / "b.qrels.txt", "7 0 2 1\n")
    with pytest.raises(UserError, match=r"passage 2 of query 7 has two grades \(.*b\.qrels\.txt:1\)"):
        local(tmp_path)


def untitled(*docids, run=None, query="how deep"):
    """A first-stage list of query 7 without grades, the best passage first, as the file of each form has it."""
    texts = {"11": "Very deep.", "12": "Not so.", "14": "Deeper."}
    if run is None:
        hits = [{"content": texts[d], "qid": 7, "docid": d, "rank": at} for at, d in enumerate(docids, 1)]
        return {"query": query, "hits": hits}
    return {
        "query": {"text": query, "qid": 7},
        "candidates": [{"docid": d, "score": 9 - at, "doc": {"contents": texts[d]}} for at, d in enumerate(docids)],
    }


@pytest.mark.parametrize("form", [None, "request"])
@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")], ids=["list first", "grades first"])
def test_a_list_whose_grades_stand_in_another_file_is_asked_with_them(tmp_path, names, form):
    first, graded = (f"candidates.{name}.jsonl" for name in names)
    stranger = {"query": "else", "hits": [{"content": "x", "qid": 5, "docid": "1", "rank": 1}]}
    write(tmp_path / first, lines(untitled("14", "11", run=form), *[stranger] * (form is None)))
    write(tmp_path / graded, lines(JOINED))
    reading = local(tmp_path)
    [query] = reading.queries
    own = [ranked for ranked in query.runs.values() if ranked == ["14", "11"]]
    assert len(own) == 1 and len(query.runs) == 3
    assert {p.docid: p.grade for p in query.passages.values()} == {"11": 3, "12": 0, "13": None, "14": None}
    assert reading.unjudged == (form is None)


@pytest.mark.parametrize("names", ["ab", "ba"])
def test_a_list_that_contradicts_the_file_of_its_grades_is_refused(tmp_path, names):
    write(tmp_path / f"candidates.{names[0]}.jsonl", lines(REQUEST))
    write(tmp_path / f"candidates.{names[1]}.jsonl", lines(JOINED))
    with pytest.raises(UserError, match="another text of passage 11"):
        local(tmp_path)
    write(tmp_path / f"candidates.{names[0]}.jsonl", lines(untitled("12", query="how high")))
    with pytest.raises(UserError, match="query 7 has another text than"):
        local(tmp_path)


def test_the_fingerprint_is_of_lists_and_grades(tmp_path):
    write(tmp_path / "candidates.jsonl", lines(JOINED))
    alone = local(tmp_path).fingerprint
    write(tmp_path / "qrels.txt", QRELS)
    assert alone != local(tmp_path).fingerprint == local(tmp_path).fingerprint


MARK = b"\xef\xbb\xbf"


@pytest.mark.parametrize("wrap", [bytes, gzip.compress])
@pytest.mark.parametrize("qrels", [MARK + QRELS.encode(), QRELS.encode().replace(b"\n", b"\n" + MARK)])
def test_a_byte_order_mark_is_no_part_of_an_id(tmp_path, qrels, wrap):
    write(tmp_path / "qrels.txt", wrap(qrels))
    write(tmp_path / "retrieve_results/BM25/a.jsonl", MARK + lines(REQUEST))
    [query] = local(tmp_path).queries
    assert query.judged == {0: 1, 3: 2}


def test_qrels_in_utf_16_are_refused(tmp_path):
    write(tmp_path / "qrels.txt", QRELS.encode("utf-16"))
    write(tmp_path / "retrieve_results/BM25/a.jsonl", lines(REQUEST))
    with pytest.raises(UserError, match=r"not UTF-8: .*UTF-16 \(.*qrels\.txt\)"):
        local(tmp_path)


@pytest.mark.parametrize("grade", ["nan", "None", "-", "-1", "2.5", "x"])
def test_a_judgement_without_a_grade_is_refused(tmp_path, grade):
    write(tmp_path / "qrels.txt", QRELS + f"7 0 44 {grade}\n")
    write(tmp_path / "retrieve_results/BM25/a.jsonl", lines(REQUEST))
    with pytest.raises(UserError, match=r"not a judgement: .*qrels\.txt:6\)"):
        local(tmp_path)


def test_parquet_fills_what_other_rows_have_with_null(tmp_path):
    arrow = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    from pyarrow import parquet

    for name, rows in (("joined", [JOINED]), ("requests", [REQUEST])):
        text = json.dumps(rows).replace('"docid": 12', '"docid": "12"').replace('"qid": 7', '"qid": "7"')
        folder = tmp_path / name
        write(folder / "qrels.txt", QRELS)
        path = write(folder / "BM25" / "a.jsonl", text[1:-1])
        parquet.write_table(arrow.Table.from_pylist(_filled(json.loads(text))), folder / "BM25" / "a.parquet")
        assert local(folder / "BM25" / "a.parquet").queries == local(path).queries


def _filled(value):
    """Every object of a list with the fields of all."""
    if isinstance(value, dict):
        return {name: _filled(item) for name, item in value.items()}
    if not isinstance(value, list):
        return value
    merged = [_filled(item) for item in value]
    return [_like(item, merged) for item in merged] if all(isinstance(item, dict) for item in merged) else merged


def _like(item, others):
    fields = dict.fromkeys(name for other in others for name in other)
    full = {name: item.get(name) for name in fields}
    for name in fields:
        inner = [other[name] for other in others if isinstance(other.get(name), dict)]
        if isinstance(full[name], dict):
            full[name] = _like(full[name], inner)
    return full


def joined(**fields):
    return lines({**JOINED, **fields})


def candidates(**fields):
    return joined(candidates=[{**JOINED["candidates"][0], **fields}])


TWICE = JOINED["candidates"][:1] * 2
BAD = {
    "empty": (b"", "the data is empty (DATA)"),
    "not JSON": (lines(JOINED) + b"{oops", "not JSON: Expecting property name"),
    "not JSON, place": (lines(JOINED) + b"{oops", "(DATA:2)"),
    "other rows": (b'{"id": 1, "text": "x"}', "unknown fields: id, text (DATA:1). Fix: known forms are candidates ("),
    "no grades": (lines({**JOINED, "candidates": JOINED["candidates"][2:]}), "has a judged passage (DATA)"),
    "no qrels": (lines(REQUEST), "none of the 1 queries has a judged passage (DATA). Fix: put qrels"),
    "grade": (candidates(rel=4), "grade 4 is not a whole number from 0 to 3 (DATA:1)"),
    "half grade": (candidates(rel=1.5), "grade 1.5 is not a whole number"),
    "true grade": (candidates(rel=True), "grade True is not"),
    "no text": (candidates(text=" "), "passage 11 has no text (DATA:1)"),
    "text": (candidates(text=3), "3 is not text"),
    "docid": (candidates(docid=None), "None is no id"),
    "spaced docid": (candidates(docid="a b"), "'a b' is no id"),
    "no docid": (joined(candidates=[{"text": "x"}]), "the field 'docid' is missing (DATA:1)"),
    "candidates": (joined(candidates={"11": "x"}), "'candidates' is not a list of objects (DATA:1)"),
    "rank": (candidates(runs={"BM25": {"rank": "first"}}), "invalid literal for int"),
    "runs": (candidates(runs=[1]), "not a row of the form 'candidates'"),
    "passage twice": (joined(candidates=TWICE), "passage 11 stands twice in the list of query 7 (DATA:1)"),
    "query twice": (lines(JOINED, JOINED), "query 7 stands twice, first at DATA:1 (DATA:2)"),
    "no hits": (lines({**HITS, "hits": []}), "'hits' is empty"),
    "rank twice": (
        joined(candidates=[{**c, "runs": {"BM25": {"rank": 1}}} for c in JOINED["candidates"]]),
        "two passages have rank 1 in the run BM25 (DATA:1)",
    ),
    "broken gzip": (gzip.compress(lines(JOINED) * 50)[:-20], "the gzip file is damaged"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_lists_are_one_line_with_place_and_fix(tmp_path, case):
    content, expected = BAD[case]
    path = write(tmp_path / "data.bin", content)
    with pytest.raises(UserError) as caught:
        local(path)
    message = str(caught.value).replace(str(path), "DATA")
    assert expected in message
    assert re.search(r"\(DATA(:\d+)?\)\. Fix: .", message)
    assert "\n" not in message


def test_a_file_that_only_claims_to_be_gzip(tmp_path):
    with pytest.raises(UserError, match="the gzip file is damaged: Not a gzipped file"):
        local(write(tmp_path / "candidates.dl19.jsonl.gz", lines(JOINED)))


BAD_QRELS = {
    "fields": ("7 0 11 3\n7 0 12\n", "not a judgement: 3 fields (QRELS:2)"),
    "grade": ("7 0 11 9\n", "grade '9' is not a whole number from 0 to 3 (QRELS:1)"),
    "word": ("7 0 11 good\n", "not a judgement: "),
    "two grades": ("7 0 11 3\n7 0 11 2\n", "passage 11 of query 7 has two grades (QRELS:2)"),
    "empty": ("\n", "the data is empty (QRELS)"),
    "latin-1": (b"7 0 \xe9 3\n", "not UTF-8: invalid continuation byte (QRELS:1)"),
}


@pytest.mark.parametrize("case", BAD_QRELS)
def test_bad_qrels_are_one_line_with_place_and_fix(tmp_path, case):
    content, expected = BAD_QRELS[case]
    write(tmp_path / "candidates.jsonl", lines(JOINED))
    path = write(tmp_path / "qrels.txt", content)
    with pytest.raises(UserError) as caught:
        local(tmp_path)
    message = str(caught.value).replace(str(path), "QRELS")
    assert expected in message
    assert re.search(r"\. Fix: .", message) and "\n" not in message


def test_qrels_without_passages(tmp_path):
    with pytest.raises(UserError, match=r"no lists of passages \(.*\)\. Fix: add candidates"):
        local(tmp_path)
    write(tmp_path / "qrels.dl19-passage.txt", QRELS)
    with pytest.raises(UserError, match=r"qrels\.dl19-passage\.txt without passages .*Fix: add candidates"):
        local(tmp_path)


def test_qrels_of_other_queries(tmp_path):
    write(tmp_path / "qrels.txt", "1 0 11 3\n")
    with pytest.raises(UserError, match=r"none of the 1 queries has a passage that the qrels judge \(qids 1\)"):
        local(write(tmp_path / "lists.jsonl", lines(REQUEST)))


def test_no_such_path(tmp_path):
    with pytest.raises(UserError, match="no such file or folder"):
        local(tmp_path / "nowhere")


def test_the_joined_files_equal_their_parts(shared_data):
    """The join was made apart from this code, from the very files that the second reading takes."""
    folder = shared_data / "msmarco"
    joined = {query.qid: query for query in local(folder / "candidates.dl20.jsonl.gz").queries}
    parts = local(folder / "retrieve_results" / "BM25" / "retrieve_results_dl20.json.gz").queries
    assert len(parts) == len(joined) == 42
    for query in parts:
        whole = joined[query.qid]
        assert (query.text, query.judged, query.runs["BM25"]) == (whole.text, whole.judged, whole.runs["BM25"])
        assert all(whole.passages[docid] == passage for docid, passage in query.passages.items())
