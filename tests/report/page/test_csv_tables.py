"""Tables that a task keeps beside its run stand on the page: whole, or side by side."""

import json

from listeval.comparison import compare
from listeval.report.comparison.page import comparison_page
from listeval.report.page.csv_tables import csv_tables
from listeval.report.page.run_page import runs_page
from listeval.runs import RunConfig, run


def fields(tmp_path, name, answers):
    """A run of the task `json` whose answers are given: right, with a wrong field, or none."""
    rows = [{"prompt": f"say {n}", "expected": {"a": n, "b": {"c": [n]}}} for n in range(len(answers))]
    data, texts = tmp_path / "rows.jsonl", tmp_path / f"{name}.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "schema.json").write_text('{"type": "object"}')
    texts.write_text("".join(json.dumps({"text": text, "finish_reason": "stop"}) + "\n" for text in answers))
    options = {"schema": str(tmp_path / "schema.json")}
    config = RunConfig(task="json", backend="replay", model=str(texts), data=str(data), options=options)
    return run(config.model_copy(update={"out": str(tmp_path / name)}))


def test_a_table_that_the_task_keeps_is_on_the_page(tmp_path):
    done = fields(tmp_path, "one", ['{"a": 0, "b": {"c": [0]}}', '{"a": 9, "b": {"c": [1]}}', "no"])
    [table] = csv_tables([done], [""])
    assert table.title == "fields.csv"
    assert table.rows == [["$.a", *"221100000"], ["$.b.c[]", *"222000000"]]
    said = "Of the labelled answers that kept their contract; missing_key, extra_key, bad_value: of those that broke it"
    assert table.note.startswith(said)
    page = runs_page([done])
    assert "<h2>fields.csv</h2>" in page and said in page and "$.b.c[]" in page and 'href="#kept-1"' in page


def test_tables_of_several_runs_stand_side_by_side(tmp_path):
    one = fields(tmp_path, "one", ['{"a": 0, "b": {"c": [0]}}', '{"a": 9, "b": {"c": [1]}}'])
    two = fields(tmp_path, "two", ['{"a": 0}', "no"])
    (tmp_path / "two" / "other.csv").write_text("a,b\n<script>,1\n")
    (tmp_path / "two" / "torn.csv").write_bytes(b"a,b\n1\n\xff")
    [table] = csv_tables([one, two], ["[1]", "[2]"])
    assert table.header == ["path", "[1]", "[2]"]
    assert table.rows == [
        ["$.a", "50.0 % (1 of 2)", "100.0 % (1 of 1)"],
        ["$.b.c[]", "100.0 % (2 of 2)", "0.0 % (0 of 1)"],
    ]
    page = comparison_page(compare([one.path, two.path]))
    assert "50.0 % (1 of 2)" in page and "<script>,1" not in page
    assert [table.title for table in csv_tables([two], [""])] == ["fields.csv", "other.csv"]
