"""The task as the harness sees it: prompts, worked examples, exact numbers in answers, gold, known-bad answers."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from listeval.contract import Failure, Kind, Parsed
from listeval.errors import UserError
from listeval.plugins.registry import load_task
from tasks.gsm8k.task import Gsm8k, Gsm8kOptions

CONTRACT = Gsm8k().contract({})

ROWS = [
    {"question": "Two and two?", "answer": "2 + 2 = <<2+2=4>>4 in all.\n#### 4"},
    {"question": "A thousand\r\ntimes -1.5?", "answer": "-1.5 * 1,000 = <<-1.5*1000=-1500>>-1,500\n#### -1,500"},
    {"question": "Half of one?", "answer": "#### 0.50"},
]
TRAIN = [{"question": f"What is {n}?", "answer": f"It is {n}.\n#### {n}"} for n in range(3)]


def load(data=None, seed=0, **options):
    return Gsm8k(Gsm8kOptions(**options)).load(data and str(data), seed)


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def verdict(answer, right="72"):
    parsed = CONTRACT.parse(answer if answer.startswith("{") else f'{{"reasoning": "x", "answer": {answer}}}')
    assert isinstance(parsed, Parsed), parsed
    [found] = Gsm8k().score([{"answer": right, "solution": ""}], [parsed.value])
    assert found.scores == {"accuracy": float(found.name == "correct")}
    return found.name


def test_the_registry_finds_the_task():
    assert load_task("gsm8k").summary == Gsm8k.summary


def test_the_sample_is_the_default():
    found = load()
    assert (found.source, found.name) == ("gsm8k sample", "generated sample")
    assert found.counts == {"rows": 48, "other_splits": 8, "kept": 40}
    assert len(load(split="train").examples) == 8
    numbers = [Fraction(example.target["answer"]) for example in found.examples]
    assert min(numbers) < -1000
    assert max(numbers) > 10_000
    assert any(number.denominator > 1 for number in numbers)
    assert 0 in numbers


def test_gold_and_bad_answers():
    task = Gsm8k()
    for example in task.load(None, 0).examples:
        bound = task.contract(example.target)
        parsed = bound.parse(task.gold(example.target))
        assert isinstance(parsed, Parsed)
        [found] = task.score([example.target], [parsed.value])
        assert (found.name, found.scores, found.detail) == ("correct", {"accuracy": 1.0}, "")
        bad = task.bad(example.target)
        assert len(bad) == 8
        for kind, text in bad.items():
            failure = bound.parse(text)
            assert isinstance(failure, Failure)
            assert failure.kind is kind, text


@pytest.mark.parametrize(
    "answer",
    ["72", "72.0", "7.2e1", '"72"', '"72.00"', '"$72"', '"72 apples"', '"72%"', '"144/2"', '" 72 "',
     '{"answer": 72, "reasoning": ""}', '{"reasoning": "the \\"answer\\": 5 is wrong", "answer": 72.0}'],
)  # fmt: skip
def test_right_answers(answer):
    assert verdict(answer) == "correct"


@pytest.mark.parametrize("answer", ["-72", "71", "72.00000000000000000001", "72e1", '"72/100"', "0", '"7,200"'])
def test_wrong_answers(answer):
    assert verdict(answer) == "wrong"


def test_numbers_that_a_float_would_round():
    assert verdict("9007199254740993", "9007199254740992") == "wrong"
    assert verdict("9007199254740993.0", "9007199254740993") == "correct"
    assert verdict("9007199254740992.0", "9007199254740993") == "wrong"
    assert verdict("0.1000000000000000055511151231257827", "0.1") == "wrong"
    assert verdict('"1/3"', "1/3") == "correct"
    assert verdict("0.3333333333333333", "1/3") == "wrong"


@pytest.mark.parametrize(
    "answer",
    ["true", "null", "NaN", "Infinity", "-Infinity", "1e999", '"NaN"', '"inf"', '"12 34"', '"1.000,5"', '"five"', '""',
     '"5 or 6"', '"3 million"', "[72]", '{"value": 72}', "9" * 5000, '"' + "9" * 5000 + '"'],
)  # fmt: skip
def test_what_is_no_number_breaks_the_contract(answer):
    failure = CONTRACT.parse(f'{{"reasoning": "x", "answer": {answer}}}')
    assert isinstance(failure, Failure)
    assert failure.kind is Kind.BAD_VALUE
    assert "should be a" in failure.detail or "out of range" in failure.detail


def test_the_value_keeps_the_spelling():
    parsed = CONTRACT.parse('{"reasoning": "x", "answer": 9007199254740993.10}')
    assert isinstance(parsed, Parsed)
    assert parsed.value.model_dump(mode="json") == {"reasoning": "x", "answer": "9007199254740993.10"}


def test_the_schema_says_number():
    schema = CONTRACT.json_schema()
    assert list(schema["properties"]) == schema["required"] == ["reasoning", "answer"]
    assert schema["properties"]["answer"]["type"] == "number"


def test_the_detail_of_a_wrong_answer():
    [found] = Gsm8k().score([{"answer": "72"}], [CONTRACT.parse('{"reasoning": "", "answer": "1/3"}').value])
    assert found.detail == "1/3 where 72 is right"


def test_rows_lose_notes_and_keep_numbers(tmp_path):
    found = load(write(tmp_path / "d.jsonl", ROWS))
    assert [example.id for example in found.examples] == ["test-1", "test-2", "test-3"]
    assert [example.target["answer"] for example in found.examples] == ["4", "-1500", "0.5"]
    assert found.examples[0].target["solution"] == "2 + 2 = 4 in all."
    assert Gsm8k().gold(found.examples[1].target) == '{"reasoning": "-1.5 * 1,000 = -1,500", "answer": -1500}'
    assert found.examples[1].messages[0].content.startswith("A thousand\ntimes -1.5?\n\nSolve this problem.")


def test_a_fraction_is_a_string_in_the_gold_answer():
    assert Gsm8k().gold({"answer": "1/3", "solution": 'a "b"\n'}) == r'{"reasoning": "a \"b\"\n", "answer": "1/3"}'


def test_worked_examples_are_the_first_of_the_training_part(tmp_path):
    write(tmp_path / "test.jsonl", ROWS)
    write(tmp_path / "train.jsonl", TRAIN)
    found = load(tmp_path, shots=2)
    [first, second, third, fourth, question] = found.examples[0].messages
    assert first.content.startswith("What is 0?")
    assert (second.role, second.content) == ("assistant", '{"reasoning": "It is 0.", "answer": 0}')
    assert (third.role, fourth.content) == ("user", '{"reasoning": "It is 1.", "answer": 1}')
    assert question.content.startswith("Two and two?")
    assert found.examples == load(tmp_path, seed=3, shots=2).examples
    assert found.fingerprint != load(tmp_path).fingerprint


def test_a_question_is_never_its_own_worked_example(tmp_path):
    write(tmp_path / "train.jsonl", TRAIN)
    for example in load(tmp_path, split="train", shots=2).examples:
        shown = [message.content for message in example.messages[:-1:2]]
        assert len(shown) == 2
        assert example.messages[-1].content not in shown
    with pytest.raises(UserError, match=r"3 worked examples are asked for, the training part has 2 for problem"):
        load(tmp_path, split="train", shots=3)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from([None, "test", "train"])), min_size=1, max_size=12),
    st.integers(1, 3),
    st.sampled_from(["test", "train"]),
)
def test_no_question_is_asked_after_its_own_answer_whatever_a_file_says_of_its_parts(tmp_path_factory, rows, n, split):
    file = write(
        tmp_path_factory.mktemp("data") / "d.jsonl",
        [{"question": f"What is {n}?", "answer": f"#### {n}"} | ({"split": own} if own else {}) for n, own in rows],
    )
    try:
        found = load(file, shots=n, split=split).examples
    except UserError:
        return
    for example in found:
        asked = example.messages[-1].content
        assert asked not in [message.content for message in example.messages[:-1]]
    shown = {message.content for example in found for message in example.messages[:-1:2]}
    training = {f"What is {n}?" for n, own in rows if own == "train" or (own is None and split == "train")}
    assert {content.partition("\n")[0] for content in shown} <= training


@pytest.mark.parametrize("copy", [False, True])
def test_a_file_that_states_no_parts_has_no_training_part_beside_the_one_that_is_asked(tmp_path, copy):
    file = write(tmp_path / "test.jsonl", ROWS)
    if copy:
        write(tmp_path / "train.jsonl", ROWS)
    with pytest.raises(UserError, match=r"no training part to take worked examples from.*folder with train\.jsonl"):
        load(tmp_path if copy else file, shots=1)
    assert len(load(file, shots=1, split="train").examples) == 3, "others of the training part, which it is here"


def test_folders_and_names(tmp_path):
    folder = tmp_path / "sums"
    folder.mkdir()
    write(folder / "test.jsonl", ROWS)
    assert load(folder).name == "sums test"
    assert load(folder / "test.jsonl").name == "test.jsonl"
    with pytest.raises(UserError, match=r"no such file or folder \(.*train\.jsonl\)"):
        load(folder, shots=1)


ROW = json.dumps(ROWS[0]) + "\n"
BAD = {
    "empty": ("", "the data is empty (DATA)"),
    "not JSON": (ROW + "{oops\n", "not JSON: Expecting property name enclosed in double quotes (DATA:2)"),
    "no mark": (ROW + '{"question": "a", "answer": "4"}', "the answer has no '####' (DATA:2)"),
    "no number": (ROW + '{"question": "a", "answer": "#### four"}', "'four' after '####' is not a number (DATA:2)"),
    "no question": ('{"answer": "#### 4"}', "no text in the field 'question' (DATA:1)"),
    "answer of another type": ('{"question": "a", "answer": 4}', "no text in the field 'answer' (DATA:1)"),
    "split": ('{"question": "a", "answer": "#### 4", "split": "dev"}', "split 'dev' is none of train, test (DATA:1)"),
    "other split": ('{"question": "a", "answer": "#### 4", "split": "train"}', "no problem of the split 'test' (DATA)"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_data_is_one_line_with_place_and_fix(tmp_path, case):
    content, expected = BAD[case]
    path = tmp_path / "d.jsonl"
    path.write_text(content)
    with pytest.raises(UserError) as caught:
        load(path)
    message = str(caught.value).replace(str(path), "DATA")
    assert expected in message
    assert ". Fix: " in message
    assert "\n" not in message


@pytest.mark.parametrize("options", [{"split": "validation"}, {"shots": -1}, {"shot": 1}])
def test_options_refuse_what_has_no_meaning(options):
    with pytest.raises(ValidationError):
        Gsm8kOptions(**options)
