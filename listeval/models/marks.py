"""The marks by which models set their thinking apart from their answer, whatever the family calls them.

Read as a grammar rather than a list: a tag (`<think>`, `<seed:think>`, `<|START_THINKING|>`, `[THINK]`, `◁think▷`,
`<|begin_of_thought|>`, ...) is a mark when the words in it are words for thinking, and says itself whether it opens or
closes. Families that are no tags have rules of their own: harmony's channels (gpt-oss, also with its special tokens
lost in decoding), Gemma's, Kimi's, Apertus', MedGemma's, s1's turns, Granite's sentences.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Mark(NamedTuple):
    """One mark at text[start:end]. A block ends at a closing mark of the `family` that opened it."""

    start: int
    end: int
    opens: bool
    family: str


ANSWER = "answer"
"""Family of the marks that open the answer itself (`<|START_RESPONSE|>`): they end every block of special tokens."""

_TAG = re.compile(
    r"<[|｜]\s*(?P<pipe>/?[\w▁:. -]{2,40}?)\s*[|｜]>"
    r"|<\s*(?P<xml>/?\s*[A-Za-z][\w:.-]{1,60})(?:\s+[\w-]+=[^<>\n]{0,80})?\s*>"
    r"|\[(?P<bracket>/?[A-Za-z]{5,9})\]"
    r"|◁(?P<arrow>/?\w{2,20})▷"
)
_HINT = re.compile(r"[<◁]|\[/?[A-Za-z]")
_THINKING = {
    "think", "thinking", "thought", "thoughts", "reason", "reasoning", "reflection", "reflect", "analysis",
    "scratchpad", "scratch", "monologue", "cot", "rationale", "contemplation", "contemplator", "deliberation",
}  # fmt: skip
_BRACKETED = {"think", "thinking", "thought", "reasoning"}
_CLOSING = {"end", "stop", "close"}
_DIRECTION = {"begin", "start", "open", "of", *_CLOSING}
_BESIDE = {"inner", "internal", "process", "chain", "task", "redacted", "deep", "pad", "content", "block", "mode"}
_SWITCHES = {
    "no",
    "not",
    "non",
    "dont",
    "never",
    "without",
    "skip",
    "disable",
    "off",
    "enable",
    "on",
    "use",
    "can",
    "to",
}
"""Beside a word for thinking these make a switch of it, or words: `<no_think>` opens nothing."""
_ANSWERS = {
    "answer", "content", "content text", "response", "final", "start response", "start text", "start answer",
    "begin of solution", "begin of answer", "begin of response",
}  # fmt: skip

_CHANNEL = re.compile(
    r"<\|channel\|>\s*(?P<name>analysis|commentary|final)[^<\n]{0,120}(?:<\|constrain\|>[^<\n]{0,40})?<\|message\|>"
)
_BARE_CHANNEL = re.compile(r"\A\s{0,10}(?:analysis|commentary)(?=[^\W_]|[\"'(\[{*#<`])|assistantfinal")
"""Harmony without its special tokens: the words stand glued to the text, as no writer sets them."""
_OTHERS = re.compile(
    r"<\|channel>\s*(?P<gemma>thought|analysis)\b|(?P<gemma_end><channel\|>)"
    r"|<\|open\|>\s*(?P<kimi>think)\s*<\|sep\|>|(?P<kimi_end><\|close\|>\s*think\s*<\|sep\|>)"
    r"|(?P<kimi_answer><\|open\|>\s*response\s*<\|sep\|>)"
    r"|(?P<apertus><\|inner_prefix\|>)|(?P<apertus_end><\|inner_suffix\|>)"
    r"|(?P<turn><\|im_start\|>\s*think\b)|(?P<turn_end><\|im_start\|>\s*answer\b)"
    r"|(?P<medgemma><unused94>(?:thought\b)?)|(?P<medgemma_end><unused95>)"
)
_GRANITE = re.compile(
    r"(?P<granite>\bHere(?:'s| is) my thought process:).*?(?P<granite_end>\bHere(?:'s| is) my response:)", re.DOTALL
)
_TAIL = 400
"""Characters at the end of a prompt in which the mark that it ends with stands."""


class MarkPair(NamedTuple):
    """The marks that a chat template itself writes around reasoning, where they are of no family known here."""

    opening: str
    closing: str


def find_marks(text: str, own: MarkPair | None = None) -> list[Mark]:
    """Every mark in `text`, in order, wherever it stands; `own` are the model's own besides. Linear in the text."""
    found = [mark for match in _TAG.finditer(text) if (mark := _tag(match))] if _HINT.search(text) else []
    if "<|channel|>" in text:
        found += (_channel(match) for match in _CHANNEL.finditer(text))
    if "<|" in text or "<unused9" in text or "<channel|>" in text:
        found += map(_other, _OTHERS.finditer(text))
    if "assistantfinal" in text or text[:20].lstrip().startswith(("analysis", "commentary")):
        found += map(_bare_channel, _BARE_CHANNEL.finditer(text))
    if "my thought process:" in text and (match := _GRANITE.search(text)):
        found += _granite(match)
    if own is not None:
        for word in own:
            ends = (Mark(m.start(), m.end(), word == own.opening, "own") for m in re.finditer(re.escape(word), text))
            found += ends
    closed = {mark.family for mark in found if not mark.opens}
    return sorted(mark for mark in found if not (mark.opens and (_quoted(text, mark) or _heads(text, mark, closed))))


def _heads(text: str, mark: Mark, closed: set[str]) -> bool:
    """Whether a word in brackets is a heading, `[Reasoning]`: nothing closes it, and no model opens a block so."""
    heading = mark.family.startswith("bracket:") and text[mark.start : mark.end] not in ("[THINK]", "[think]")
    return heading and mark.family not in closed


def _quoted(text: str, mark: Mark) -> bool:
    """Whether a mark is spoken of: "the tag `<think>`". (A closing one may well stand between two quotes.)"""
    around = text[max(0, mark.start - 2) : mark.start], text[mark.end : mark.end + 2]
    return any(around[0].endswith(q) and around[1].startswith(q) and q * 2 not in around for q in "`\"'")


def opened_by(prompt: str, own: MarkPair | None = None) -> str | None:
    """The family of the block that `prompt` opens with its last words, None where it opens none."""
    tail = prompt[-_TAIL:].rstrip()
    last = next((mark for mark in reversed(find_marks(tail, own)) if mark.end == len(tail)), None)
    return last.family if last is not None and last.opens else None


def is_mark(token: str) -> bool:
    """Whether one token is a whole mark."""
    return any(mark.end - mark.start == len(token) for mark in find_marks(token))


def marks_among(tokens: Iterable[str]) -> set[str]:
    """The tokens of a vocabulary that are marks, and those of which the marks of its family are made."""
    known = set(tokens)
    parts = [made for made in _PARTS if made & known >= made - _OPTIONAL]
    return {token for token in known if is_mark(token)}.union(*parts) & known


_PARTS = (
    {"<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"},
    {"<|channel>"},
    {"<|open|>", "<|close|>", "<|sep|>"},
)
_OPTIONAL = {"<|constrain|>"}


def closes(mark: Mark, family: str) -> bool:
    """Whether `mark` ends a block of `family`."""
    return not mark.opens and (mark.family == family or (mark.family == ANSWER and not family.startswith("xml")))


def _tag(match: re.Match[str]) -> Mark | None:
    kind = match.lastgroup or ""
    name = match[kind].lower()
    closing = name.startswith("/")
    parts = name.lstrip("/ ").split(":")
    for place, part in enumerate(parts):
        words = [word for word in re.split(r"[_\-.\s▁]+", part) if word]
        if kind == "pipe" and len(parts) == 1 and " ".join(words) in _ANSWERS:
            return None if closing else Mark(match.start(), match.end(), opens=False, family=ANSWER)
        known = _BRACKETED if kind == "bracket" else _THINKING
        usual = not known.isdisjoint(words) and known.union(_BESIDE, _DIRECTION).issuperset(words)
        if not usual and not (kind in ("xml", "pipe") and _of_vendor(words)):
            continue
        closing = closing or not _CLOSING.isdisjoint(words)
        own = "_".join(word for word in words if word not in _DIRECTION)
        family = ":".join([kind, *parts[:place], own, *parts[place + 1 :]])
        return Mark(match.start(), match.end(), not closing, family)
    return None


def _of_vendor(words: list[str]) -> bool:
    """Whether a word of a vendor's own stands beside the one for thinking: `longcat_think`, `think_never_used_51bc`."""
    if words[:3] == ["think", "never", "used"]:
        return True
    own = [word for word in words if word not in _DIRECTION]
    return len(own) == 2 and own[1] in ("think", "thinking") and own[0] not in _SWITCHES


def _channel(match: re.Match[str]) -> Mark:
    return Mark(match.start(), match.end(), match["name"] != "final", "harmony")


def _bare_channel(match: re.Match[str]) -> Mark:
    return Mark(match.start(), match.end(), match[0] != "assistantfinal", "bare harmony")


def _other(match: re.Match[str]) -> Mark:
    name = match.lastgroup or ""
    family = ANSWER if name.endswith("_answer") else name.removesuffix("_end")
    return Mark(match.start(), match.end(), "_" not in name, family)


def _granite(match: re.Match[str]) -> Iterator[Mark]:
    """Both sentences, or none: without the second, the first is prose like any other."""
    yield Mark(*match.span("granite"), opens=True, family="granite")
    yield Mark(*match.span("granite_end"), opens=False, family="granite")
