"""The task `json`: rows to examples, what is scored and what is not, and whose word imports a model."""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

import listeval
from listeval import Failure, Kind, ModelSchema, Parsed, RunConfig, UserError, load_task
from listeval.kit import named_class as naming
from listeval.plugins.open import make_task
from tasks.json.generate import generate

FOLDER = Path(listeval.__file__).resolve().parents[1] / "tasks" / "json"
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
MODEL = """
from pydantic import BaseModel, field_validator

class Part(BaseModel):
    n: int

class Ticket(BaseModel):
    a: int
    parts: list[Part] = []

    @field_validator("a")
    @classmethod
    def positive(cls, value):
        if value < 0:
            raise ValueError("a is below 0")
        return value

class Other:
    pass
"""


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def load(path, **options):
    return make_task("json", options).load(path, 0)


def test_the_command_reproduces_the_sample_byte_for_byte():
    made = subprocess.run(
        [sys.executable, str(FOLDER / "generate.py"), "--rows", "20", "--seed", "7"],
        capture_output=True, check=True, timeout=120,
    ).stdout  # fmt: skip
    assert made == (FOLDER / "sample.jsonl").read_bytes()
    assert list(generate(40, 7))[:20] == list(generate(20, 7))


def test_a_row_has_its_own_schema_or_the_common_one(tmp_path):
    common = tmp_path / "schema.json"
    common.write_text(json.dumps(SCHEMA))
    data = write(
        tmp_path / "d.jsonl",
        {"prompt": "p", "expected": {"a": 1}},
        {"id": "x", "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}], "schema": {}},
        {"prompt": "p", "schema": json.dumps({"type": "integer"}), "expected": "3", "cluster": "c"},
    )
    found = load(data, schema=str(common))
    assert [example.id for example in found.examples] == ["row-1", "x", "row-3"]
    assert [example.target["schema"] for example in found.examples] == [SCHEMA, {}, {"type": "integer"}]
    assert [example.target["expected"] for example in found.examples] == [{"a": 1}, None, 3]
    assert [example.target["labelled"] for example in found.examples] == [True, False, True]
    assert [m.role for m in found.examples[1].messages] == ["system", "user"]
    assert found.examples[2].cluster == "c"
    assert found.counts == {"rows": 3, "labelled": 2}
    common.write_text(json.dumps({**SCHEMA, "title": "t"}))
    assert load(data, schema=str(common)).fingerprint != found.fingerprint, "the schema is part of the data"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"schema": SCHEMA}, "neither 'prompt' nor 'messages'"),
        ({"prompt": "p", "messages": []}, "both"),
        ({"prompt": "p"}, "the row has no schema"),
        ({"prompt": "p", "schema": {"type": "objekt"}}, "no JSON Schema"),
        ({"prompt": "p", "schema": "{"}, "not JSON"),
        ({"prompt": "p", "schema": {"$ref": "http://127.0.0.1:9/a"}}, "nothing is fetched"),
        ({"prompt": "p", "schema": SCHEMA, "expected": {"a": "1"}}, "breaks the schema: bad_value"),
        ({"messages": [{"role": "assistant", "content": "x"}], "schema": {}}, "not the user's"),
        ({"messages": [{"role": "tool", "content": "x"}], "schema": {}}, "a turn needs a role"),
        ({"prompt": " ", "schema": {}}, "no text in the field 'prompt'"),
    ],
)
def test_a_bad_row_is_named_with_its_place(tmp_path, row, said):
    with pytest.raises(UserError) as caught:
        load(write(tmp_path / "d.jsonl", {"prompt": "p", "schema": {}}, row))
    assert said in caught.value.cause
    assert caught.value.place.endswith("d.jsonl:2")


OPEN = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": ["string", "null"]}}}
PARTLY = [{"a": 1}, {"a": 2, "b": "x"}, {"b": None}]


def as_parquet(path, rows):
    arrow = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    from pyarrow import parquet

    parquet.write_table(arrow.Table.from_pylist(rows), path)
    return str(path)


@pytest.mark.parametrize("form", ["own", "sob"])
def test_parquet_gives_the_examples_of_the_same_json_lines_or_says_why_not(tmp_path, form):
    schema, expected = ("schema", "expected") if form == "own" else ("json_schema", "ground_truth")
    texts = [{"prompt": "p", "question": "q", schema: json.dumps(OPEN), expected: json.dumps(v)} for v in PARTLY]
    for row in texts:
        row.pop("question" if form == "own" else "prompt")
    structs = [{**row, expected: value} for row, value in zip(texts, PARTLY, strict=True)]
    lines = load(write(tmp_path / "d.jsonl", *structs)).examples
    assert [e.target["expected"] for e in lines] == PARTLY
    assert load(as_parquet(tmp_path / "t.parquet", texts)).examples == lines
    with pytest.raises(UserError) as caught:
        load(as_parquet(tmp_path / "s.parquet", structs))
    assert caught.value.place.endswith("s.parquet[0]")
    assert (caught.value.cause, caught.value.fix) == (
        f"the field '{expected}' is a Parquet struct without 'b', which may be null or absent",
        f"write '{expected}' as a text with JSON",
    )
    with pytest.raises(UserError, match=f"the field '{schema}' is a Parquet struct without"):
        load(as_parquet(tmp_path / "o.parquet", [{**texts[0], schema: s} for s in (OPEN, SCHEMA)]))


def test_a_struct_that_leaves_nothing_open_and_unused_columns_of_any_type_are_read(tmp_path):
    rows = [{"prompt": "p", "schema": json.dumps(OPEN), "expected": {"a": n, "b": "x"}} for n in (1, 2)]
    extra = {"day": date(2024, 1, 2), "sum": Decimal("1.5"), "raw": b"x", "of": {"when": date(2024, 1, 2)}}
    made = as_parquet(tmp_path / "d.parquet", [{**row, **extra} for row in rows])
    assert load(made).examples == load(write(tmp_path / "d.jsonl", *rows)).examples


def test_rows_of_jsonschemabench_ask_for_any_answer_and_bad_schemas_are_counted(tmp_path):
    data = write(
        tmp_path / "d.jsonl",
        {"unique_id": "u1", "json_schema": json.dumps(SCHEMA)},
        {"unique_id": "u2", "json_schema": json.dumps({"type": 3})},
    )
    found = load(data)
    assert [example.id for example in found.examples] == ["u1"]
    assert found.counts == {"rows": 2, "labelled": 0, "unusable_schema": 1}
    assert json.dumps(SCHEMA) in found.examples[0].messages[-1].content
    assert json.loads(make_task("json", {}).gold(found.examples[0].target)).keys() == {"a"}


def test_rows_of_sob_show_context_question_and_schema(tmp_path):
    row = {"record_id": "r", "context": "C.", "question": "Q?", "json_schema": SCHEMA, "ground_truth": '{"a": 2}'}
    unfit = {**row, "record_id": "s", "ground_truth": '{"a": null}'}
    found = load(write(tmp_path / "d.jsonl", row, unfit))
    [example] = found.examples
    assert (example.id, example.target["expected"]) == ("r", {"a": 2})
    text = example.messages[0].content
    assert text.index("C.") < text.index("Q?") < text.index(json.dumps(SCHEMA))
    assert found.counts["unfit_expected"] == 1


def test_an_answer_is_exact_equal_or_different_and_the_fields_are_named():
    task = make_task("json", {})
    target = {"schema": {}, "model": "", "labelled": True, "expected": {"a": 1, "b": ["x", "y"], "c": None}}
    given = [
        {"c": None, "a": 1.0, "b": ["x", "y"]},
        {"a": 1, "b": [" X", "y"], "c": None},
        {"a": 2, "b": ["x"], "d": 1},
    ]
    exact, equal, other = task.score([target] * 3, given)
    assert (exact.name, equal.name, other.name) == ("exact", "equal", "different")
    assert (equal.scores["exact"], equal.scores["leaf_accuracy"]) == (0.0, 1.0)
    assert other.scores == {
        "exact": 0.0, "leaf_accuracy": 1 / 4, "path_precision": 2 / 3, "path_recall": 2 / 4,
        "omitted_fields": 2.0, "invented_fields": 1.0,
    }  # fmt: skip
    assert other.detail == "$.a is 2 where 1 is right; $.b[1] is omitted; $.c is omitted; $.d is invented"


def test_without_an_expected_answer_nothing_is_wrong():
    [found] = make_task("json", {}).score([{"schema": {}, "model": "", "labelled": False, "expected": None}], [3])
    assert found.name == "unlabelled"
    assert all(math.isnan(score) for score in found.scores.values())


def test_a_run_counts_unlabelled_rows_in_the_rates_alone(tmp_path, monkeypatch):
    """The null engine answers nonsense, so every contract breaks: that is a zero where an answer could be right."""
    monkeypatch.chdir(tmp_path)
    rows = [{"id": f"r{n}", "prompt": "p", "schema": SCHEMA} for n in range(3)]
    config = RunConfig(task="json", model="m", backend="null", data=write(tmp_path / "d.jsonl", *rows), out="run")
    metrics = listeval.run(config).summary.metrics
    assert metrics["parse_rate"].value == 0.0
    assert math.isnan(metrics["useful_exact"].value)
    assert math.isnan(listeval.rescore("run").summary.metrics["useful_leaf_accuracy"].value)
    labelled = [{**row, "expected": {"a": 1}} for row in rows]
    config = RunConfig(task="json", model="m", backend="null", data=write(tmp_path / "e.jsonl", *labelled), out="other")
    assert listeval.run(config).summary.metrics["useful_exact"].value == 0.0


def test_the_table_by_field_adds_up():
    task = make_task("json", {})
    target = {"schema": {}, "model": "", "labelled": True, "expected": {"a": 1, "b": [1, 2]}}
    row = {"outcome": "scored", "kind": "ok", "target": target}
    rows = [
        {**row, "value": {"a": 1, "b": [1, 3, 4]}},
        {**row, "value": {"b": []}},
        {**row, "kind": "no_json", "value": None, "text": "words", "span": None},
        {**row, "target": {**target, "labelled": False}, "value": {"zzz": 1}},
    ]
    table = list(csv.DictReader(io.StringIO(task.appendix(rows).files["fields.csv"])))
    got = {line.pop("path"): tuple(map(int, line.values())) for line in table}
    # expected, present, right, wrong, omitted, invented; then nothing, for no schema was broken
    assert got == {
        path: (*counts, 0, 0, 0)
        for path, counts in {"$.a": (2, 1, 1, 0, 1, 0), "$.b": (0, 0, 0, 0, 0, 1), "$.b[]": (4, 2, 1, 1, 2, 1)}.items()
    }


ORDER = {
    "type": "object",
    "properties": {
        "a": {"type": "integer"}, "area": {"enum": ["x", "y"]},
        "lines": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}},
                                             "required": ["n"], "additionalProperties": False}},
    },
    "required": ["a"], "additionalProperties": False,
}  # fmt: skip
BROKEN = {
    "one missing": ('{"area": "x"}', {"$.a": "missing_key"}),
    "a value out of its enum, in words": ('Sure: {"a": 1, "area": "z"} !', {"$.area": "bad_value"}),
    "a type within a list": ('{"a": 1, "lines": [{"n": 1}, {"n": "2"}]}', {"$.lines[].n": "bad_value"}),
    "several": ('{"area": 3, "lines": [{}], "b": 1}', {"$.a": "missing_key", "$.area": "bad_value", "$.b": "extra_key",
                                                       "$.lines[].n": "missing_key"}),
    "unknown within a list": ('{"a": 1, "lines": [{"n": 1, "m": 2}]}', {"$.lines[].m": "extra_key"}),
    "a key that stands twice": ('{"a": 1, "a": 2}', {}),
    "no JSON": ("words", {}),
    "broken JSON": ('{"a": 1,,}', {}),
    "another type": ("[1]", {}),
    "kept": ('{"a": 1}', {}),
}  # fmt: skip


def broken(tmp_path, texts, labelled=True, **options):
    """The table of a run whose answers are given: the columns that count what broke, by path."""
    rows = [{"prompt": f"p{n}", **({"expected": {"a": 1}} if labelled else {})} for n in range(len(texts))]
    answers = write(tmp_path / "answers.jsonl", *({"text": text, "finish_reason": "stop"} for text in texts))
    data = write(tmp_path / "d.jsonl", *rows)
    config = {"task": "json", "backend": "replay", "model": answers, "data": data, "options": options}
    done = listeval.run(RunConfig(**config, out=str(tmp_path / "run")))
    lines = list(csv.DictReader(io.StringIO((done.path / "fields.csv").read_text())))
    kinds = ("missing_key", "extra_key", "bad_value")
    return {line["path"]: {kind: int(line[kind]) for kind in kinds if line[kind] != "0"} for line in lines}, lines


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize(("text", "expected"), BROKEN.values(), ids=BROKEN)
def test_what_an_answer_broke_is_counted_by_path(tmp_path, text, expected, labelled):
    (tmp_path / "schema.json").write_text(json.dumps(ORDER))
    found, lines = broken(tmp_path, [text, text], labelled, schema=str(tmp_path / "schema.json"))
    assert {path: told for path, told in found.items() if told} == {path: {k: 2} for path, k in expected.items()}
    whole = sum(int(line["expected"]) for line in lines)
    kept = [json.loads(text)] if text == '{"a": 1}' else []
    assert whole == 2 * len(kept) * labelled, "what broke its contract is not among the expected ones"


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(naming, "_allowed", set())
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "own_contracts.py").write_text(MODEL)
    yield "own_contracts:Ticket"
    sys.modules.pop("own_contracts", None)


def test_a_model_is_imported_with_the_user_s_word_only(tmp_path, model):
    data = write(tmp_path / "d.jsonl", {"prompt": "p", "expected": {"a": 1, "parts": []}})
    with pytest.raises(UserError, match="needs your word"):
        load(data, contract=model)
    assert "own_contracts" not in sys.modules
    naming.allow_import(model)
    found = load(data, contract=model)
    assert found.examples[0].target == {
        "schema": None, "model": model, "labelled": True, "expected": {"a": 1, "parts": []},
    }  # fmt: skip
    for name, said in (
        ("own_contracts:Gone", "no class"),
        ("own_contracts:Other", "no pydantic model"),
        ("x", "names"),
    ):
        with pytest.raises(UserError, match=said):
            load(data, contract=name)


def test_what_an_answer_broke_of_a_model_is_counted_by_path(tmp_path, model):
    naming.allow_import(model)
    texts = ['{"parts": [{"n": "1"}]}', '{"a": "1", "b": 2}', '{"a": 1, "parts": [{}, {"n": 1, "m": 1}]}']
    found, _ = broken(tmp_path, texts, labelled=False, contract=model)
    assert found == {
        "$.a": {"missing_key": 1, "bad_value": 1}, "$.b": {"extra_key": 1}, "$.parts[].m": {"extra_key": 1},
        "$.parts[].n": {"missing_key": 1, "bad_value": 1},
    }  # fmt: skip


UNION = """
from typing import Literal
from pydantic import BaseModel

class A(BaseModel):
    kind: Literal["a"]
    x: int

class B(BaseModel):
    kind: Literal["b"]
    y: int

class Ticket(BaseModel):
    a: str | int | None = None
    u: A | B
"""


def test_an_answer_counts_once_at_a_path_of_its_own_whatever_unions_and_lists_there_are(tmp_path, model):
    (tmp_path / "own_contracts.py").write_text(UNION)
    naming.allow_import(model)
    texts = ['{"a": {"n": 1}, "u": {"kind": "a", "x": 1}}', '{"a": [], "u": {"kind": "a"}}']
    found, _ = broken(tmp_path, texts, labelled=False, contract=model)
    assert found == {"$.a": {"bad_value": 2}, "$.u.x": {"missing_key": 1}}


def test_every_refusal_of_an_answer_is_in_the_table():
    schema = {"properties": {"a": {"items": {"type": "integer"}}}, "required": ["z"]}
    text = json.dumps({"a": ["x"] * 100})
    row = {"outcome": "scored", "kind": "missing_key", "text": text, "span": (0, len(text)), "value": None,
           "target": {"schema": schema, "model": "", "labelled": False, "expected": None}}  # fmt: skip
    table = list(csv.DictReader(io.StringIO(make_task("json", {}).appendix([row]).files["fields.csv"])))
    assert [(line["path"], line["missing_key"], line["bad_value"]) for line in table] == [
        ("$.a[]", "0", "100"), ("$.z", "1", "0"),
    ]  # fmt: skip


def test_a_plain_model_is_read_strictly_at_every_depth(model):
    naming.allow_import(model)
    contract = ModelSchema(listeval.named_class(model, "--set contract"))
    assert isinstance(contract.parse('{"a": 1}'), Parsed)
    assert contract.parse('{"a": 1, "parts": [{"n": 1}]}').value == {"a": 1, "parts": [{"n": 1}]}
    for text, kind in [
        ('{"a": "1"}', Kind.BAD_VALUE),
        ('{"a": 1, "b": 2}', Kind.EXTRA_KEY),
        ('{"a": 1, "parts": [{"n": 1, "m": 2}]}', Kind.EXTRA_KEY),
        ('{"a": 1, "parts": [{"n": true}]}', Kind.BAD_VALUE),
        ('{"a": 1, "parts": [{}]}', Kind.MISSING_KEY),
        ('{"a": -1}', Kind.CONTRACT_OTHER),
    ]:
        found = contract.parse(text)
        assert isinstance(found, Failure) and found.kind is kind, (text, found)
    schema = contract.json_schema()
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["Part"]["additionalProperties"] is False


def test_true_is_not_one_in_a_literal_or_an_enum():
    from enum import IntEnum
    from typing import Literal

    from pydantic import BaseModel

    class Size(IntEnum):
        SMALL = 1

    class Choice(BaseModel):
        a: Literal[1, 2]
        b: Size
        c: Size

    contract = ModelSchema(Choice)
    assert isinstance(contract.parse('{"a": 1, "b": 1, "c": 1}'), Parsed)
    for text in ('{"a": true, "b": 1, "c": 1}', '{"a": 1, "b": true, "c": 1}', '{"a": 1, "b": 1, "c": true}'):
        assert isinstance(contract.parse(text), Failure), text


def test_a_file_that_names_a_model_needs_the_user_s_word(tmp_path, model):
    from listeval.runs.consent_requests import of_config, of_run
    from listeval.runs.entries import TaskEntry

    options = {"contract": model}
    from_file = {"task": "json", "options": options}
    assert [ask.code for ask in of_config(from_file, {})] == [model]
    assert of_config(from_file, {"options": options}) == []
    assert of_config({"task": "json", "options": {"text": "exact"}}, {}) == []
    entry = TaskEntry(name="json", version=1, options=options, code="", metrics=[], verdicts=[])
    assert [ask.what for ask in of_run(entry)] == [f"import '{model}'"]
    assert load_task("json").Options.imports == ("contract",)


def test_what_a_schema_says_in_vain_is_said_once_with_its_place(tmp_path, capsys):
    common = tmp_path / "schema.json"
    common.write_text(json.dumps({**SCHEMA, "requierd": ["a"]}))
    slip = {"prompt": "p", "schema": {"type": "object", "tpye": 1}}
    benchmark = {"unique_id": "u", "json_schema": slip["schema"]}
    task = make_task("json", {"schema": str(common)})
    data = write(tmp_path / "d.jsonl", {"prompt": "p"}, {"prompt": "p"}, slip, slip, benchmark)
    task.load(data, 0)
    again = type(task)(task.options).load(data, 0)
    assert len(again.examples) == 5
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        f"listeval: 'requierd' is no keyword of JSON Schema (did you mean 'required'?), and is not checked ({common})",
        "listeval: 'tpye' is no keyword of JSON Schema (did you mean 'type'?), and is not checked"
        f" ({data}:3 and 1 more)",
    ]


@pytest.mark.parametrize(
    ("shape", "name", "meant"),
    [
        ({"prompt": "p", "schema": SCHEMA}, "expcted", "expected"),
        ({"prompt": "p", "schema": SCHEMA}, "Expected", "expected"),
        (
            {"messages": [{"role": "user", "content": "p"}], "schema": SCHEMA, "expected": {"a": 1}},
            "clusters",
            "cluster",
        ),
        ({"unique_id": "u", "json_schema": SCHEMA}, "qestion", "question"),
        ({"record_id": "u", "json_schema": SCHEMA, "question": "q"}, "groundtruth", "ground_truth"),
        ({"prompt": "p", "schema": SCHEMA, "expected": {"a": 1}, "id": "1"}, "expected_by", ""),
        ({"prompt": "p", "schema": SCHEMA}, "message", ""),
        ({"prompt": "p", "schema": SCHEMA}, "source", ""),
    ],
)
def test_a_field_that_is_likely_a_slip_is_said_once_and_a_users_own_is_not(tmp_path, capsys, shape, name, meant):
    data = write(tmp_path / "d.jsonl", shape, *[{**shape, name: "x"}] * 3)
    make_task("json", {}).load(data, 0)
    said = f"listeval: '{name}' is no field of a row (did you mean '{meant}'?), and is not read ({data}:2 and 2 more)\n"
    assert capsys.readouterr().err == (said if meant else "")


@pytest.mark.parametrize("schema", [{"name": "t", "schema": SCHEMA}, {"a": 1}, {"requierd": ["a"]}])
def test_a_schema_that_is_none_is_refused_at_its_place(tmp_path, schema):
    data = write(tmp_path / "d.jsonl", {"prompt": "p", "schema": schema})
    with pytest.raises(UserError) as caught:
        load(data)
    assert (caught.value.place, caught.value.fix) == (f"{data}:1", "correct the schema")
    common = tmp_path / "schema.json"
    common.write_text(json.dumps(schema))
    with pytest.raises(UserError) as caught:
        load(write(tmp_path / "e.jsonl", {"prompt": "p"}), schema=str(common))
    assert (caught.value.place, caught.value.fix) == (str(common), "correct the schema")
