"""Tables in text: every cell of a row is read, or one line says which row has a fault."""

from __future__ import annotations

import csv
import gzip
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.errors import UserError
from listeval.kit.files import DataFile
from listeval.kit.table import open_table

HEADER = "id,votes,text\n"


def read(content, separator=","):
    raw = content if isinstance(content, bytes) else content.encode()
    with open_table(
        DataFile("DATA", "", lambda: io.BufferedReader(io.BytesIO(raw))), lambda header: separator
    ) as table:
        return list(table.rows)


CELLS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\0"), max_size=6)


@given(
    st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=5), st.sampled_from(",;\t|"), st.booleans()
)
def test_what_a_writer_wrote_is_read(rows, separator, every):
    out = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if every else csv.QUOTE_MINIMAL
    csv.writer(out, delimiter=separator, quoting=quoting).writerows([["id", "votes", "text"], *rows])
    wanted = [{k: v for k, v in zip(("id", "votes", "text"), row, strict=True) if v} for row in rows]
    assert [row for _, row in read(out.getvalue(), separator)] == wanted
    assert read(gzip.compress(out.getvalue().encode()), separator) == read(out.getvalue(), separator)


BAD = {
    "too many cells": ("1,2,Nice, but small\n3,4,ok\n", "a row of 4 cells under a header of 3 (DATA:2)"),
    "too many in a later row": ('1,2,"a\nb"\n3,4,ok,x\n', "a row of 4 cells under a header of 3 (DATA:4)"),
    "too many, the first empty": ("1,2,3,,x\n", "a row of 5 cells under a header of 3 (DATA:2)"),
    "an open quote": ('1,2,"Nice\n3,4,ok\n5,6,fine\n', "not CSV: unexpected end of data (DATA:2)"),
    "an open quote in a later row": ('1,2,"a\nb"\n\n3,"4,ok\n5,6,fine\n', "unexpected end of data (DATA:5)"),
    "an open quote before much": (
        '1,2,"a\n' + "3,4,text\n" * 20_000,
        "not CSV: field larger than field limit (131072) (DATA:2)",
    ),
    "a quote within quotes": ('1,2,"He said "nice" to me"\n3,4,ok\n', "not CSV: ',' expected after '\"' (DATA:2)"),
    "cut in a quoted cell": ('1,2,ok\n3,4,"Nic', "not CSV: unexpected end of data (DATA:3)"),
    "cut before the last cell": ("1,2,ok\n3,4", "the file ends within a row, after 2 of its 3 cells (DATA:3)"),
    "cut in the first cell": ("1,2,ok\n3", "the file ends within a row, after 1 of its 3 cells (DATA:3)"),
    "line ends of another kind": ("1,2,a\r3,4,b\r", "not CSV: new-line character seen in unquoted field"),
    "another separator within": ("1;2;Nice\n3;4;Nice; ok\n", "a row of 4 cells under a header of 3 (DATA:3)"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_row_that_lost_its_shape_is_refused_with_its_line(case):
    content, message = BAD[case]
    sign = ";" if ";" in content else ","
    with pytest.raises(UserError) as caught:
        read(HEADER.replace(",", sign) + content, sign)
    assert message in str(caught.value) and ". Fix: " in str(caught.value)


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("1,2,ok,\n3,4,ok,,\n", 2),  # a sign at the end of each line loses nothing
        ("1\n2,3\n", 2),  # some programs leave out the empty cells at the end
        ("1,2,ok\r\n3,4,\r\n", 2),
        ("1,2,ok", 1),
        ("1,2,", 1),
        ('\n1,2,5" wide\n\n', 1),
    ],
)
def test_a_row_that_lost_nothing_is_read(content, rows):
    assert len(read(HEADER + content)) == rows
