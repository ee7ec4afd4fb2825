"""Reasoning and answer kept apart in a raw completion.

A mark outside of JSON decides (`marks` says what a mark is); one inside a string of the answer's JSON is content.
What stands in a block is never the answer, and neither is what follows an opening mark that is never closed: the
budget went into thinking, and what looks like an answer there is a draft. Of several answers outside the blocks the
last one counts; a stray mark after the answer takes nothing away from it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from listeval.models.marks import Mark, MarkPair, closes, find_marks, opened_by

_JSON = re.compile(r"""\[\s*(?:[\[\]{"'\d-]|true\b|false\b|null\b)|\{\s*(?:["'}]|[A-Za-z_]\w{0,40}\s*:\s*["'])""")
"""Where JSON may begin; prose in brackets (`[Review 1]`) does not look like this."""
_ANSWER = re.compile(r"""\[\s*[\[{"']|\{\s*(?:["']|[A-Za-z_]\w{0,40}\s*:\s*["'])""")
"""Where JSON begins that can be an answer, its keys unquoted or not: `[1]` in a sentence is a citation."""
_LEXEME = re.compile(r'"(?:[^"\\]|\\.)*+"|["\[\]{}]', re.DOTALL)
_QUOTED = re.compile(r"[\[{\s]+'")
_QUOTED_LEXEME = re.compile(r"\"(?:[^\"\\]|\\.)*+\"|'(?:[^'\\]|\\.)*+'|[\"\[\]{}]", re.DOTALL)
"""For Python's way of writing JSON, which is no JSON, but not to be cut at a mark either."""
_ENDS = re.compile(
    r"(?:\s*<\|(?:end|return|call|end_response|end_text|end_of_solution|end_of_answer|end_answer|close|eot|end_message"
    r"|im_end|eot_id|eom_id|endoftext|end_of_text)\|>)+\s*\Z",
    re.IGNORECASE,
)
_DECODER = json.JSONDecoder(parse_int=str)
_FAILED = 64
"""Brackets that turn out not to be JSON before the reader gives up looking for more, and marks that may end a draft:
both keep it linear."""


class _Segment(NamedTuple):
    """text[start:end] outside of any block; `answers` where JSON that can be an answer stands in it."""

    start: int
    end: int
    answers: bool


def split_channels(text: str, prompt: str = "", own: MarkPair | None = None) -> tuple[str | None, str]:
    """`(reasoning, answer)` of a raw completion; reasoning is None where no mark sets any apart.

    `prompt` is the rendered text that `text` continues: templates of reasoning models end it with an opening mark.
    `own` are marks of the model's template that are of no known family.
    """
    marks, chosen = _answer(text, prompt, own)
    if chosen is None:
        return None, text
    answer = "".join(text[part.start : part.end] for part in chosen)
    return _reasoning(text, marks, chosen), _ENDS.sub("", answer).lstrip()


def answer_parts(text: str, prompt: str = "", own: MarkPair | None = None) -> list[tuple[int, int]]:
    """Where the answer that `split_channels` finds stands: `text[start:end]` of each part, none where there is none."""
    _, chosen = _answer(text, prompt, own)
    return [(0, len(text))] if chosen is None else [(part.start, part.end) for part in chosen]


def _answer(text: str, prompt: str, own: MarkPair | None) -> tuple[list[Mark], list[_Segment] | None]:
    """The marks in `text`, and the segments that are the answer; None where no mark sets any reasoning apart."""
    opened = opened_by(prompt, own) if prompt else None
    marks = find_marks(text, own)
    if not marks and opened is None:
        return marks, None
    segments, unclosed = _Reader(text, marks).segments(opened)
    if not unclosed and segments == [_Segment(0, len(text), segments[0].answers)]:
        return marks, None
    return marks, _chosen(text, segments, unclosed=unclosed)


class ChannelDecoder(Protocol):
    """What turns ids into text, and may know marks of its model's own (`own_marks`)."""

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of generated ids, the special tokens that are marks among it."""


def split_decoded(renderer: ChannelDecoder, token_ids: Sequence[int], prompt: str) -> tuple[str | None, str]:
    """`split_channels` of generated ids."""
    return split_channels(renderer.decode(token_ids), prompt, getattr(renderer, "own_marks", None))


def _chosen(text: str, segments: list[_Segment], *, unclosed: bool) -> list[_Segment]:
    """The segments that are the answer."""
    earlier = [part for part in segments if part.answers][-1:]
    if unclosed:
        return earlier
    last = segments[-1]
    if last.answers or not earlier:
        return [last]
    # Words after the answer and after another block: they belong to it, as in a server's `content`.
    return [*earlier, last] if text[last.start : last.end].strip() else earlier


def _reasoning(text: str, marks: list[Mark], chosen: list[_Segment]) -> str | None:
    """What is not the answer, without the marks around it."""
    first, last = (chosen[0].start, chosen[-1].end) if chosen else (len(text), len(text))
    parts = [_bare(text, marks, 0, first), _bare(text, marks, last, len(text))]
    if len(chosen) > 1:
        parts.insert(1, _bare(text, marks, chosen[0].end, chosen[-1].start))
    return "\n".join(part for part in parts if part)


def _bare(text: str, marks: list[Mark], start: int, end: int) -> str:
    """text[start:end] stripped of blanks, of one opening mark at its head and of the closing marks at its end."""
    head = next((m for m in marks if m.start >= start and m.opens and not text[start : m.start].strip()), None)
    if head is not None and head.end <= end:
        start = head.end
    for mark in reversed(marks):
        if mark.end <= end and mark.start >= start:
            if mark.opens or text[mark.end : end].strip():
                break
            end = mark.start
    return _ENDS.sub("", text[start:end].removesuffix("<|start|>assistant")).strip()


class _Reader:
    """Walks a text once, inside and outside of blocks."""

    def __init__(self, text: str, marks: list[Mark]) -> None:
        self._text, self._marks = text, marks
        self._next = 0
        self._failed = self._bad_drafts = 0

    def segments(self, family: str | None) -> tuple[list[_Segment], bool]:
        """What stands outside of blocks, in order, and whether the last block never closes.

        `family` is that of a block that is open from the start.
        """
        found: list[_Segment] = []
        start, blocks = 0, 0
        while True:
            if family is not None:
                mark = self._close(family, start)
                if mark is None:
                    return found, True
                start, family, blocks = mark.end, None, blocks + 1
                continue
            answers, mark = self._outside(start)
            if mark is None:
                return [*found, _Segment(start, len(self._text), answers)], False
            answers = answers or self._is_json(start, mark.start)
            # A closing mark whose opening is not to be seen (the prompt's, or lost) ends a block all the same;
            # after a block it may be a mark that strayed behind the answer.
            if mark.opens or (answers and blocks):
                found.append(_Segment(start, mark.start, answers))
            family = mark.family if mark.opens else None
            start, blocks = mark.end, blocks + 1

    def _close(self, family: str, at: int) -> Mark | None:
        """The mark that closes the block of `family` which begins at `at`."""
        for place in range(self._next, len(self._marks)):
            mark = self._marks[place]
            if closes(mark, family):
                at = self._past_drafts(at, mark.start)
                if at == mark.start:
                    self._next = place + 1
                    return mark
        return None

    def _past_drafts(self, at: int, until: int) -> int:
        """`until`, or the end of the JSON that reaches over it: whole drafts in a block may speak of marks, too."""
        while at < until and self._bad_drafts < _FAILED:
            start = _ANSWER.search(self._text, at, until)
            if start is None:
                break
            try:
                at = _DECODER.raw_decode(self._text, start.start())[1]
            except (ValueError, RecursionError):
                self._bad_drafts += 1
                at = start.start() + 1
        return max(at, until)

    def _is_json(self, start: int, end: int) -> bool:
        """Whether all that stands there is JSON, however little: `[]` is an answer, too."""
        words = self._text[start:end].strip()
        try:
            return words[:1] in ("[", "{") and _DECODER.raw_decode(words)[1] == len(words)
        except (ValueError, RecursionError):
            return False

    def _outside(self, at: int) -> tuple[bool, Mark | None]:
        """Read on from `at` to the next mark that is none of the JSON's: was there an answer, and the mark."""
        answers = False
        while True:
            mark = self._marks[self._next] if self._next < len(self._marks) else None
            until = len(self._text) if mark is None else mark.start
            found = _JSON.search(self._text, at, until) if self._failed < _FAILED else None
            if found is None:
                self._next += 1
                return answers, mark
            end = self._json_end(found.start(), self._next)
            if end is None:
                self._failed += 1
                at = found.start() + 1
                continue
            answers = answers or _ANSWER.match(self._text, found.start()) is not None
            at = end
            while self._next < len(self._marks) and self._marks[self._next].start < end:
                self._next += 1

    def _json_end(self, start: int, place: int) -> int | None:
        """The end of the JSON at `start`; None where a mark outside its strings shows that it is none.

        JSON that never ends (a cut answer) reaches to the end of the text, unless what follows a closing mark in one
        of its strings is whole JSON: then it was a draft, and the string began with a stray quotation mark.
        """
        depth, first = 0, place
        lexemes = _QUOTED_LEXEME if _QUOTED.match(self._text, start) else _LEXEME
        for lexeme in lexemes.finditer(self._text, start):
            word = lexeme[0]
            inside = word != '"' and word.startswith(('"', "'"))
            while place < len(self._marks) and self._marks[place].start < lexeme.end():
                if not inside or self._marks[place].start < lexeme.start():
                    return None
                place += 1
            if word == '"':
                break
            if word in "[{":
                depth += 1
            elif word in "]}":
                depth -= 1
                if depth == 0:
                    return lexeme.end()
        else:
            if place < len(self._marks):
                return None
        return None if self._drafted(first) else len(self._text)

    def _drafted(self, place: int) -> bool:
        """Whether whole JSON follows a closing mark, from the mark at `place` on."""
        for mark in self._marks[place : place + _FAILED]:
            if mark.opens:
                continue
            begin = _ANSWER.search(self._text, mark.end)
            if begin is not None and self._balanced(begin.start()):
                return True
        return False

    def _balanced(self, start: int) -> bool:
        depth = 0
        for lexeme in _LEXEME.finditer(self._text, start):
            depth += (lexeme[0] in "[{") - (lexeme[0] in "]}")
            if depth == 0 and lexeme[0] != '"':
                return True
        return False
