"""Where in a text the answer is: extraction rules by name, and what surrounds the block that they cut out.

Every rule is two linear scans, so a megabyte of brackets costs a megabyte of scanning.
"""

import re
from enum import StrEnum

from listeval.contract.taxonomy import Flag

Span = tuple[int, int]


class Extraction(StrEnum):
    """The named rules. `outermost_array` is the paper's for lists: first `[` to last `]`."""

    OUTERMOST_ARRAY = "outermost_array"
    OUTERMOST_OBJECT = "outermost_object"
    WHOLE = "whole"


_JSON_START = re.compile(r"""\[\s*(?:[\[\]{"'\d-]|true\b|false\b|null\b|NaN\b|Infinity\b)|\{\s*["'}]""")
_FENCE_OPEN = re.compile(r"```[\w-]{0,16}$")


def extract(rule: Extraction, text: str) -> Span | None:
    """The [start, end) of the block that `rule` names, or None where the text has none."""
    if rule is Extraction.OUTERMOST_ARRAY:
        if text[:1] == "[" and text[-1] == "]":
            return 0, len(text)
        start, end = text.find("["), text.rfind("]") + 1
    elif rule is Extraction.OUTERMOST_OBJECT:
        start, end = text.find("{"), text.rfind("}") + 1
    else:
        start, end = len(text) - len(text.lstrip()), len(text.rstrip())
    return (start, end) if 0 <= start < end else None


def looks_like_json(text: str, start: int) -> bool:
    """Whether the bracket at `start` opens JSON rather than prose such as `[Review 1]`."""
    return _JSON_START.match(text, start) is not None


def surroundings(text: str, span: Span) -> tuple[Flag, ...]:
    """Flags for what stands around the block: a code fence, prose, an echo of the schema."""
    if span == (0, len(text)):
        return ()
    before, after = text[: span[0]].strip(), text[span[1] :].strip()
    if not before and not after:
        return ()
    echo = (Flag.SCHEMA_ECHO,) if echoes_schema(before) or echoes_schema(after) else ()
    fence = _FENCE_OPEN.search(before[-20:])
    if fence:
        before = before[: len(before) - len(fence.group())]
        after = after.removeprefix("```")
    fenced = (Flag.FENCED,) if fence else ()
    prose = (Flag.PROSE_WRAPPED,) if before or after else ()
    return fenced + prose + echo


def echoes_schema(text: str) -> bool:
    """Whether the text repeats a JSON Schema instead of an instance of it."""
    return '"$schema"' in text or ('"properties"' in text and '"type"' in text)
