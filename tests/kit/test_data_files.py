"""Files and their rows: every form gives the same rows, every fault one line with its place."""

from __future__ import annotations

import datetime
import decimal
import gzip
import hashlib
import io
import json
import re

import pytest

from listeval.errors import UserError
from listeval.kit.files import DataFile, fingerprint, json_field, local_file, rows, text_field, text_lines

ROWS = [{"a": 1, "t": "é\u2028x"}, {"a": None, "t": "so"}]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()
ARRAY = json.dumps(ROWS, indent=1).encode()


def write(tmp_path, content, name="data"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


def parquet():
    arrow = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    from pyarrow import parquet as files

    out = io.BytesIO()
    files.write_table(arrow.Table.from_pylist(ROWS), out)
    return out.getvalue()


@pytest.mark.parametrize("wrap", [bytes, gzip.compress, lambda b: b"\xef\xbb\xbf" + b, lambda b: b"\n \n" + b])
@pytest.mark.parametrize("content", [LINES, LINES.replace(b"\n", b"\r\n"), LINES.replace(b"\n", b"\n\n"), ARRAY])
def test_every_form_gives_the_same_rows(tmp_path, content, wrap):
    assert [row for _, row in rows(local_file(write(tmp_path, wrap(content))))] == ROWS


@pytest.mark.parametrize("wrap", [bytes, gzip.compress])
def test_parquet(tmp_path, wrap):
    path = write(tmp_path, wrap(parquet()))
    assert list(rows(local_file(path))) == [(f"{path}[{n}]", row) for n, row in enumerate(ROWS)]


def test_places_are_lines_or_indices(tmp_path):
    path = write(tmp_path, b"\n" + LINES.replace(b"\n", b"\n\n"))
    assert [place for place, _ in rows(local_file(path))] == [f"{path}:2", f"{path}:4"]
    path = write(tmp_path, ARRAY)
    assert [place for place, _ in rows(local_file(path))] == [f"{path}[0]", f"{path}[1]"]


@pytest.mark.parametrize("content", [rb'{"t": ["so \ud83d"], "\uD83d": 1}', rb'[{"t": ["so \ud83d"], "\uD83d": 1}]'])
def test_half_a_surrogate_pair_becomes_encodable(tmp_path, content):
    [(_, row)] = rows(local_file(write(tmp_path, content)))
    assert row == {"t": ["so ?"], "?": 1}
    [(_, row)] = rows(local_file(write(tmp_path, rb'{"t": "\ud83d\ude00"}')))
    assert row == {"t": "\U0001f600"}


BAD = {
    "empty": (b"", "the data is empty (DATA)"),
    "blank": (b"\n \n", "the data is empty (DATA)"),
    "empty array": (b" []\n", "the data is empty (DATA)"),
    "not JSON": (LINES + b"\n{oops\n", "not JSON: Expecting property name enclosed in double quotes (DATA:4)"),
    "prose": (b"Hello\n", "not JSON: Expecting value (DATA:1)"),
    "not an object": (LINES + b"3\n", "a JSON int, not an object (DATA:3)"),
    "not an object in an array": (b'[{"a": 1}, []]', "a JSON list, not an object (DATA[1])"),
    "torn array": (b"\n" + ARRAY[:-20], "not JSON: Expecting value (DATA:8)"),
    "latin-1": (LINES + b'{"a": "\xe9"}', "not UTF-8: invalid continuation byte (DATA:3)"),
    "latin-1 array": (b'[\n{"a":\n"\xe9"}]', "not UTF-8: invalid continuation byte (DATA:3)"),
    "number too long": (LINES + b'{"a": ' + b"9" * 5000 + b"}", "or a number too long (DATA:3)"),
    "too deep": (b'{"a": ' + b"[" * 200_000, "not JSON: nested too deeply"),
    "UTF-16": ('{"a": 1}\n'.encode("utf-16"), "not UTF-8: its byte order mark is that of UTF-16 (DATA)"),
    "UTF-16, the other way": (b"\xfe\xff" + '{"a": 1}'.encode("utf-16-be"), "that of UTF-16 (DATA)"),
    "broken gzip": (gzip.compress(LINES * 50)[:-20], "the gzip file is damaged"),
    "flipped gzip": (gzip.compress(LINES * 50)[:30] + b"\0" * 40, "the gzip file is damaged"),
    "no Parquet": (b"PAR1\nPAR1", "not Parquet: "),
}


@pytest.mark.parametrize("case", BAD)
def test_a_fault_is_one_line_with_place_and_fix(tmp_path, case):
    content, expected = BAD[case]
    path = write(tmp_path, content)
    with pytest.raises(UserError) as caught:
        list(rows(local_file(path)))
    message = str(caught.value).replace(str(path), "DATA")
    assert expected in message
    assert re.search(r"\(DATA(:\d+|\[\d+\])?\)\. Fix: .", message)
    assert "\n" not in message


def test_a_file_that_only_claims_to_be_gzip(tmp_path):
    with pytest.raises(UserError, match="the gzip file is damaged: Not a gzipped file"):
        list(rows(local_file(write(tmp_path, LINES, "data.jsonl.gz"))))


def test_a_folder_stands_for_its_one_data_file(tmp_path):
    write(tmp_path, b"about", "README.md")
    one = write(tmp_path, LINES, "a.jsonl.gz")
    assert local_file(tmp_path, (".jsonl",)).name == str(one)
    write(tmp_path, LINES, "b.jsonl")
    with pytest.raises(UserError, match=r"2 data files: a\.jsonl\.gz, b\.jsonl \(.*\)\. Fix: name one"):
        local_file(tmp_path, (".jsonl",))
    with pytest.raises(UserError, match=r"no data file \(.*\)\. Fix: a data file ends in \.csv, with or without"):
        local_file(tmp_path, (".csv",))


def test_paths_that_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match=r"no such file or folder \(.*nowhere\)\. Fix"):
        local_file(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"cannot be read: Is a directory"):
        local_file(tmp_path)


def test_what_stops_reading_is_a_user_error():
    def dead():
        raise OSError("the line went dead")

    with pytest.raises(UserError, match=r"reading stopped: the line went dead \(here\)"):
        list(rows(DataFile("here", "", dead)))


def test_fingerprints(tmp_path):
    one, two = (local_file(write(tmp_path, content, str(n))) for n, content in enumerate((LINES, ARRAY)))
    assert one.fingerprint == fingerprint([one]) == hashlib.sha256(LINES).hexdigest()
    assert len({fingerprint([one]), fingerprint([one, two]), fingerprint([two, one])}) == 3


def test_a_byte_order_mark_on_any_line_is_no_part_of_it(tmp_path):
    mark = b"\xef\xbb\xbf"
    path = write(tmp_path, mark + LINES + mark + b"\n" + mark + LINES + mark)
    assert [row for _, row in rows(local_file(path))] == ROWS + ROWS


@pytest.mark.parametrize("what", ["text", "date", "duration", "timestamp"])
def test_parquet_with_values_that_python_does_not_have(tmp_path, what):
    arrow = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    from pyarrow import parquet as files

    big = arrow.array([2**60])
    ends = arrow.array([0, 2], arrow.int32()).buffers()[1]
    column = {
        "text": arrow.Array.from_buffers(arrow.string(), 1, [None, ends, arrow.py_buffer(b"\xff\xfe")]),
        "date": arrow.array([2**31 - 1], arrow.int32()).cast(arrow.date32()),
        "duration": big.cast(arrow.duration("ms")),
        "timestamp": big.cast(arrow.timestamp("us")),
    }[what]
    files.write_table(arrow.table({"a": column}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r"Parquet that holds what cannot be read: .*Fix: write that column as text"):
        list(rows(local_file(tmp_path / "a.parquet")))


TEXT_MAP = {"flat": [[("a", 1), ("b", None)], [], None], "nested": [[("a", 1)], None, []]}
"""Columns of three rows; the second becomes a map of maps, and stands in a list and in a struct, too."""


def maps(arrow):
    flat = arrow.map_(arrow.string(), arrow.int64())
    deep = [None if one is None else [("k", one)] for one in TEXT_MAP["nested"]]
    return arrow.table({
        "n": [1, 2, 3], "flat": arrow.array(TEXT_MAP["flat"], flat),
        "deep": arrow.array(deep, arrow.map_(arrow.string(), flat)),
        "list": arrow.array([[[("a", 1)], None], [], None], arrow.list_(flat)),
        "struct": arrow.array([{"m": one} for one in TEXT_MAP["nested"]], arrow.struct([("m", flat)])),
    })  # fmt: skip


def test_a_map_is_an_object_wherever_it_stands(tmp_path):
    arrow = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    from pyarrow import parquet as files

    files.write_table(maps(arrow), tmp_path / "a.parquet", row_group_size=2)
    found = dict(rows(local_file(tmp_path / "a.parquet")))
    assert list(found) == [f"{tmp_path}/a.parquet[{n}]" for n in range(3)]
    assert list(found.values()) == [
        {"n": 1, "flat": {"a": 1, "b": None}, "deep": {"k": {"a": 1}}, "list": [{"a": 1}, None],
         "struct": {"m": {"a": 1}}},
        {"n": 2, "flat": {}, "deep": None, "list": [], "struct": {"m": None}},
        {"n": 3, "flat": None, "deep": {"k": {}}, "list": None, "struct": {"m": {}}},
    ]  # fmt: skip
    first, *_ = found.values()
    assert json_field(first, "flat", "p", "f") == {"a": 1, "b": None}, "a null in a map was written there"


@pytest.mark.parametrize(
    ("pairs", "said"), [([(1, "x")], "the key 1, which is no text"), ([(0, "x"), (0, "y")], "the key 0 stands twice")]
)
def test_a_map_that_is_no_json_object_is_refused_where_it_goes_on(tmp_path, pairs, said):
    arrow = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    from pyarrow import parquet as files

    column = arrow.array([pairs], arrow.map_(arrow.int64(), arrow.string()))
    files.write_table(arrow.table({"a": column, "b": ["x"]}), tmp_path / "a.parquet")
    [(place, row)] = rows(local_file(tmp_path / "a.parquet"))
    assert json_field(row, "b", place, "f") == "x"
    with pytest.raises(UserError, match=said):
        json_field(row, "a", place, "f")


def test_parquet_is_read_group_by_group_and_leaves_nothing_behind(tmp_path, monkeypatch):
    arrow = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    pytest.importorskip("datasets", reason="Parquet is read through datasets")
    from pyarrow import parquet as files

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    table = arrow.Table.from_pylist([{"n": n, "of": {"t": [n], "none": None}} for n in range(50)])
    files.write_table(table, tmp_path / "a.parquet", row_group_size=7)
    found = rows(local_file(tmp_path / "a.parquet"))
    assert next(found) == (f"{tmp_path}/a.parquet[0]", {"n": 0, "of": {"t": [0], "none": None}})
    assert [row["n"] for _, row in found] == list(range(1, 50))
    stopped = rows(local_file(tmp_path / "a.parquet"))
    next(stopped)
    stopped.close()
    assert list((tmp_path / "temporary").iterdir()) == []


def test_nobody_is_told_that_a_parquet_file_is_read(tmp_path, monkeypatch):
    config = pytest.importorskip("datasets", reason="Parquet is read through datasets").config
    monkeypatch.setattr(config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(config, "HF_UPDATE_DOWNLOAD_COUNTS", True)
    asked = []
    monkeypatch.setattr("socket.getaddrinfo", lambda host, *_, **__: asked.append(host) or [])
    assert [row for _, row in rows(local_file(write(tmp_path, parquet(), "a.parquet")))] == ROWS
    assert asked == [] and config.HF_UPDATE_DOWNLOAD_COUNTS is True


NAMES = (
    *("a[1].parquet", "a*.parquet", "a?.parquet", "a[!b].parquet", "{1}.parquet", "**", "a::b.parquet", "a b%20#1"),
    *("zip::x", ".hidden/a.parquet", "__run/a.parquet", "k=[8]/a.parquet", "http:/a.parquet", "~a.parquet", "é.json"),
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("wrap", [bytes, gzip.compress])
@pytest.mark.parametrize("place", [".", "temporary"])
def test_parquet_is_read_from_the_named_file_whatever_its_name_means_elsewhere(
    tmp_path, monkeypatch, name, wrap, place
):
    pytest.importorskip("datasets", reason="Parquet is read through datasets")
    decoys, content = ("a1.parquet", "ab.parquet", "1.parquet", "k=8/a.parquet", "b.parquet", "x"), wrap(parquet())
    for path in (*decoys, name):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    for decoy in decoys:
        (tmp_path / decoy).write_bytes(b"another file")
    (tmp_path / name).write_bytes(content)
    (tmp_path / "t[1]" / "temporary").mkdir(parents=True)
    if place != ".":
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "t[1]" / "temporary"))
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path / name, type(tmp_path)(name)):
        assert [row for _, row in rows(local_file(path))] == ROWS


STRANGE = {
    "date": datetime.date(2024, 1, 2),
    "datetime": datetime.datetime(2024, 1, 2, 3),
    "time": datetime.time(1),
    "timedelta": datetime.timedelta(1),
    "Decimal": decimal.Decimal("1.50"),
    "bytes": b"x",
}


@pytest.mark.parametrize("kind", STRANGE)
@pytest.mark.parametrize(
    "wrap", [lambda v: v, lambda v: [v], lambda v: {"a": 1, "b": [v]}, lambda v: [{"c": {"d": v}}]]
)
def test_what_json_has_not_is_refused_where_it_goes_on_and_harmless_elsewhere(tmp_path, kind, wrap):
    arrow = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    from pyarrow import parquet as files

    good = {"x": 1, "t": "so", "l": [1.5, None], "s": {"k": [{"m": True}]}}
    files.write_table(arrow.Table.from_pylist([{**good, "v": wrap(STRANGE[kind])}] * 2), tmp_path / "a.parquet")
    for n, (place, row) in enumerate(rows(local_file(tmp_path / "a.parquet"))):
        assert {name: json_field(row, name, place, "f") for name in (*good, "none")} == {**good, "none": None}
        with pytest.raises(UserError) as caught:
            json_field(row, "v", place, "write it")
        assert str(caught.value) == (
            f"the field 'v' holds a value of the type {kind}, which JSON has not "
            f"({tmp_path}/a.parquet[{n}]). Fix: write it"
        )


@pytest.mark.parametrize(
    "values", [[{"a": 1}, {"b": 2}], [{"a": {"b": [{"c": 1}, {"d": 1}]}}], [{"a": None}], [[{"a": 1, "b": None}]]]
)
def test_a_struct_that_may_have_been_filled_is_refused_and_its_json_is_not(tmp_path, values):
    arrow = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    from pyarrow import parquet as files

    files.write_table(arrow.Table.from_pylist([{"v": value} for value in values]), tmp_path / "a.parquet")
    for place, row in rows(local_file(tmp_path / "a.parquet")):
        with pytest.raises(UserError, match=r"struct without '\w', which may be null or absent .*\[\d\]\). Fix: f"):
            json_field(row, "v", place, "f")
    lines = write(tmp_path, "".join(json.dumps({"v": value}) + "\n" for value in values).encode())
    assert [json_field(row, "v", place, "f") for place, row in rows(local_file(lines))] == values


def test_a_parquet_file_without_rows_is_empty(tmp_path):
    arrow = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    pytest.importorskip("datasets", reason="Parquet is read through datasets")
    from pyarrow import parquet as files

    files.write_table(arrow.table({"a": arrow.array([], arrow.int64())}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match="the data is empty"):
        list(rows(local_file(tmp_path / "a.parquet")))


def test_text_lines(tmp_path):
    path = write(tmp_path, gzip.compress("\ufeffé x\r\n\n \nlast".encode()))
    assert list(text_lines(local_file(path))) == [(f"{path}:1", "é x\r\n"), (f"{path}:4", "last")]
    with pytest.raises(UserError, match=r"not UTF-8: .*:2\)"):
        list(text_lines(local_file(write(tmp_path, b"a\n\xe9\n"))))
    with pytest.raises(UserError, match="the data is empty"):
        list(text_lines(local_file(write(tmp_path, b" \n\n"))))


@pytest.mark.parametrize("value", [None, 3, "", " \n", ["text"]])
def test_a_field_without_text(value):
    assert text_field({"t": "a\r\nb "}, "t", "f:1", "fix") == "a\nb "
    for row in ({"t": value}, {}):
        with pytest.raises(UserError, match=r"no text in the field 't' \(f:1\)\. Fix: give one"):
            text_field(row, "t", "f:1", "give one")
