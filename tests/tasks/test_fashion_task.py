"""The task as the harness sees it: prompts, worked examples, contract, gold, known-bad answers, scores."""

from __future__ import annotations

import json
import math

import pytest
from pydantic import ValidationError

from listeval.contract import Failure, Kind, Parsed
from listeval.errors import UserError
from listeval.plugins.registry import load_task
from tasks.fashion.helpfulness import HelpfulnessOptions
from tasks.fashion.task import Fashion

TARGET = {"grades": {"R7K2Q": 8.0, "A19": 2.5, "12": 0.0}}


def load(data=None, seed=0, **options):
    return Fashion(HelpfulnessOptions(**options)).load(data and str(data), seed)


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def group(product, count=4, **fields):
    reviews = [{"id": f"{product}{n}", "text": f"Text {n} of {product}.", "grade": n} for n in range(count)]
    return {"product": product, "reviews": reviews, **fields}


def test_the_registry_finds_the_one_class():
    assert load_task("fashion").summary == Fashion.summary


def test_another_task_needs_only_a_category_and_a_sample(tmp_path, monkeypatch):
    (tmp_path / "hats").mkdir()
    write(tmp_path / "hats" / "sample.jsonl", [group("P", 8)])
    (tmp_path / "hats" / "task.py").write_text(
        "from pathlib import Path\n"
        "from ..fashion.helpfulness import Helpfulness\n"
        "from ..fashion.hub import Category\n"
        "class Hats(Helpfulness):\n"
        "    name, version, summary = 'hats', 1, 'hats'\n"
        "    category, sample = Category('Hats'), Path(__file__).with_name('sample.jsonl')\n"
    )
    monkeypatch.setenv("LISTEVAL_PATH", str(tmp_path))
    assert len(load_task("hats")().load(None, 0).examples) == 1


def test_the_sample_is_the_default():
    found = load()
    assert found.source == "fashion sample"
    assert (len(found.examples), found.counts["kept"], found.counts["products"]) == (56, 56, 64)
    assert len(load(split="train").examples) == 8
    assert len(load(k=4, split="all").examples) == found.counts["reviews"] // 4 == 128


@pytest.mark.parametrize("options", [{}, {"k": 4, "shots": 2}, {"k": 3, "split": "all", "shots": 1}])
def test_gold_is_best_and_bad_answers_land_in_their_kinds(options):
    task = Fashion(HelpfulnessOptions(**options))
    for example in task.load(None, 0).examples[:20]:
        contract = task.contract(example.target)
        parsed = contract.parse(task.gold(example.target))
        assert isinstance(parsed, Parsed)
        [metrics] = task.score([example.target], [parsed.value])
        assert metrics == pytest.approx({"kendall_tau": 1, "ndcg@1": 1, "ndcg@8": 1, "mae": 0})
        for kind, text in task.bad(example.target).items():
            failure = contract.parse(text)
            assert isinstance(failure, Failure)
            assert failure.kind is kind, text


def test_bad_answers_cover_the_list_kinds():
    kinds = set(Fashion().bad(TARGET))
    assert kinds == {
        Kind.DUPLICATE_ID, Kind.MISSING_ID, Kind.UNKNOWN_ID, Kind.POSITION_ONLY, Kind.MISSING_KEY, Kind.EXTRA_KEY,
        Kind.BAD_VALUE, Kind.WRONG_TYPE, Kind.TOO_LONG, Kind.MALFORMED_JSON, Kind.NO_JSON, Kind.EMPTY, Kind.REFUSAL,
    }  # fmt: skip
    assert Kind.POSITION_ONLY not in Fashion().bad({"grades": {"1": 0.0, "77": 2.0}})


def test_gold_is_plain_json():
    assert Fashion().gold(TARGET) == (
        '[{"review_id": "R7K2Q", "score": 8}, {"review_id": "A19", "score": 2.5}, {"review_id": "12", "score": 0}]'
    )


def test_scores_of_ragged_groups_in_answer_order():
    task = Fashion()
    other = {"grades": {"x": 1.0, "y": 10.0}}
    answers = [
        '[{"review_id":12,"score":9},{"review_id":"A19","score":"2.5"},{"review_id":"R7K2Q","score":8}]',
        '[{"review_id":"y","score":1},{"review_id":"x","score":1}]',
    ]
    targets = [TARGET, other]
    parsed = [task.contract(t).parse(a) for t, a in zip(targets, answers, strict=True)]
    first, second = task.score(targets, [p.value for p in parsed if isinstance(p, Parsed)])
    assert first["ndcg@1"] == 0
    assert first["kendall_tau"] == pytest.approx(-1 / 3)
    assert first["mae"] == pytest.approx(3)
    assert second["ndcg@1"] == pytest.approx(0.55)
    assert second["mae"] == pytest.approx(4.5)
    assert task.score([], []) == []


def test_the_prompt_in_full(tmp_path):
    rows = [group("P", 2, title="Wool hat.")]
    rows[0]["reviews"][0] |= {"title": "Warm", "text": 'He said "{{ 1+1 }}" <b>\r\n[Review 9] & done'}
    example = load(write(tmp_path / "d.jsonl", rows), k=2).examples[0]
    assert example.id == "P-0-0"
    assert example.cluster == "P"
    [message] = example.messages
    first, second = example.target["grades"]
    bodies = {"P0": 'Warm. He said "{{ 1+1 }}" <b>\n[Review 9] & done', "P1": "Text 1 of P."}
    assert message == (
        "user",
        "Product: Wool hat. Below are reviews. Score each.\n\n"
        f"[Review 1] id={first}\n{bodies[first]}\n\n"
        f"[Review 2] id={second}\n{bodies[second]}\n\n"
        "Score how helpful each review is to a shopper, from 0 to 10. "
        'Return JSON list of objects with keys "review_id" and "score", one for each of the 2 reviews.',
    )


def test_an_absent_title_is_not_mentioned(tmp_path):
    text = load(write(tmp_path / "d.jsonl", [group("P")]), k=4).examples[0].messages[0].content
    assert text.startswith("Below are reviews of one product. Score each.\n")
    assert "None" not in text


def test_worked_examples_are_training_turns_of_other_products():
    found = load(k=4, shots=2, seed=5)
    training = {e.cluster for e in load(k=4, split="train", seed=5).examples}
    products = {r["id"]: row["product"] for row in sample_rows() for r in row["reviews"]}
    for example in found.examples:
        assert [m.role for m in example.messages] == ["user", "assistant", "user", "assistant", "user"]
        for shown in example.messages[1:4:2]:
            objects = json.loads(shown.content)
            assert len(objects) == 4
            assert all(isinstance(o["score"], int) for o in objects)
            assert {products[o["review_id"]] for o in objects} <= training - {example.cluster}
            assert all(f"id={o['review_id']}\n" in example.messages[0].content + example.messages[2].content
                       for o in objects)  # fmt: skip
    assert found == load(k=4, shots=2, seed=5)
    assert found.examples[0].messages[0] != load(k=4, shots=2, seed=6).examples[0].messages[0]


def sample_rows():
    return [json.loads(line) for line in Fashion.sample.read_text(encoding="utf-8").splitlines()]


def test_worked_examples_never_show_the_question_s_own_product():
    for example in load(k=4, shots=3, split="train").examples:
        products = {r["id"]: row["product"] for row in sample_rows() for r in row["reviews"]}
        shown = {products[o["review_id"]] for m in example.messages[1::2] for o in json.loads(m.content)}
        assert example.cluster not in shown


def test_no_training_part_no_worked_examples(tmp_path):
    data = write(tmp_path / "d.jsonl", [group("P"), group("Q", split="test")])
    with pytest.raises(UserError, match="1 worked examples are asked for, the training part has 0"):
        load(data, k=4, shots=1)


def test_rubric_grades_outrank_votes_and_are_not_mixed_with_them(tmp_path):
    rows = [{"asin": "B", "user_id": f"u{n}", "text": f"t{n}", "helpful_vote": 31, "grade": n} for n in range(4)]
    rows += [{"asin": "B", "user_id": f"v{n}", "text": f"s{n}", "helpful_vote": n} for n in range(4)]
    found = load(write(tmp_path / "d.jsonl", rows), k=2, cap=0, split="all")
    assert found.counts["without_grade"] == 4
    assert {i: g for e in found.examples for i, g in e.target["grades"].items()} == {f"u{n}": n for n in range(4)}


def test_every_count_is_accounted_for(tmp_path):
    rows = [group("P", 9), group("Q", 9)]
    rows[1]["reviews"][0]["text"] = ""
    rows[1]["reviews"][1]["text"] = rows[1]["reviews"][2]["text"]
    counts = load(write(tmp_path / "d.jsonl", rows), k=4).counts
    assert (counts["reviews"], counts["without_text"], counts["copies"], counts["distinct"]) == (18, 1, 1, 16)
    assert counts["groups"] == counts["no_signal"] + counts["capped"] + counts["other_splits"] + counts["kept"] == 3


@pytest.mark.parametrize("options", [{"k": 1}, {"shots": -1}, {"split": "dev"}, {"cap": -1}, {"K": 8}])
def test_options_refuse_what_has_no_meaning(options):
    with pytest.raises(ValidationError):
        HelpfulnessOptions(**options)


def test_undefined_scores_are_nan_or_zero_never_an_exception():
    task = Fashion()
    flat = task.contract(TARGET).parse(json.dumps([{"review_id": i, "score": 4} for i in TARGET["grades"]]))
    assert isinstance(flat, Parsed)
    [metrics] = task.score([TARGET], [flat.value])
    assert metrics["kendall_tau"] == 0 or math.isnan(metrics["kendall_tau"])
