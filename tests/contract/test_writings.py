"""How models really write, kind by kind: every row is one way of writing an answer and what its kind is."""

import json

import pytest
from pydantic import BaseModel, Field

from listeval.contract import Calls, Flag, Id, Item, KeyedList, Kind, Parsed, Record, Score


class Scored(Item):
    review_id: Id
    score: Score


class Solved(Item):
    reasoning: str
    answer: float


class Search(Item):
    query: str
    limit: int = 3


IDS = ("RMZXM", "QK7PD", "VV2AB", "T9QLE")
LIST = KeyedList(Scored, key="review_id", ids=IDS)
OBJECT = Record(Solved)
CALLS = Calls({"search": Search})
ROWS = [{"review_id": name, "score": grade} for grade, name in enumerate(IDS, 3)]
GOOD = json.dumps(ROWS)
SOLVED = '{"reasoning": "2 + 3 = 5", "answer": 5}'
CALL = '[{"name": "search", "arguments": {"query": "hats"}}]'


def named(*names):
    return json.dumps([{"review_id": name, "score": 5} for name in names])


F = Flag
LISTS = [
    # ok, with what stands around it
    (GOOD, Kind.OK, ()),
    (json.dumps(ROWS, indent=1), Kind.OK, ()),
    (f"\ufeff{GOOD}", Kind.OK, ()),
    (f"\n\u200b{GOOD}\u00a0\n", Kind.OK, ()),
    (f"```json\n{GOOD}\n```", Kind.OK, (F.FENCED,)),
    (f"Here you are:\n```\n{GOOD}\n```", Kind.OK, (F.FENCED, F.PROSE_WRAPPED)),
    (f"``` json\n{GOOD}\n```", Kind.OK, (F.FENCED,)),
    (f"````json\n{GOOD}\n````", Kind.OK, (F.FENCED,)),
    (f"~~~json\n{GOOD}\n~~~", Kind.OK, (F.FENCED,)),
    (f"```application/json\n{GOOD}\n```\nDone.", Kind.OK, (F.FENCED, F.PROSE_WRAPPED)),
    (f"Here you are: {GOOD}", Kind.OK, (F.PROSE_WRAPPED,)),
    (f"{GOOD}\nI hope that helps!", Kind.OK, (F.PROSE_WRAPPED,)),
    (f"const answer = {GOOD};", Kind.OK, (F.PROSE_WRAPPED,)),
    (f"<answer>{GOOD}</answer>", Kind.OK, (F.PROSE_WRAPPED,)),
    (f'{{"reviews": {GOOD}}}', Kind.OK, (F.JSON_WRAPPED,)),
    (f'{{"thinking": "short", "reviews": {GOOD}, "done": true}}', Kind.OK, (F.JSON_WRAPPED,)),
    (f'```json\n{{"reviews": {GOOD}}}\n```', Kind.OK, (F.FENCED, F.JSON_WRAPPED)),
    (f'Sure: {{"reviews": {GOOD}}}', Kind.OK, (F.PROSE_WRAPPED, F.JSON_WRAPPED)),
    (f"{{reviews: {GOOD}}}", Kind.OK, (F.JSON_WRAPPED,)),
    (f'{{"data": {{"reviews": {GOOD}}}}}', Kind.OK, (F.JSON_WRAPPED,)),
    (f'I return {{"a": 1}}. Scores: {GOOD}', Kind.OK, (F.PROSE_WRAPPED,)),
    # empty
    ("", Kind.EMPTY, ()),
    (" \n\t", Kind.EMPTY, ()),
    ("\ufeff", Kind.EMPTY, ()),
    ("\u200b\u200b\n", Kind.EMPTY, ()),
    # refusal
    ("I'm sorry, but I can't help with that.", Kind.REFUSAL, ()),
    ("I’m not able to rate these reviews.", Kind.REFUSAL, ()),
    ("I must respectfully decline to rank people.", Kind.REFUSAL, ()),
    ("As an AI language model, I have no opinions [1].", Kind.REFUSAL, ()),
    ("抱歉，我无法完成这个请求。", Kind.REFUSAL, ()),
    ("Lo siento, no puedo ayudar con eso.", Kind.REFUSAL, ()),
    ("Sorry, that request cannot be fulfilled.", Kind.REFUSAL, ()),
    ("Unable to comply with this request.", Kind.REFUSAL, ()),
    ("That is not something I can help with.", Kind.REFUSAL, ()),
    ("As a large language model, I have no opinions.", Kind.REFUSAL, ()),
    ("I'm not going to rank people.", Kind.REFUSAL, ()),
    ("I don't have access to the reviews.", Kind.REFUSAL, ()),
    ("Leider kann ich das nicht tun.", Kind.REFUSAL, ()),
    ("Ich kann dir dabei nicht helfen.", Kind.REFUSAL, ()),
    ("Je ne peux pas répondre à cette demande.", Kind.REFUSAL, ()),
    ("Desculpe, não posso ajudar com isso.", Kind.REFUSAL, ()),
    ("Извините, я не могу помочь.", Kind.REFUSAL, ()),
    # no_json: words, whatever brackets they hold
    ("Review 1 is the most helpful.", Kind.NO_JSON, ()),
    ("I can't believe how good Review 1 is, it is first.", Kind.NO_JSON, ()),
    ("[Review 1] is better than [Review 2].", Kind.NO_JSON, ()),
    ("As [1] says, the second is best.", Kind.NO_JSON, ()),
    ("Best first: [1] > [2] > [3]", Kind.NO_JSON, ()),
    ("The order is: [2], [1], [3].", Kind.NO_JSON, ()),
    ("Ranking: [3] is best", Kind.NO_JSON, ()),
    ("I won't need the ids: the first is best.", Kind.NO_JSON, ()),
    ("She can't afford it and is sorry, says Review 2.", Kind.NO_JSON, ()),
    ("Cannot be beaten: Review 3.", Kind.NO_JSON, ()),
    ("Ich kann nicht meckern, Review 1 ist gut.", Kind.NO_JSON, ()),
    ("Ranked [1], [2], [3].", Kind.NO_JSON, ()),
    ("On a scale of [0, 10] they are all good.", Kind.NO_JSON, ()),
    ("[2024-01-05] the log says that all are fine", Kind.NO_JSON, ()),
    ("[10:23:45] INFO done", Kind.NO_JSON, ()),
    ("[3] > [1] > [2] > [4]", Kind.NO_JSON, ()),
    ("I am sorry to hear of the bad fit; the first is best.", Kind.NO_JSON, ()),
    ("[Review 3, Review 1], [RMZXM, QK7PD], arr[0] = x[1], [^1]", Kind.NO_JSON, ()),
    ("See [[Reviews]] and [docs](http://a.b/c).", Kind.NO_JSON, ()),
    ("Let S = {x in N} and rank by it.", Kind.NO_JSON, ()),
    ("The set {x : x > 0} is open, {} is empty.", Kind.NO_JSON, ()),
    ("- [x] first\n- [...] the rest", Kind.NO_JSON, ()),
    ("| id | score |\n| --- | --- |\n| RMZXM | 3 |", Kind.NO_JSON, ()),
    ("- review_id: RMZXM\n  score: 3", Kind.NO_JSON, ()),
    ("<review><id>RMZXM</id><score>3</score></review>", Kind.NO_JSON, ()),
    ("```json\n```", Kind.NO_JSON, ()),
    ("RMZXM: 3, QK7PD: 4", Kind.NO_JSON, ()),
    # malformed_json
    (GOOD.replace('"review_id"', "review_id"), Kind.MALFORMED_JSON, ()),
    (GOOD.replace('"', "'"), Kind.MALFORMED_JSON, ()),
    (str(ROWS), Kind.MALFORMED_JSON, ()),
    (GOOD.replace('"', "“"), Kind.MALFORMED_JSON, ()),
    (GOOD.replace('"', '\\"'), Kind.MALFORMED_JSON, ()),
    (GOOD.replace("[{", "[ // best first\n{"), Kind.MALFORMED_JSON, ()),
    (GOOD.replace("[{", "[\n# best first\n{"), Kind.MALFORMED_JSON, ()),
    (GOOD.replace("[{", "[/* best */{"), Kind.MALFORMED_JSON, ()),
    (GOOD[:-1] + ",]", Kind.MALFORMED_JSON, ()),
    (GOOD.replace("}, {", "} {"), Kind.MALFORMED_JSON, ()),
    (GOOD[:-1], Kind.MALFORMED_JSON, ()),
    (GOOD.replace(": 3", ": None"), Kind.MALFORMED_JSON, ()),
    (GOOD.replace(": 3", ": .5"), Kind.MALFORMED_JSON, ()),
    (GOOD.replace(": 3", ": +5"), Kind.MALFORMED_JSON, ()),
    (GOOD.replace(": 3", ": 05"), Kind.MALFORMED_JSON, ()),
    (f"{GOOD}\n{GOOD}", Kind.MALFORMED_JSON, (F.SEVERAL,)),
    (f"Draft: {GOOD}\nFinal: {GOOD}", Kind.MALFORMED_JSON, (F.PROSE_WRAPPED, F.SEVERAL)),
    ("\n".join(map(json.dumps, ROWS)), Kind.MALFORMED_JSON, (F.SEVERAL,)),
    (", ".join(map(json.dumps, ROWS)), Kind.MALFORMED_JSON, (F.SEVERAL,)),
    (f"As [1] says: {GOOD}", Kind.MALFORMED_JSON, (F.PROSE_WRAPPED,)),
    (f"{GOOD} See [docs].", Kind.MALFORMED_JSON, (F.PROSE_WRAPPED,)),
    (f"[{GOOD[1:-1]}, ...]", Kind.MALFORMED_JSON, ()),
    ("{RMZXM: 3, QK7PD: 4}", Kind.MALFORMED_JSON, ()),
    # wrong_type
    ('{"RMZXM": 3, "QK7PD": 4}', Kind.WRONG_TYPE, ()),
    (json.dumps(ROWS[0]), Kind.WRONG_TYPE, ()),
    (f"Sure: {json.dumps(ROWS[0])}", Kind.WRONG_TYPE, (F.PROSE_WRAPPED,)),
    (f'{{"ids": ["a"], "reviews": {GOOD}}}', Kind.WRONG_TYPE, ()),
    (f'Sure: {{"ids": ["a"], "reviews": {GOOD}}}', Kind.WRONG_TYPE, (F.PROSE_WRAPPED,)),
    (json.dumps(GOOD), Kind.WRONG_TYPE, ()),
    ("[3, 9, 5, 1]", Kind.WRONG_TYPE, ()),
    ("Scores: [3, 9, 5, 1]", Kind.WRONG_TYPE, (F.PROSE_WRAPPED,)),
    ("[1]", Kind.WRONG_TYPE, ()),
    (json.dumps(list(IDS)), Kind.WRONG_TYPE, ()),
    (json.dumps([[name, 5] for name in IDS]), Kind.WRONG_TYPE, ()),
    ("[null, null]", Kind.WRONG_TYPE, ()),
    ("7", Kind.WRONG_TYPE, ()),
    ("null", Kind.WRONG_TYPE, ()),
    ('"RMZXM"', Kind.WRONG_TYPE, ()),
    ("{}", Kind.WRONG_TYPE, ()),
    # missing_key, extra_key, bad_value
    (GOOD.replace("review_id", "Review_ID"), Kind.MISSING_KEY, ()),
    (GOOD.replace("review_id", "id"), Kind.MISSING_KEY, ()),
    (json.dumps([{name: 5} for name in IDS]), Kind.MISSING_KEY, ()),
    ("[{}, {}]", Kind.MISSING_KEY, ()),
    (GOOD.replace('"score": 3', '"score": 3, "why": "warm"'), Kind.EXTRA_KEY, ()),
    (GOOD.replace('"score": 3', '"score": 3, "score": 3'), Kind.EXTRA_KEY, ()),
    (GOOD.replace(": 3", ': "7/10"'), Kind.BAD_VALUE, ()),
    (GOOD.replace(": 3", ': "high"'), Kind.BAD_VALUE, ()),
    (GOOD.replace(": 3", ": null"), Kind.BAD_VALUE, ()),
    (GOOD.replace(": 3", ": NaN"), Kind.BAD_VALUE, ()),
    (GOOD.replace(": 3", ": [3]"), Kind.BAD_VALUE, ()),
    # the list itself
    (named(*IDS, "RMZXM"), Kind.TOO_LONG, ()),
    (named("RMZXM", "RMZXM", "VV2AB", "T9QLE"), Kind.DUPLICATE_ID, ()),
    (named("RMZXM", "RMZXM", "Review 3", "T9QLE"), Kind.DUPLICATE_ID, (F.POSITIONS,)),
    (named(*IDS[:3]), Kind.MISSING_ID, ()),
    ("[]", Kind.MISSING_ID, ()),
    (named("rmzxm", *IDS[1:]), Kind.UNKNOWN_ID, ()),
    (named("XXXXX", *IDS[1:]), Kind.UNKNOWN_ID, ()),
    (named("Review 1", "XXXXX", *IDS[2:]), Kind.UNKNOWN_ID, ()),
    (named(1, 2, 3, 77), Kind.UNKNOWN_ID, ()),
    (named("Review 9", *IDS[1:]), Kind.UNKNOWN_ID, ()),
    *[
        (named(*names), Kind.POSITION_ONLY, (F.POSITIONS,))
        for names in [
            (1, 2, 3, 4), ("1", "2", "3", "4"), (0, 1, 2, 3), ("#1", "#2", "#3", "#4"), ("[1]", "[2]", "[3]", "[4]"),
            ("Review 1", "Review 2", "Review 3", "Review 4"), ("review 1", "review 2"), ("REVIEW 1",),
            ("[Review 1]", "[Review 2]"), ("Review #1", "Review #2"), ("review_1", "review-2", "Review3"),
            ("R1", "R2", "R3", "R4"), ("1.", "2.", "3)", "(4)"), ("first", "second", "third", "4th"),
            ("Review One", "review two"), ("the first review", "2nd review"), ("Item 1", "Passage 2", "doc 3"),
            ("Review 1 (id=RMZXM)", "Review 2 id=QK7PD"), ("[Review 1] id=RMZXM",), ("No. 1", "Review no. 2"),
            ("id=RMZXM", "id=QK7PD"), ("[RMZXM]", "QK7PD"), ("Review RMZXM", "review id: QK7PD"), ("RMZXM", "<QK7PD>"),
            (1, 1, 2, 3), ("RMZXM", "Review 2", "VV2AB", "T9QLE"), ("RMZXM", 2, "VV2AB", "T9QLE"),
        ]
    ],
]  # fmt: skip
OBJECTS = [
    (SOLVED, Kind.OK, ()),
    (f"[{SOLVED}]", Kind.OK, (F.JSON_WRAPPED,)),
    (f'{{"result": {SOLVED}', Kind.MALFORMED_JSON, ()),
    (f"So: {SOLVED} Done.", Kind.OK, (F.PROSE_WRAPPED,)),
    ('{reasoning: "x", answer: 5}', Kind.MALFORMED_JSON, ()),
    ("{reasoning: two and three, answer: five}", Kind.MALFORMED_JSON, ()),
    ('{"reasoning" = "x", "answer" = 5}', Kind.MALFORMED_JSON, ()),
    ("{“reasoning”: “x”, “answer”: 5}", Kind.MALFORMED_JSON, ()),
    ("{‘reasoning’: ‘x’, ‘answer’: 5}", Kind.MALFORMED_JSON, ()),
    ('{ // steps\n "reasoning":"x","answer":5}', Kind.MALFORMED_JSON, ()),
    ('{\n# steps\n"reasoning":"x","answer":5}', Kind.MALFORMED_JSON, ()),
    ("{`reasoning`: `x`, `answer`: 5}", Kind.MALFORMED_JSON, ()),
    (SOLVED.replace('"', '\\"'), Kind.MALFORMED_JSON, ()),
    ('{/* a */"reasoning":"x","answer":5}', Kind.MALFORMED_JSON, ()),
    (SOLVED.replace('"', "'"), Kind.MALFORMED_JSON, ()),
    (SOLVED.replace(": 5", ": True"), Kind.MALFORMED_JSON, ()),
    (SOLVED[:-1] + ",}", Kind.MALFORMED_JSON, ()),
    (SOLVED[:-1], Kind.MALFORMED_JSON, ()),
    (SOLVED[1:], Kind.NO_JSON, ()),
    ("{" + SOLVED + "}", Kind.MALFORMED_JSON, ()),
    ('{"reasoning": "line one\nline two", "answer": 5}', Kind.MALFORMED_JSON, ()),
    (f"{SOLVED}\n{SOLVED}", Kind.MALFORMED_JSON, (F.SEVERAL,)),
    (f"Let S = {{x in N}}. {SOLVED}", Kind.MALFORMED_JSON, (F.PROSE_WRAPPED,)),
    (f"[{SOLVED}, {SOLVED}]", Kind.WRONG_TYPE, ()),
    (json.dumps(SOLVED), Kind.WRONG_TYPE, ()),
    ("[5]", Kind.WRONG_TYPE, ()),
    ("5", Kind.WRONG_TYPE, ()),
    ("[]", Kind.WRONG_TYPE, ()),
    ("The answer is [5] of course.", Kind.NO_JSON, ()),
    ("- [ ] add\n- [ ] carry", Kind.NO_JSON, ()),
    ("Let S = {x in N} and so the sum is five.", Kind.NO_JSON, ()),
    ("S = {1, 2, 3}, so |S| = 3", Kind.NO_JSON, ()),
    ("\\frac{1}{2} + \\boxed{5}", Kind.NO_JSON, ()),
    ("f(x) = { x if x > 0 }", Kind.NO_JSON, ()),
    ("body { color: red; }", Kind.NO_JSON, ()),
    ("{x: 1 < x < 5}", Kind.NO_JSON, ()),
    ("{answer}", Kind.NO_JSON, ()),
    ('{"answer": 5}', Kind.MISSING_KEY, ()),
    ('{"result": {"reasoning": "x", "answer": 5}}', Kind.MISSING_KEY, ()),
    (SOLVED.replace(": 5", ': "5"'), Kind.BAD_VALUE, ()),
    (SOLVED.replace(": 5", ": null"), Kind.BAD_VALUE, ()),
    (SOLVED[:-1] + ', "unit": "m"}', Kind.EXTRA_KEY, ()),
    ("{name: x}", Kind.NO_JSON, ()),
    ('The set {"red", "blue"} has two, {\'a\'} one.', Kind.NO_JSON, ()),
    ('{"answer", "reasoning"}', Kind.MALFORMED_JSON, ()),
    ("{&quot;reasoning&quot;:&quot;x&quot;,&quot;answer&quot;:5}", Kind.MALFORMED_JSON, ()),
    ('{<!-- steps -->"reasoning":"x","answer":5}', Kind.MALFORMED_JSON, ()),
    ("{1: 5, 2: 9}", Kind.MALFORMED_JSON, ()),
    ('{"reasoning": "x"; "answer": 5}', Kind.MALFORMED_JSON, ()),
    ('{"reasoning": "say "hi"", "answer": 5}', Kind.MALFORMED_JSON, ()),
    ('{"reasoning": "x", "answer": 1/4}', Kind.MALFORMED_JSON, ()),
    ("{\n  reasoning: x\n  answer: 5\n}", Kind.MALFORMED_JSON, ()),
    ("if (x) { return 5; }", Kind.NO_JSON, ()),
    ("{%- if x -%} ${answer} {{x}}", Kind.NO_JSON, ()),
]
CALLS_ROWS = [
    (CALL, Kind.OK, ()),
    (f'{{"calls": {CALL}}}', Kind.OK, (F.JSON_WRAPPED,)),
    (CALL[1:-1], Kind.WRONG_TYPE, ()),
    ("search(query='hats')", Kind.NO_JSON, ()),
    ("[search(query='hats')]", Kind.NO_JSON, ()),
    ('[{"name": "find", "arguments": {"query": "hats"}}]', Kind.BAD_VALUE, ()),
    ('[{"name": null, "arguments": {"query": "hats"}}]', Kind.BAD_VALUE, ()),
    ('[{"function": "search", "arguments": {"query": "hats"}}]', Kind.MISSING_KEY, ()),
    ('[{"name": "search", "arguments": "{\\"query\\": \\"hats\\"}"}]', Kind.BAD_VALUE, ()),
    ("[{name: search, arguments: {query: hats}}]", Kind.MALFORMED_JSON, ()),
]


@pytest.mark.parametrize(
    ("contract", "text", "kind", "flags"),
    [(LIST, *row) for row in LISTS] + [(OBJECT, *row) for row in OBJECTS] + [(CALLS, *row) for row in CALLS_ROWS],
)
def test_a_writing_has_its_kind_and_flags(contract, text, kind, flags):
    result = contract.parse(text)
    assert (Kind.OK if isinstance(result, Parsed) else result.kind, set(result.flags)) == (kind, set(flags))


def test_the_table_is_a_table():
    assert len(LISTS) + len(OBJECTS) + len(CALLS_ROWS) >= 100
    decided = {kind for _, kind, _ in LISTS + OBJECTS + CALLS_ROWS}
    other = {Kind.ENGINE_ERROR, Kind.CONSTRAINT_IGNORED, Kind.TRUNCATED, Kind.WHITESPACE_RUNAWAY, Kind.WRONG_CHANNEL}
    assert decided | other | {Kind.CONTRACT_OTHER} == set(Kind)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (GOOD[:40], Kind.TRUNCATED),
        ("", Kind.TRUNCATED),
        (GOOD, Kind.TRUNCATED),
        (GOOD[:40] + "\n" * 31, Kind.TRUNCATED),
        (GOOD[:40] + "\n" * 32, Kind.WHITESPACE_RUNAWAY),
        (GOOD[:40] + " \t\u00a0\n" * 8, Kind.WHITESPACE_RUNAWAY),
        ("\n" * 50, Kind.WHITESPACE_RUNAWAY),
        ('{"reasoning": "so' + "\\n" * 40, Kind.WHITESPACE_RUNAWAY),
        (f"{GOOD}\nMoreover, the first", Kind.TRUNCATED),
    ],
)
def test_what_a_spent_budget_went_into(text, kind):
    assert LIST.parse(text, "length").kind is kind


@pytest.mark.parametrize(
    "name",
    ["Result {0}", "Article {0}", "response_{0}", "index {0}", "position {0}", "rank {0}", "review_id_{0}", "{0}/4",
     "review {0} of 4", "{1} (Review {0})", "{0}: {1}", "{0}. {1}"],
)  # fmt: skip
def test_what_refers_to_places_is_no_invented_id(name):
    text = named(*(name.format(place, own) for place, own in enumerate(IDS, 1)))
    assert LIST.parse(text).kind is Kind.POSITION_ONLY


def test_numerals_are_places():
    assert LIST.parse(named("one", "two", "three", "four")).kind is Kind.POSITION_ONLY


def test_a_name_that_has_the_form_of_the_ids_is_an_invented_one():
    contract = KeyedList(Scored, key="review_id", ids=("R11", "R12", "R17"))
    text = '[{"review_id": "R11", "score": 1}, {"review_id": "R3", "score": 1}, {"review_id": "R12", "score": 1}]'
    assert contract.parse(text).kind is Kind.UNKNOWN_ID
    assert contract.parse(text.replace('"R3"', '"Review 3"')).kind is Kind.POSITION_ONLY
    numbers = KeyedList(Scored, key="review_id", ids=("11", "12", "17"))
    assert numbers.parse(text.replace('"R', '"')).kind is Kind.UNKNOWN_ID


@pytest.mark.parametrize(
    ("contract", "text", "bare"),
    [
        (LIST, GOOD, True),
        (LIST, f" \n{GOOD}\r\n", True),
        (LIST, named("XX"), True),
        (LIST, "[]", True),
        (LIST, GOOD[:-1] + ",]", False),
        (LIST, f"```json\n{GOOD}\n```", False),
        (LIST, f"Here: {GOOD}", False),
        (LIST, f'{{"reviews": {GOOD}}}', False),
        (LIST, f"\ufeff{GOOD}", False),
        (LIST, "3", False),
        (LIST, "", False),
        (LIST, "[" * 100_000, False),
        (OBJECT, SOLVED, True),
        (OBJECT, f"[{SOLVED}]", False),
        (OBJECT, "{}", True),
        (CALLS, CALL, True),
        (CALLS, CALL[1:-1], False),
        (Record(Solved, extraction="whole"), SOLVED, True),
    ],
)
def test_bare_is_what_a_consumer_can_load(contract, text, bare):
    assert contract.is_bare(text) is bare


class Cat(Item):
    kind: str = "cat"
    lives: int


class Dog(Item):
    bark: str


class Zoo(Item):
    count: int | str = 1
    pet: Cat | Dog | None = None
    pets: list[int | Cat] = Field([], max_length=3)


@pytest.mark.parametrize(
    ("text", "kind", "detail"),
    [
        ('{"count": 1.5}', Kind.BAD_VALUE, "'count' should be a valid integer or a valid string"),
        ('{"pet": {"lives": "9"}}', Kind.BAD_VALUE, "'pet.lives' should be a valid integer"),
        ('{"pet": {"lives": 9, "name": "Tom"}}', Kind.EXTRA_KEY, "the unknown key 'pet.name'"),
        ('{"pet": {"kind": "dog"}}', Kind.MISSING_KEY, "lacks 'pet.lives'"),
        ('{"pets": [1, {"lives": null}]}', Kind.BAD_VALUE, "'pets.1.lives' should be a valid integer"),
        ('{"pets": ["x"]}', Kind.BAD_VALUE, "'pets.0' should be a valid integer or an object"),
        ('{"pets": [1, 2, 3, 4]}', Kind.BAD_VALUE, "'pets' "),
    ],
)
def test_a_detail_speaks_of_the_answer_and_of_the_branch_that_it_is_closest_to(text, kind, detail):
    result = Record(Zoo).parse(text)
    assert result.kind is kind
    assert detail in result.detail


def test_a_detail_names_the_discriminator():
    [wrong, absent] = [CALLS.parse(f'[{{{name}"arguments": {{"query": ""}}}}]') for name in ('"name": "find", ', "")]
    assert wrong.detail == "object 1: 'name' should be one of 'search', not 'find'"
    assert absent.detail == "object 1 lacks 'name'"
    inner = CALLS.parse('[{"name": "search", "arguments": {"query": 1}}]')
    assert inner.detail == "object 1: 'arguments.query' should be a valid string"


class Plain(BaseModel):
    n: int


def test_a_model_within_a_contract_has_to_be_strict():
    import typing
    from dataclasses import dataclass

    from pydantic import ConfigDict, RootModel
    from pydantic.dataclasses import dataclass as pydantic_dataclass

    @dataclass
    class Inherits:
        n: int

    @pydantic_dataclass
    class Lax:
        n: int

    class Tags(RootModel[list[int]]):
        pass

    class StrictTags(RootModel[list[int]]):
        model_config = ConfigDict(strict=True)

    class Said(BaseModel):
        model_config = ConfigDict(strict=True, extra="allow")
        n: int

    T = typing.TypeVar("T")

    class Box(Item, typing.Generic[T]):
        value: T

    def holding(kind):
        return type("Outer", (Item,), {"__annotations__": {"inner": kind}, "__module__": __name__})

    lax = [Plain, list[Plain], dict[str, Plain], Plain | None, int | Plain, tuple[Plain, int], Lax, Tags, Box[Plain]]
    for kind in lax:
        with pytest.raises(ValueError, match=r"does not say .*derive (Plain|Lax|Tags) from listeval.contract.Item"):
            Record(holding(kind))
        with pytest.raises(ValueError, match="does not say"):
            Calls({"f": holding(kind)})
    for kind in (Inherits, StrictTags, Said, Cat, list[Cat | Dog], Box[Cat]):
        assert Record(holding(kind))
    with pytest.raises(ValueError, match="does not say"):
        Calls({"f": Plain})
