"""Where in a text the answer is: extraction rules by name, and what surrounds the block that they cut out.

Every rule is two linear scans, so a megabyte of brackets costs a megabyte of scanning.
"""

import json
import re
from collections.abc import Collection
from enum import StrEnum

from listeval.contract.taxonomy import Flag
from listeval.contract.writing import BLANK, enclosing, is_scalar

Span = tuple[int, int]


class Extraction(StrEnum):
    """The named rules. `outermost_array` is the paper's for lists: first `[` to last `]`."""

    OUTERMOST_ARRAY = "outermost_array"
    OUTERMOST_OBJECT = "outermost_object"
    OUTERMOST_JSON = "outermost_json"
    """A text that is a bare value (a number, a word in quotes) is the block; else whichever bracket opens first."""
    WHOLE = "whole"


_FENCE_OPEN = re.compile(r"(?:`{3,8}|~{3,8})[ \t]{0,2}[\w+./-]{0,24}$")
_ROOTS: dict[Extraction, tuple[type, ...]] = {
    Extraction.OUTERMOST_ARRAY: (list,),
    Extraction.OUTERMOST_OBJECT: (dict,),
    Extraction.OUTERMOST_JSON: (dict, list, str, int, float, type(None)),
    Extraction.WHOLE: (dict, list),
}


def extract(rule: Extraction, text: str) -> Span | None:
    """The [start, end) of the block that `rule` names, or None where the text has none."""
    if rule is Extraction.OUTERMOST_ARRAY:
        if text[:1] == "[" and text[-1] == "]":
            return 0, len(text)
        start, end = text.find("["), text.rfind("]") + 1
    elif rule is Extraction.OUTERMOST_OBJECT:
        start, end = text.find("{"), text.rfind("}") + 1
    elif rule is Extraction.OUTERMOST_JSON:
        start, end = _outermost(text)
    else:
        start, end = len(text) - len(text.lstrip()), len(text.rstrip())
    return (start, end) if 0 <= start < end else None


def _outermost(text: str) -> Span:
    body = unfenced(text)
    if is_scalar(body):
        start = text.find(body)
        return start, start + len(body)
    found = _FIRST_BRACKET.search(text)
    return (-1, 0) if found is None else (found.start(), text.rfind("]" if found[0] == "[" else "}") + 1)


_FIRST_BRACKET = re.compile(r"[\[{]")


def is_bare(rule: Extraction, text: str) -> bool:
    """Whether the whole text is one JSON value of the type that `rule` cuts out, as `json.loads` reads it."""
    if rule is not Extraction.OUTERMOST_JSON and text.lstrip(" \t\r\n")[:1] not in ("[", "{"):
        return False
    try:
        return isinstance(json.loads(text), _ROOTS[rule])
    except (ValueError, RecursionError):
        return False


def surroundings(text: str, span: Span, keys: Collection[str] = ()) -> tuple[Flag, ...]:
    """Flags for what stands around the block: other JSON, a code fence, prose, an echo of the schema."""
    if span == (0, len(text)):
        return ()
    before, after = text[: span[0]].strip(BLANK), text[span[1] :].strip(BLANK)
    if not before and not after:
        return ()
    echo = (Flag.SCHEMA_ECHO,) if echoes_schema(before) or echoes_schema(after) else ()
    around = _unwrapped(text, span, keys)
    if around is not None:
        before, after = around
    before, after, fence = _unfenced(before, after)
    wrapped = (Flag.JSON_WRAPPED,) if around is not None else ()
    fenced = (Flag.FENCED,) if fence else ()
    prose = (Flag.PROSE_WRAPPED,) if before or after else ()
    return fenced + prose + wrapped + echo


def _unwrapped(text: str, span: Span, keys: Collection[str]) -> tuple[str, str] | None:
    """What stands before and after the JSON value that holds the block; None where there is no such value."""
    start = enclosing(text, keys, span[0])
    if start < 0:
        return None
    end = max(text.rfind("}"), text.rfind("]")) + 1
    return text[:start].strip(BLANK), text[end:].strip(BLANK)


def _unfenced(before: str, after: str) -> tuple[str, str, bool]:
    fence = _FENCE_OPEN.search(before[-40:])
    if fence is None:
        return before, after, False
    mark = fence[0][0] * (len(fence[0]) - len(fence[0].lstrip(fence[0][0])))
    return before[: len(before) - len(fence[0])], after.removeprefix(mark), True


def unfenced(text: str) -> str:
    """The text without what no reader sees around it and without a code fence around the whole."""
    text = text.strip(BLANK)
    if text[:3] in ("```", "~~~") and text[-3:] == text[:3] and len(text) >= 6:
        _, _, inner = text.rstrip(text[0]).partition("\n")
        return inner.strip(BLANK)
    return text


def echoes_schema(text: str) -> bool:
    """Whether the text repeats a JSON Schema instead of an instance of it."""
    return '"$schema"' in text or ('"properties"' in text and '"type"' in text)
