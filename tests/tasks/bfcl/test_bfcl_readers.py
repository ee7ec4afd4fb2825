"""Where questions come from: folders, single files, both releases' names, the hub; and what is refused, in words."""

import json
from datetime import date
from decimal import Decimal

import pytest

from listeval.errors import UserError
from listeval.task import Example
from tasks.bfcl.accuracy import METRIC, figures
from tasks.bfcl.categories import CATEGORIES, RESERVED
from tasks.bfcl.sources import HUB
from tasks.bfcl.task import Bfcl, BfclOptions, _counts

DOCUMENT = {
    "name": "add.up",
    "description": "Adds.",
    "parameters": {"type": "dict", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
}


def question(name="q_0", **changed):
    turn = [{"role": "user", "content": f"Add up {name}."}]
    return {"id": name, "question": [turn], "function": [DOCUMENT], **changed}


def answer(name="q_0", accepted=(1,)):
    return {"id": name, "ground_truth": [{"add.up": {"n": list(accepted)}}]}


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def write(folder, name="BFCL_v4_multiple.json", questions=None, answers=None):
    (folder / "possible_answer").mkdir(exist_ok=True)
    (folder / name).write_text(lines([question()] if questions is None else questions))
    (folder / "possible_answer" / name).write_text(lines([answer()] if answers is None else answers))
    return folder / name


def load(path, **options):
    return Bfcl(BfclOptions(**options)).load(str(path), 0)


def found(dataset):
    return [(example.id, example.target["category"]) for example in dataset.examples]


def test_a_folder_gives_all_its_ast_categories_in_turn(tmp_path):
    write(tmp_path, "BFCL_v4_live_parallel.json", [question("p")], [answer("p")])
    write(tmp_path, "BFCL_v3_simple.json", [question("a"), question("b")], [answer("b"), answer("a")])
    (tmp_path / "BFCL_v4_irrelevance.json").write_text("not read")
    (tmp_path / "README.md").write_text("not read")
    dataset = load(tmp_path)
    assert found(dataset) == [("a", "simple_python"), ("p", "live_parallel"), ("b", "simple_python")]
    assert found(load(tmp_path, category="live_parallel")) == [("p", "live_parallel")]
    assert load(tmp_path, category="live_parallel").fingerprint != dataset.fingerprint


def test_of_two_releases_the_newer_counts(tmp_path):
    write(tmp_path, "BFCL_v3_simple.json", [question("old")], [answer("old")])
    write(tmp_path, "BFCL_v4_simple_python.json", [question("new")], [answer("new")])
    assert found(load(tmp_path)) == [("new", "simple_python")]


def test_one_file_finds_its_answers_beside_it(tmp_path):
    file = write(tmp_path, "BFCL_v3_simple.json")
    write(tmp_path, "BFCL_v4_multiple.json")
    assert found(load(file)) == [("q_0", "simple_python")]


def test_answers_are_joined_by_id(tmp_path):
    file = write(tmp_path, questions=[question("a"), question("b")], answers=[answer("b", [2]), answer("a", [1])])
    golds = [json.loads(Bfcl().gold(e.target))[0]["arguments"]["n"] for e in load(file).examples]
    assert golds == [1, 2]


def test_ones_own_file_has_everything_in_a_row(tmp_path):
    file = tmp_path / "calls.jsonl"
    file.write_text(lines([question(category="simple", **{"ground_truth": answer()["ground_truth"]})]))
    assert found(load(file)) == [("q_0", "simple_python")]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"function": [{**DOCUMENT, "since": date(2024, 1, 2)}]}, "'function' holds a value of the type date"),
        ({"ground_truth": [{"add.up": {"n": [Decimal("1.5")]}}]}, "'ground_truth' holds a value of the type Decimal"),
        ({"function": [{**DOCUMENT, "strict": None}]}, "'function' is a Parquet struct without 'strict'"),
        ({"ground_truth": [{"add.up": {"n": [1], "m": None}}]}, "'ground_truth' is a Parquet struct without 'm'"),
        ({"made": date(2024, 1, 2), "of": {"raw": b"x", "none": None}}, ""),
    ],
)
def test_what_parquet_alone_has_is_named_where_it_is_asked_about(tmp_path, row, words):
    arrow = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    from pyarrow import parquet

    plain = question(category="mine", ground_truth=answer()["ground_truth"])
    parquet.write_table(arrow.Table.from_pylist([{**plain, **row}]), tmp_path / "own.parquet")
    (tmp_path / "own.jsonl").write_text(lines([plain]))
    if words:
        assert f"the field {words}" in (message := refused(tmp_path / "own.parquet"))
        assert "own.parquet[0]). Fix: give the rows as JSON lines" in message
    else:
        assert load(tmp_path / "own.parquet").examples == load(tmp_path / "own.jsonl").examples


def over_all():
    """Figures and counts of rows of every category and one more, without those that are a category's own."""
    names = [*CATEGORIES, "mine"]
    target = {"ground_truth": [], "functions": [], "untyped": {}}
    rows = [{"outcome": "scored", "scores": {"accuracy": 1.0}, "target": {**target, "category": n}} for n in names]
    examples = [Example(name, (), row["target"]) for name, row in zip(names, rows, strict=True)]
    return sorted({*(name[len(f"{METRIC}[") : -1] for name in figures(rows)), *_counts(examples)} - {*names})


@pytest.mark.parametrize("name", over_all())
def test_a_category_that_would_take_the_name_of_a_figure_or_count_is_refused(tmp_path, name):
    file = tmp_path / "calls.jsonl"
    own = [question(category=c, ground_truth=answer()["ground_truth"]) for c in ("mine", name)]
    file.write_text(lines(own))
    message = refused(file)
    assert f"the category '{name}' has the name of a figure" in message and f"({file}:2). Fix: give" in message
    file.write_text(lines([question(category=f"{name}s", ground_truth=answer()["ground_truth"])]))
    assert found(load(file)) == [("q_0", f"{name}s")]


def test_every_reserved_name_is_one_of_a_figure_or_count():
    assert over_all() == sorted(RESERVED)


def refused(path, **options):
    with pytest.raises(UserError) as raised:
        load(path, **options)
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_missing_answers_are_named(tmp_path):
    file = write(tmp_path)
    (tmp_path / "possible_answer" / file.name).unlink()
    for data in (file, tmp_path):
        message = refused(data)
        assert "answers to BFCL_v4_multiple.json are missing" in message
        assert "possible_answer/BFCL_v4_multiple.json" in message


def test_ids_that_do_not_match_are_named(tmp_path):
    file = write(tmp_path, questions=[question("q_0"), question("q_1")], answers=[answer("q_0"), answer("x_1")])
    message = refused(file)
    assert "no answer has the id 'q_1'" in message
    assert "BFCL_v4_multiple.json:2 and " in message


def test_what_is_no_folder_or_file_of_questions(tmp_path):
    assert "no such file or folder" in refused(tmp_path / "gone")
    assert "no BFCL file such as" in refused(tmp_path)
    (tmp_path / "BFCL_v4_simple_java.json").write_text("{}")
    assert "no BFCL file such as" in refused(tmp_path)
    assert "'simple_java' is not an AST category in Python" in refused(tmp_path / "BFCL_v4_simple_java.json")
    file = write(tmp_path)
    message = refused(tmp_path / "possible_answer" / file.name)
    assert "answers without their questions" in message
    assert f"give --data {file}" in message
    assert "no rows of the category 'parallel'" in refused(tmp_path, category="parallel")


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_an_empty_file(tmp_path, text):
    file = write(tmp_path)
    file.write_text(text)
    assert "the data is empty" in refused(file)
    file = write(tmp_path)
    (tmp_path / "possible_answer" / file.name).write_text(text)
    assert "the data is empty" in refused(file)


@pytest.mark.parametrize("broken", ["questions", "possible_answer"])
def test_a_line_that_is_not_json_is_named(tmp_path, broken):
    file = write(tmp_path)
    path = file if broken == "questions" else tmp_path / "possible_answer" / file.name
    path.write_text(path.read_text() + "\n{'id': 1}\n")
    message = refused(file)
    assert "not JSON" in message
    assert f"{path}:3" in message


def parameters(**nodes):
    return {**DOCUMENT, "parameters": {"type": "dict", "properties": nodes, "required": []}}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"function": [parameters(n={"type": "HashMap"})]},
         "row 'q_0', function 'add.up': parameter 'n' has the unknown type 'HashMap'; known: string, integer"),
        ({"function": [parameters(n={"type": "array", "items": {"type": "long"}})]}, r"parameter 'n\.\[\]'"),
        ({"function": []}, "row 'q_0' has no function documents"),
        ({"function": None}, "row 'q_0' has no function documents"),
        ({"function": ["add.up"]}, "row 'q_0', a function without a name"),
        ({"question": []}, "row 'q_0' has no question of one turn"),
        ({"question": [[]]}, "row 'q_0' has no question of one turn"),
        ({"question": "Add up."}, "row 'q_0' has no question of one turn"),
        ({"question": [[{"role": "user", "content": "x"}]] * 2}, "multi-turn rows"),
        ({"question": [[{"role": "user"}]]}, "row 'q_0' has a message without text"),
        ({"question": [[{"role": "system", "content": "x"}]]}, r"row 'q_0' has the roles \['system'\]"),
        ({"question": [[{"role": ["user"], "content": "x"}]]}, "row 'q_0' has the roles"),
        ({"id": 7}, "the field 'id' is missing or no text"),
        ({"category": None}, "the field 'category' is missing or no text"),
        ({"ground_truth": []}, "row 'q_0' has no ground_truth"),
        ({"ground_truth": None}, "row 'q_0' has no ground_truth"),
        ({"ground_truth": [{"a": {}, "b": {}}]}, "row 'q_0' has no ground_truth"),
        ({"ground_truth": [{"add.up": {"n": 1}}]}, "row 'q_0' has no ground_truth"),
    ],
)  # fmt: skip
def test_a_row_that_is_no_question_is_named(tmp_path, row, words):
    file = tmp_path / "own.jsonl"
    good = question(category="mine", ground_truth=answer()["ground_truth"])
    file.write_text(lines([{**good, **row}]))
    with pytest.raises(UserError, match=words) as raised:
        load(file)
    assert f"{file}:1" in str(raised.value)


FILES = {
    "BFCL_v3_simple.json": [question("a")],
    "possible_answer/BFCL_v3_simple.json": [answer("a")],
    "BFCL_v3_live_multiple.json": [question("b")],
    "possible_answer/BFCL_v3_live_multiple.json": [answer("b")],
    "BFCL_v3_irrelevance.json": ["never read"],
    "README.md": ["never read"],
}


def test_the_hub_is_read_by_file_name(serve_hub):
    hub = serve_hub({HUB: {path: lines(rows).encode() for path, rows in FILES.items()}})
    assert found(load("hub", category="live_multiple")) == [("b", "live_multiple")]
    assert sorted(hub.asked) == ["BFCL_v3_live_multiple.json", "possible_answer/BFCL_v3_live_multiple.json"]
    dataset = load("hub")
    assert found(dataset) == [("a", "simple_python"), ("b", "live_multiple")]
    assert HUB in dataset.source
    assert not any("irrelevance" in path or "README" in path for path in hub.asked)
    with pytest.raises(UserError, match=r"no rows of the category 'paralel'.*did you mean 'parallel'"):
        load("hub", category="paralel")
