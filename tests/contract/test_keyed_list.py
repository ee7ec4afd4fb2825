"""Every verdict of a list contract on hand-written answers, and what is pointed at."""

import json

import pytest
from pydantic import Field

from listeval.contract import Failure, Flag, Id, Item, KeyedList, Kind, Parsed, Score


class Scored(Item):
    review_id: Id
    score: Score


class Reasoned(Scored):
    why: str | None = None


IDS = ("R1A", "R2B", "R3C", "R4D")
CONTRACT = KeyedList(Scored, key="review_id", ids=IDS)
FULL = [{"review_id": name, "score": grade} for grade, name in enumerate(IDS)]
TEXT = json.dumps(FULL)


def items(*names, score=5):
    return json.dumps([{"review_id": name, "score": score} for name in names])


FAILURES = {
    "one missing": (items(*IDS[:3]), Kind.MISSING_ID),
    "two missing": (items(*IDS[:2]), Kind.MISSING_ID),
    "empty list": ("[]", Kind.MISSING_ID),
    "twice in place of another": (items("R1A", "R1A", "R2B", "R3C"), Kind.DUPLICATE_ID),
    "twice and fewer": (items("R1A", "R1A"), Kind.DUPLICATE_ID),
    "twice and invented": (items("R1A", "R1A", "R2B", "ZZ"), Kind.DUPLICATE_ID),
    "invented in place of one": (items("R1A", "R2B", "R3C", "ZZ"), Kind.UNKNOWN_ID),
    "invented and fewer": (items("R1A", "ZZ"), Kind.UNKNOWN_ID),
    "another case is another id": (items("r1a", "R2B", "R3C", "R4D"), Kind.UNKNOWN_ID),
    "positions as numbers": (items(1, 2, 3, 4), Kind.POSITION_ONLY),
    "positions as words": (items("Review 1", "Review 2", "Review 3", "Review 4"), Kind.POSITION_ONLY),
    "positions from zero": (items("0", "1", "2", "3"), Kind.POSITION_ONLY),
    "a number that is no position": (items(1, 2, 3, 77), Kind.UNKNOWN_ID),
    "one more": (items(*IDS, "R1A"), Kind.TOO_LONG),
    "no key": (json.dumps([{"review_id": name} for name in IDS]), Kind.MISSING_KEY),
    "no key and another": (json.dumps([{"id": name, "score": 1} for name in IDS]), Kind.MISSING_KEY),
    "one key more": (json.dumps([{**item, "why": ""} for item in FULL]), Kind.EXTRA_KEY),
    "a key twice": (TEXT.replace('"score": 0', '"score": 0, "score": 9'), Kind.EXTRA_KEY),
    "a key twice, escaped": (TEXT.replace('"score": 0', '"score": 0, "sc\\u006fre": 9'), Kind.EXTRA_KEY),
    "a word for a score": (items(*IDS, score="high"), Kind.BAD_VALUE),
    "a fraction for a score": (items(*IDS, score="8/10"), Kind.BAD_VALUE),
    "a boolean": (items(*IDS, score=True), Kind.BAD_VALUE),
    "null": (items(*IDS, score=None), Kind.BAD_VALUE),
    "NaN": (items(*IDS, score=float("nan")), Kind.BAD_VALUE),
    "Infinity": (items(*IDS, score=float("-inf")), Kind.BAD_VALUE),
    "a word for NaN": (items(*IDS, score="nan"), Kind.BAD_VALUE),
    "400 digits": (TEXT.replace(": 3", ": " + "9" * 400), Kind.BAD_VALUE),
    "400 digits in a string": (TEXT.replace(": 3", ': "' + "9" * 400 + '"'), Kind.BAD_VALUE),
    "5,000 digits": (TEXT.replace(": 3", ": " + "9" * 5000), Kind.BAD_VALUE),
    "underscores": (items(*IDS, score="1_0"), Kind.BAD_VALUE),
    "an id that is a float": (items(1.5, "R2B", "R3C", "R4D"), Kind.BAD_VALUE),
    "numbers only": ("[1, 2, 3, 4]", Kind.WRONG_TYPE),
    "an object": (json.dumps(dict.fromkeys(IDS, 1)), Kind.WRONG_TYPE),
    "a bare number": ("7", Kind.WRONG_TYPE),
    "cut by the model": (TEXT[:-20] + "]", Kind.MALFORMED_JSON),
    "never closed": (TEXT[:-1], Kind.MALFORMED_JSON),
    "Python's quotes": (str(FULL), Kind.MALFORMED_JSON),
    "trailing comma": (TEXT[:-1] + ",]", Kind.MALFORMED_JSON),
    "two lists": (f"{TEXT}\n{TEXT}", Kind.MALFORMED_JSON),
    "objects one a line": ("\n".join(map(json.dumps, FULL)), Kind.MALFORMED_JSON),
    "words": ("They are all helpful.", Kind.NO_JSON),
    "words in brackets": ("I prefer [Review 1] to [Review 2].", Kind.NO_JSON),
    "regret": ("I'm sorry, but I can't score people's reviews.", Kind.REFUSAL),
    "regret with a bracket": ("As an AI, I do not rate [Review 1].", Kind.REFUSAL),
    "nothing": ("", Kind.EMPTY),
    "blanks": (" \n\t ", Kind.EMPTY),
}


@pytest.mark.parametrize("name", FAILURES)
def test_each_failure_has_its_kind(name):
    text, kind = FAILURES[name]
    result = CONTRACT.parse(text)
    assert isinstance(result, Failure)
    assert result.kind is kind
    assert result.detail
    if result.span is not None:
        assert 0 <= result.span[0] <= result.span[1] <= len(text)


VALID = {
    "plain": TEXT,
    "any order": json.dumps(FULL[::-1]),
    "indented": json.dumps(FULL, indent=2),
    "numeric strings": items(*IDS, score="7.5"),
    "negative and out of range": items(*IDS, score=-11),
    "inside an object": json.dumps({"reviews": FULL}),
}


@pytest.mark.parametrize("name", VALID)
def test_valid_answers_parse(name):
    result = CONTRACT.parse(VALID[name])
    assert isinstance(result, Parsed)
    assert sorted(item.review_id for item in result.value) == sorted(IDS)


def test_ids_that_are_integers_may_be_written_without_quotes():
    contract = KeyedList(Scored, key="review_id", ids=("101", "102"))
    result = contract.parse('[{"review_id": 102, "score": 1}, {"review_id": "101", "score": 2}]')
    assert [item.review_id for item in result.value] == ["102", "101"]


def test_fmc_is_exactly_one_id_missing_and_nothing_else():
    assert CONTRACT.parse(items(*IDS[:3])).fmc
    assert not CONTRACT.parse(items(*IDS[:2])).fmc
    assert not CONTRACT.parse(items("R1A", "R2B", "ZZ")).fmc
    assert CONTRACT.parse(items(*IDS[:2])).missing == 2


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        (f"```json\n{TEXT}\n```", {Flag.FENCED}),
        (f"```\n{TEXT}```", {Flag.FENCED}),
        (f"Sure!\n```json\n{TEXT}\n```\nDone.", {Flag.FENCED, Flag.PROSE_WRAPPED}),
        (f"Scores: {TEXT}", {Flag.PROSE_WRAPPED}),
        (f'{{"type": "array", "properties": {{}}}}\n{TEXT}', {Flag.PROSE_WRAPPED, Flag.SCHEMA_ECHO}),
        (json.dumps([{"score": 1, "review_id": name} for name in IDS]), {Flag.KEY_ORDER}),
        (TEXT, set()),
        (f"\n{TEXT} ", set()),
    ],
)
def test_flags_do_not_decide(text, flags):
    result = CONTRACT.parse(text)
    assert isinstance(result, Parsed)
    assert set(result.flags) == flags


def test_failures_keep_their_flags():
    assert CONTRACT.parse(f"```json\n{items(*IDS[:3])}\n```").flags == (Flag.FENCED,)


@pytest.mark.parametrize(
    ("text", "finish", "reasoning", "kind"),
    [
        (TEXT, "length", None, Kind.TRUNCATED),
        (TEXT[:30], "length", None, Kind.TRUNCATED),
        ("", "length", None, Kind.TRUNCATED),
        (TEXT[:30] + " \n" * 30, "length", None, Kind.WHITESPACE_RUNAWAY),
        ("", "stop", TEXT, Kind.WRONG_CHANNEL),
        ("", "stop", " ", Kind.EMPTY),
        ("", "error", None, Kind.ENGINE_ERROR),
        (TEXT, "error", None, Kind.ENGINE_ERROR),
        (TEXT, "content_filter", None, Kind.REFUSAL),
    ],
)
def test_engine_finish_reason_and_channel_come_before_json(text, finish, reasoning, kind):
    assert CONTRACT.parse(text, finish, reasoning).kind is kind


def test_a_complete_list_before_the_cap_is_still_truncated_and_says_so():
    assert "complete list" in CONTRACT.parse(TEXT + " and", "length").detail


def test_the_fault_is_pointed_at():
    text = items("R1A", "R2B", "R1A", "R3C")
    start, end = CONTRACT.parse(text).span
    assert (text[start:end], text[:start].count("R1A")) == ("R1A", 1)
    text = '[{"score": 5, "review_id": 5}, {"score": 5, "review_id": "5"}, {"score": 8, "review_id": 8}]'
    start, end = KeyedList(Scored, key="review_id", ids=("5", "15", "7")).parse(text).span
    assert (start, end) == (text.index('"5"') + 1, text.index('"5"') + 2)
    text = "ü" * 9 + TEXT.replace('"score": 2', '"score" 2')
    start, _ = CONTRACT.parse(text).span
    assert text[start - 8 : start + 1] == '"score" 2'


def test_an_optional_key_may_be_left_out_but_not_repeated():
    contract = KeyedList(Reasoned, key="review_id", ids=IDS)
    assert isinstance(contract.parse(TEXT), Parsed)
    assert contract.parse(TEXT.replace('"score": 0', '"score": 0, "score": 9')).kind is Kind.EXTRA_KEY


def test_schema_names_the_ids_and_keeps_the_key_order():
    schema = CONTRACT.json_schema()
    assert list(schema["items"]["properties"]) == ["review_id", "score"]
    assert schema["items"]["properties"]["review_id"]["enum"] == list(IDS)
    assert (schema["minItems"], schema["maxItems"]) == (4, 4)


def test_contracts_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="R1A"):
        KeyedList(Scored, key="review_id", ids=("R1A", "R1A"))
    with pytest.raises(ValueError, match="nope"):
        KeyedList(Scored, key="nope", ids=IDS)

    class Renamed(Item):
        review_id: Id
        score: Score = Field(alias="points")

    with pytest.raises(ValueError, match=r"Renamed\.score has an alias"):
        KeyedList(Renamed, key="review_id", ids=IDS)
