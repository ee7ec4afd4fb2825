"""The task on its own sample: gold, bad and wrong answers, the order of examples, clusters, figures."""

import json

import pytest

from listeval.contract import Kind, Parsed
from listeval.errors import UserError
from listeval.task import Verdict
from tasks.bfcl.categories import CATEGORIES
from tasks.bfcl.task import Bfcl, BfclOptions

TASK = Bfcl()
EXAMPLES = TASK.load(None, 0).examples
BY_ID = {example.id: example for example in EXAMPLES}


def judged(target, text):
    """The verdict on an answer's text, or the kind of its failure."""
    parsed = TASK.contract(target).parse(text)
    return TASK.score([target], [parsed.value])[0].name if isinstance(parsed, Parsed) else parsed.kind


def row(target, text, **changed):
    parsed = TASK.contract(target).parse(text)
    scores = dict(TASK.score([target], [parsed.value])[0].scores) if isinstance(parsed, Parsed) else {}
    kind = Kind.OK.value if isinstance(parsed, Parsed) else parsed.kind.value
    return {"outcome": "scored", "kind": kind, "scores": scores, "target": target, **changed}


def own_row(name, category, accepted, node, **extra):
    document = {"name": "f", "parameters": {"type": "dict", "properties": {"x": node}, "required": []}}
    return {
        "id": name,
        "category": category,
        "question": [[{"role": "user", "content": name}]],
        "function": [document],
        "ground_truth": [{"f": {"x": accepted}}],
        **extra,
    }


def load(tmp_path, rows, **options):
    file = tmp_path / "own.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Bfcl(BfclOptions(**options)).load(str(file), 0)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.id)
def test_gold_is_right_and_bad_is_bad(example):
    target = json.loads(json.dumps(example.target))
    assert target == example.target
    assert judged(target, TASK.gold(target)) == "ok"
    for kind, text in TASK.bad(target).items():
        assert judged(target, text) == kind


def test_each_verdict_can_be_reached_and_is_declared():
    target = BY_ID["sample_parallel_multiple_0"].target
    gold = json.loads(TASK.gold(target))
    first, *rest = gold
    name = next(iter(first["arguments"]))
    described = {f["name"]: f["parameters"]["properties"] for f in target["functions"]}
    texts = {
        "ok": gold[::-1],
        "no_call": [],
        "wrong_count": rest,
        "wrong_function": [rest[0], *rest],
        "wrong_argument_value": [{**first, "arguments": {**first["arguments"], name: "nowhere"}}, *rest],
    }
    assert described[first["name"]][name]["type"] == "string"
    for verdict, calls in texts.items():
        assert judged(target, json.dumps(calls)) == verdict
        assert verdict in TASK.verdicts


def test_a_verdict_names_the_argument():
    target = BY_ID["sample_parallel_multiple_0"].target
    calls = json.loads(TASK.gold(target))
    name, value = next(iter(calls[0]["arguments"].items()))
    calls[0]["arguments"][name] = "nowhere"
    verdict = TASK.score([target], [TASK.contract(target).parse(json.dumps(calls)).value])[0]
    assert isinstance(verdict, Verdict)
    assert repr(name) in verdict.detail and json.dumps(value) in verdict.detail
    assert verdict.scores == {"accuracy": 0.0}


@pytest.mark.parametrize("text", ["", "[", "No function fits.", "{}", "null", '[{"name": "none"}]'])
def test_what_does_not_parse_is_never_right(text):
    for example in EXAMPLES:
        assert judged(example.target, text) not in TASK.verdicts


def test_examples_are_dealt_by_category_and_the_same_for_every_seed():
    assert [e.target["category"] for e in EXAMPLES[:8]] == [
        "simple_python",
        "multiple",
        "parallel",
        "parallel_multiple",
    ] * 2
    assert [e.id for e in TASK.load(None, 1).examples] == [e.id for e in EXAMPLES]


def test_categories_are_chosen_by_name_v3_names_too():
    for names, count in [("parallel", 10), ("simple, multiple", 20), ("all", 40), ("simple_python", 10)]:
        assert len(Bfcl(BfclOptions(category=names)).load(None, 0).examples) == count
    with pytest.raises(UserError, match=r"no rows of the category 'paralel'.*did you mean 'parallel'"):
        Bfcl(BfclOptions(category="paralel")).load(None, 0)


def test_any_category_may_be_ones_own(tmp_path):
    rows = [own_row(f"q{n}", f"mine-{n % 2}", ["x"], {"type": "string"}) for n in range(4)]
    assert [e.id for e in load(tmp_path, rows).examples] == ["q0", "q1", "q2", "q3"]
    assert [e.id for e in load(tmp_path, rows, category="mine-1").examples] == ["q1", "q3"]


def test_questions_over_the_same_functions_are_one_cluster(tmp_path):
    rows = [own_row(f"q{n}", "multiple", ["x"], {"type": "string" if n < 2 else "any"}) for n in range(4)]
    assert [e.cluster for e in load(tmp_path, rows).examples] == ["q0", "q0", "q2", "q2"]


@pytest.mark.parametrize(
    ("accepted", "node", "contradicted", "gold"),
    [
        ([True], {"type": "string"}, True, {"x": True}),
        (["", False], {"type": "string"}, True, {}),
        (["", None], {"type": "integer"}, True, {}),
        (["", None], {"type": "integer", "default": None}, False, {"x": None}),
        ([2], {"type": "float"}, False, {"x": 2}),
        ([2.5], {"type": "integer"}, True, {"x": 2.5}),
        (["Play"], {"type": "string", "enum": ["Drama"]}, True, {"x": "Play"}),
        (["drama", "Drama"], {"type": "string", "enum": ["Drama"]}, False, {"x": "Drama"}),
        (["all", ""], {"type": "string", "enum": ["Drama"]}, False, {}),
        ([["a"]], {"type": "array", "items": {"type": "integer"}}, True, {"x": ["a"]}),
        ([{"k": ["v", ""], "n": [""]}], {"type": "dict"}, False, {"x": {"k": "v"}}),
        ([[{"k": [1]}]], {"type": "array", "items": {"type": "dict"}}, False, {"x": [{"k": 1}]}),
        ([""], {"type": "string"}, False, {}),
    ],
)
def test_answers_that_contradict_their_documents_free_the_argument(tmp_path, accepted, node, contradicted, gold):
    dataset = load(tmp_path, [own_row("q", "mine", accepted, node)])
    target = dataset.examples[0].target
    assert target["untyped"] == ({"f": ["x"]} if contradicted else {})
    assert dataset.counts == {"mine": 1, "contradicted": int(contradicted), "unsatisfiable": 0}
    assert json.loads(TASK.gold(target)) == [{"name": "f", "arguments": gold}]
    assert judged(target, TASK.gold(target)) == "ok"


def test_rows_that_no_answer_satisfies_are_counted(tmp_path):
    rows = [
        own_row("undocumented", "mine", ["x"], {"type": "string"}, ground_truth=[{"f": {"y": [1]}}]),
        own_row("unknown", "mine", ["x"], {"type": "string"}, ground_truth=[{"g": {"y": [1]}}]),
        own_row("empty", "mine", [], {"type": "string"}),
    ]
    dataset = load(tmp_path, rows)
    assert dataset.counts["unsatisfiable"] == 3
    for example in dataset.examples:
        assert judged(example.target, TASK.gold(example.target)) != "ok"
        assert TASK.bad(example.target) == {}


def test_the_prompt_holds_documents_request_and_the_rows_own_system_message(tmp_path):
    system = {"role": "system", "content": "Be {{ brief }}."}
    asked = own_row(
        "q", "mine", ["x"], {"type": "string"}, question=[[system, {"role": "user", "content": "Käse {% x %}?"}]]
    )
    first, second = load(tmp_path, [asked]).examples[0].messages
    assert first == ("system", "Be {{ brief }}.")
    assert second.role == "user"
    assert json.dumps(asked["function"][0]) in second.content
    assert "Request: Käse {% x %}?" in second.content


def test_figures_by_category_count_broken_contracts_as_wrong():
    chosen = [BY_ID["sample_simple_python_0"], BY_ID["sample_simple_python_1"], BY_ID["sample_parallel_0"]]
    rows = [row(example.target, TASK.gold(example.target)) for example in chosen]
    rows += [row(chosen[0].target, "no"), row(chosen[0].target, "[]"), row(chosen[0].target, "no", outcome="error")]
    live = [
        row({**chosen[0].target, "category": f"live_{kind}"}, text)
        for kind, text in [("simple", "[]"), ("simple", "[]"), ("multiple", TASK.gold(chosen[0].target))]
    ]
    figures = TASK.appendix(rows + live).figures
    assert figures == {
        "useful_accuracy[simple_python]": 0.5,
        "useful_accuracy[parallel]": 1.0,
        "useful_accuracy[live_simple]": 0.0,
        "useful_accuracy[live_multiple]": 1.0,
        "useful_accuracy[non_live]": 0.75,
        "useful_accuracy[live]": pytest.approx(1 / 3),
        "useful_accuracy[mean]": 0.625,
    }
    assert set(TASK.appendix(rows[:1]).figures) == {"useful_accuracy[simple_python]"}
    assert TASK.appendix([]).figures == {}


def test_real_rows_all_load_and_all_but_three_have_an_answer(shared_data):
    dataset = TASK.load(str(shared_data / "bfcl"), 0)
    assert len(dataset.examples) == 1985
    assert {e.target["category"] for e in dataset.examples} == set(CATEGORIES)
    wrong = {e.id for e in dataset.examples if judged(e.target, TASK.gold(e.target)) != "ok"}
    # Two expect an argument that their documents do not have, one accepts no value at all.
    assert wrong == {"live_multiple_862-181-3", "live_multiple_964-207-0", "live_simple_112-68-0"}
    assert dataset.counts["unsatisfiable"] == 3
    assert dataset.counts["contradicted"] == 37
    for example in dataset.examples:
        for kind, text in TASK.bad(example.target).items():
            assert judged(example.target, text) == kind, example.id


def test_gold_answers_fit_the_schema_that_a_decoder_gets(shared_data):
    jsonschema = pytest.importorskip("jsonschema", reason="checks answers against JSON Schema")
    real = TASK.load(str(shared_data / "bfcl"), 0).examples
    unfit = set()
    for example in [*EXAMPLES, *real]:
        validator = jsonschema.Draft202012Validator(TASK.contract(example.target).json_schema())
        if not validator.is_valid(json.loads(TASK.gold(example.target))):
            unfit.add(example.id)
    # They lack what their documents require and their answers do not have.
    assert unfit == {"live_multiple_964-207-0", "live_simple_112-68-0"}
