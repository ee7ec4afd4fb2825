"""Reasoning and answer: marks of every family, marks that are content, blocks that never close."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.contract import Failure, Item, Kind, Record
from listeval.models.channels import split_channels
from listeval.models.marks import find_marks, is_mark, marks_among

TAGS = [
    ("<think>", "</think>"),
    ("<Think>", "</Think>"),
    ("< think >", "</ think >"),
    ("<thinking>", "</thinking>"),
    ('<thinking type="long">', "</thinking>"),
    ("<thought>", "</thought>"),
    ("<Thoughts>", "</Thoughts>"),
    ("<reasoning>", "</reasoning>"),
    ("<reflection>", "</reflection>"),
    ("<scratchpad>", "</scratchpad>"),
    ("<analysis>", "</analysis>"),
    ("<inner_monologue>", "</inner_monologue>"),
    ("<chain_of_thought>", "</chain_of_thought>"),
    ("<seed:think>", "</seed:think>"),
    ("<mm:think>", "</mm:think>"),
    ("<think:6124c78e>", "</think:6124c78e>"),
    ("<think:opensource>", "</think:opensource>"),
    ("<begin_of_thought>", "<end_of_thought>"),
    ("<longcat_think>", "</longcat_think>"),
    ("<|acme_thinking_start|>", "<|acme_thinking_end|>"),
    ("<think_never_used_51bce0c785>", "</think_never_used_51bce0c785>"),
    ("<|im_start|>think\n", "<|im_start|>answer\n"),
    ("[THINK]", "[/THINK]"),
    ("[think]", "[/think]"),
    ("◁think▷", "◁/think▷"),
    ("<|think|>", "<|/think|>"),
    ("<|thinking|>", "<|answer|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>\n\n<|begin_of_solution|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|START_THINKING|>", "<|END_THINKING|><|START_RESPONSE|>"),
    ("<|think_start|>", "<|think_end|>"),
    ("<｜begin▁of▁thinking｜>", "<｜end▁of▁thinking｜>"),
    ("<|content_thinking|>", "<|content_text|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("<unused94>thought\n", "<unused95>"),
    ("<|channel>thought\n", "<channel|>"),
    ("<|open|>think<|sep|>", "<|close|>think<|sep|><|open|>response<|sep|>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final <|constrain|>json<|message|>"),
    ("<|channel|>commentary to=functions.rate <|constrain|>json<|message|>", "<|channel|>final<|message|>"),
]
BARE = [("analysis", "assistantfinal"), ("commentary", "assistantfinal")]
"""Harmony whose special tokens were lost in decoding."""
GRANITE = ("Here is my thought process:", "\nHere's my response:")
ANSWERS = ['[{"id": "a", "score": 3}]', '{"reasoning": "x", "answer": 2}', "[]", '["a"]', '```json\n{"answer": 2}\n```']
DRAFT = 'perhaps [{"id": "a", "score": 1}] or {"answer": 1}, "hm'


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize(("opening", "closing"), [*TAGS, *BARE, GRANITE])
def test_the_answer_is_what_follows_the_block(opening: str, closing: str, answer: str) -> None:
    assert split_channels(f"{opening}{DRAFT}{closing}\n{answer}")[1] == answer
    reasoning, _ = split_channels(f"{opening}{DRAFT}{closing}{answer}")
    assert reasoning is not None and DRAFT in reasoning


@pytest.mark.parametrize("before", ["", "\n ", "Sure.\n", "\u200b", "\ufeff", "As in [1]:\n"])
@pytest.mark.parametrize(("opening", "closing"), TAGS)
def test_a_block_that_never_closes_makes_everything_reasoning(opening: str, closing: str, before: str) -> None:
    reasoning, answer = split_channels(f"{before}{opening}Draft: {ANSWERS[0]} or not")
    assert answer == ""
    assert reasoning is not None and ANSWERS[0] in reasoning
    assert split_channels(f"{opening}a{closing}\n{opening}Draft: {ANSWERS[0]}")[1] == ""


@pytest.mark.parametrize("text", ["analysisDraft: [1]", "commentaryWe say [1]", 'analysis{"a": 1} or'])
def test_bare_harmony_without_an_end_is_all_reasoning(text: str) -> None:
    assert split_channels(text)[1] == ""


@pytest.mark.parametrize(
    "text", ["Analysis: [1]", "analysis of it: [1]", "analysis\n[1]", "Here is my thought process: [1]"]
)
def test_words_that_only_sound_alike_are_words(text: str) -> None:
    assert split_channels(text) == (None, text)


@pytest.mark.parametrize(("opening", "closing"), TAGS)
def test_the_prompt_may_open_the_block(opening: str, closing: str) -> None:
    prompt = f"<|assistant|>\n{opening}\n"
    text = f"{DRAFT}{closing}{ANSWERS[0]}"
    if find_marks(prompt):
        assert split_channels(text, prompt)[1] == ANSWERS[0]
        assert split_channels(f"{DRAFT} {ANSWERS[0]}", prompt) == (f"{DRAFT} {ANSWERS[0]}", "")
        assert split_channels(text)[1] == ANSWERS[0], "and where the prompt is not known, the end decides"


@pytest.mark.parametrize(("opening", "closing"), TAGS)
@pytest.mark.parametrize("form", ["{0}", "```json\n{0}\n```", "Here it is: {0}", "{0}\nDone."])
def test_marks_in_a_string_of_the_answer_are_content(opening: str, closing: str, form: str) -> None:
    for said in (closing, opening, f"{opening}x{closing}", f'a "quoted" {closing} b'):
        answer = form.format(json.dumps({"reasoning": said, "answer": 2}, ensure_ascii=False))
        assert split_channels(answer) == (None, answer)
        assert split_channels(f"{opening}hm{closing}\n{answer}")[1] == answer
        assert split_channels(f"{opening}hm{closing}\n{answer}")[0] == "hm"


@pytest.mark.parametrize(
    ("text", "prompt", "expected"),
    [
        ("[1]", "", (None, "[1]")),
        ("<think>a</think>\n\n[1]", "", ("a", "[1]")),
        ("<think>a [0]</think>b</think> [1]", "", ("a [0]</think>b", "[1]")),
        ("\n<think>\nnever closed [1]", "", ("never closed [1]", "")),
        ("a</think>[1]", "<|im_start|>assistant\n<think>\n", ("a", "[1]")),
        ("[1]", "<|im_start|>assistant\n<think>\n", ("[1]", "")),
        ("[1]", "<|im_start|>assistant\n<think>\n\n</think>\n\n", (None, "[1]")),
        ('["<think>"]', "", (None, '["<think>"]')),
        ("<think></think>[1]", "", ("", "[1]")),
        ("", "", (None, "")),
        ("<|channel|>final<|message|>[1]<|return|>", "", ("", "[1]")),
        ("<think>a<think>b</think>c</think>[1]", "", ("a<think>b</think>c", "[1]")),
        ('{"a": 1}\n<think>is that right?', "", ("is that right?", '{"a": 1}\n')),
        ('{"a": 1}\n<think>yes</think>', "", ("yes", '{"a": 1}\n')),
        ('{"a": 1} <think>no</think> {"a": 2}', "", ('{"a": 1} <think>no', '{"a": 2}')),
        ('<think>a</think>{"a": 1}</think>', "", ("a", '{"a": 1}')),
        ('{"a": 1}</think>', "", ('{"a": 1}', "")),
        ("<think>a</thinking>[1]", "", ("a</thinking>[1]", "")),
        ('[{"a": "b </think> c", "d": ', "", (None, '[{"a": "b </think> c", "d": ')),
        ('maybe [{"a": "b, and so </think> [{"a": 1}]', "", ('maybe [{"a": "b, and so', '[{"a": 1}]')),
        ("[]\n<think>", "", ("", "[]\n")),
        ("[1]\n<think>is it?</think>", "", ("is it?", "[1]\n")),
        ("See [1].\n<think>draft [2]", "", ("See [1].\n<think>draft [2]", "")),
        ("<br> <b>[1]</b>", "", (None, "<br> <b>[1]</b>")),
        ("{'a': 'b </think> c', 'd': 2}", "", (None, "{'a': 'b </think> c', 'd': 2}")),
        ('{"a": "b </think> c", "d": 2,}', "", (None, '{"a": "b </think> c", "d": 2,}')),
        ('{"a": "b </think> c", "d": 2', "", (None, '{"a": "b </think> c", "d": 2')),
        ('<think>He said "maybe [1, </think>[1]', "", ('He said "maybe [1,', "[1]")),
        ("<thinking>a</thinking><reflection>[1]", "", ("a</thinking><reflection>[1]", "")),
        ("analysisSo.assistantanalysisMore [2]assistantfinal[1]", "", ("So.assistantanalysisMore [2]", "[1]")),
        ("<|channel|>analysis<|message|>x [1]<|end|>", "", ("x [1]", "")),
    ],
)
def test_channels(text: str, prompt: str, expected: tuple[str | None, str]) -> None:
    assert split_channels(text, prompt) == expected


def test_a_mark_in_an_answer_is_no_failure_and_a_draft_no_answer() -> None:
    class Answer(Item):
        reasoning: str
        answer: int

    contract = Record(Answer)
    whole = json.dumps({"reasoning": "Strip </think> twice.", "answer": 2})
    reasoning, answer = split_channels(whole)
    assert not isinstance(contract.parse(answer, "stop", reasoning), Failure)
    reasoning, answer = split_channels(f"Sure.\n<think>\nDraft: {whole}")
    failure = contract.parse(answer, "stop", reasoning)
    assert isinstance(failure, Failure) and failure.kind is Kind.WRONG_CHANNEL


@given(st.text(alphabet=st.sampled_from('<>/|[]{}":, \\think1a\n'), max_size=60), st.sampled_from(["", "<think>\n"]))
def test_any_text_is_split_without_loss_of_the_answer(text: str, prompt: str) -> None:
    reasoning, answer = split_channels(text, prompt)
    if reasoning is None:
        assert answer == text
    else:
        assert all(part in text for part in (answer, *reasoning.split("\n")))


@given(st.lists(st.sampled_from(["<think>", "</think>", '{"a":1}', "[{", "[THINK]", "x", "}", "]"]), max_size=14))
def test_a_draft_in_the_last_block_is_never_the_answer(pieces: list[str]) -> None:
    text = "".join(pieces) + "</think>" + '<think>{"draft": 1}'
    assert "draft" not in split_channels(text)[1]


@pytest.mark.parametrize("heading", ["[Reasoning]", "[Thought]", "[Thinking]", "[THOUGHT]", "[reasoning]", "[Think]"])
def test_a_heading_in_brackets_that_nothing_closes_is_prose(heading: str) -> None:
    text = f'{heading} 3 + 4 = 7.\n[Answer] {{"answer": 7}}'
    assert split_channels(text, "") == (None, text)
    closing = heading.replace("[", "[/")
    reasoning, answer = split_channels(f'{heading} 3 + 4 = 7.{closing}{{"answer": 7}}', "")
    assert (reasoning or "").strip() == "3 + 4 = 7." and answer.strip() == '{"answer": 7}'


def test_a_megabyte_of_brackets_and_marks_is_read() -> None:
    for piece in ("[{", "<think>", "</think>", '{"', '["</think>', "[THINK", "<|", "<think"):
        split_channels(piece * (1_000_000 // len(piece)))


@pytest.mark.parametrize("token", ["<think>", "</think>", "<|END_THINKING|>", "[/THINK]", "◁think▷", "<unused95>"])
def test_marks_of_a_vocabulary_are_known(token: str) -> None:
    assert is_mark(token)


@pytest.mark.parametrize(
    "token",
    ["<|end|>", "<|im_start|>", "</s>", "<pad>", "[INST]", "<|begin_of_text|>", "a <think>", "<no_think>", "<nothink>"],
)
def test_other_tokens_are_none(token: str) -> None:
    assert not is_mark(token)


def test_the_parts_of_a_mark_are_kept_only_where_all_of_them_are() -> None:
    harmony = {"<|channel|>", "<|message|>", "<|start|>"}
    assert marks_among([*harmony, "<|end|>", "<|return|>", "</s>"]) == harmony
    assert marks_among(["<|start|>", "<|message|>", "<|sep|>", "<think>"]) == {"<think>"}


@pytest.mark.parametrize("quote", ["`", '"', "'"])
@pytest.mark.parametrize("answer", ['{"reasoning": "x", "answer": 2}', '[{"id": "a", "score": 3}]'])
def test_an_opening_mark_that_words_speak_of_opens_nothing(quote: str, answer: str) -> None:
    text = f"I leave out the tag {quote}<think>{quote}.\n{answer}"
    assert split_channels(text) == (None, text)


def test_a_fence_around_a_mark_is_no_quote() -> None:
    assert split_channels("```<think>```[1]")[1] == ""


def test_marks_in_strings_of_objects_with_unquoted_keys_are_content() -> None:
    text = '{reasoning: "strip </think> and <think>", answer: 2}'
    assert split_channels(text) == (None, text)


@pytest.mark.parametrize("end", ["<|im_end|>", "<|eot_id|>", "<|endoftext|>", "<|end|>\n<|endoftext|>"])
def test_a_token_that_ends_the_turn_is_no_answer(end: str) -> None:
    assert split_channels(f"<think>hm</think>{end}") == ("hm", "")
    assert split_channels(f"<think>hm</think>[1]{end}") == ("hm", "[1]")
