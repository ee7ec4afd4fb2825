"""Why an answer failed: one kind, decided stage by stage, and a sentence that a person can act on.

Runs on failures only. The stages and their order are those of `taxonomy`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from itertools import islice
from typing import TYPE_CHECKING, Any

from pydantic_core import ValidationError

from listeval.contract.extract import Span, echoes_schema, extract, surroundings, unfenced
from listeval.contract.outcome import Failure, Fault, Parsed
from listeval.contract.refusal import refusal
from listeval.contract.shape import quote, shape_fault
from listeval.contract.taxonomy import Flag, Kind
from listeval.contract.writing import BLANK, enclosing, find_json, is_citation, value_at

if TYPE_CHECKING:
    from listeval.contract.base import Contract

__all__ = ["faulty", "invalid", "no_block", "quote", "unfinished"]

_RUNAWAY = 32
"""So many trailing whitespace characters at the cap are a runaway; formatted JSON does not come near."""

_COLUMN = re.compile(r" at line (\d+) column (\d+)$")
_ESCAPED_BLANKS = ("\\n", "\\r", "\\t")


def unfinished(contract: Contract[Any], text: str, finish_reason: str) -> Failure | None:
    """Engine and finish-reason stages; None where the reason decides nothing."""
    if finish_reason == "error":
        return _failure(Kind.ENGINE_ERROR, "the engine gave no answer")
    if finish_reason == "content_filter":
        return _failure(Kind.REFUSAL, "the server's content filter stopped the answer", text)
    if finish_reason != "length":
        return None
    stripped, blanks = _trailing_blanks(text)
    if blanks >= _RUNAWAY:
        detail = f"the budget ran out in {blanks:,} whitespace characters"
        return _failure(Kind.WHITESPACE_RUNAWAY, detail, text, (stripped, len(text)))
    if not text:
        return _failure(Kind.TRUNCATED, "the budget ran out before the first word of the answer")
    whole = extract(contract.extraction, text) is not None and isinstance(contract.parse(text), Parsed)
    detail = f"the budget ran out after a complete {contract.noun}" if whole else "the budget ran out inside the answer"
    return _failure(Kind.TRUNCATED, detail, text, (max(0, stripped - 40), stripped))


def _trailing_blanks(text: str) -> tuple[int, int]:
    """Where the white space at the end begins, also as a JSON string escapes it, and how many characters it is."""
    end = len(text.rstrip(BLANK))
    count = len(text) - end
    while text[max(0, end - 2) : end] in _ESCAPED_BLANKS:
        end, count = end - 2, count + 1
    return end, count


def no_block(contract: Contract[Any], text: str, reasoning: str | None) -> Failure:
    """Channel and JSON stages for a text without the block that the contract extracts."""
    if not text.strip(BLANK):
        if reasoning and reasoning.strip(BLANK):
            return _failure(
                Kind.WRONG_CHANNEL, "the answer is empty, all text is in another channel (reasoning, or a tool call)"
            )
        return _failure(Kind.EMPTY, "the model ended its turn without a word")
    opening = find_json(text, contract.keys(), contract.bracket)
    if opening >= 0:
        return _failure(Kind.MALFORMED_JSON, "a bracket is opened but never closed", text, (opening, len(text)))
    return _other_json(contract, text)


def _other_json(contract: Contract[Any], text: str) -> Failure:
    """The text has no block of the contract's own; look for JSON of another type, then for words."""
    if _is_json(unfenced(text)):
        return _failure(Kind.WRONG_TYPE, f"{_named(unfenced(text))} where a {contract.noun} is due", text)
    keys = contract.keys()
    start = find_json(text, keys)
    if start >= 0:
        return _of_other_type(contract, text, start, keys)
    declined = refusal(text)
    if declined:
        return _failure(Kind.REFUSAL, "declines in words, without JSON", text, declined)
    return _failure(Kind.NO_JSON, "words without JSON", text)


def _of_other_type(contract: Contract[Any], text: str, start: int, keys: Collection[str]) -> Failure:
    """The text holds JSON at `start`, but not as the contract's own block."""
    found = _named(text[start:])
    read = value_at(text, start)
    end = len(text) if read is None else read[1]
    point = (start, end)
    if read is None or text[start] in contract.bracket:
        detail = f"{found} that does not parse as JSON" if read is None else "words around the JSON"
        return _failure(Kind.MALFORMED_JSON, detail, text, point, flags=surroundings(text, point, keys))
    if find_json(text, keys, start=end) >= 0:
        flags = (*surroundings(text, (start, len(text)), keys), Flag.SEVERAL)
        detail = "several JSON values one after the other do not parse as one"
        return _failure(Kind.MALFORMED_JSON, detail, text, point, flags=flags)
    detail = f"{found} where a {contract.noun} is due"
    return _failure(Kind.WRONG_TYPE, detail, text, point, flags=surroundings(text, point, keys))


def within_other(contract: Contract[Any], text: str, span: Span) -> Failure | None:
    """Why an answer is no right one whose own JSON is only a part of it; None for a block that is in no other JSON."""
    keys = contract.keys()
    if _is_part_of_whole(text, span):
        return _other_json(contract, text)
    outer = enclosing(text, keys, span[0])
    return _of_other_type(contract, text, outer, keys) if outer >= 0 else None


def invalid(contract: Contract[Any], text: str, span: Span, error: ValidationError, reasoning: str | None) -> Failure:
    """JSON and shape stages: a block that pydantic refused."""
    block = text if span == (0, len(text)) else text[span[0] : span[1]]
    kind, detail = shape_fault(contract, block, error)
    if kind is Kind.MALFORMED_JSON:
        return _malformed(contract, text, span, detail, reasoning)
    if kind is Kind.WRONG_TYPE and block is not text and is_citation(text, span[0]):
        return _other_json(contract, text)
    return _failure(kind, detail, text, span, flags=surroundings(text, span, contract.keys()))


def _malformed(contract: Contract[Any], text: str, span: Span, said: str, reasoning: str | None) -> Failure:
    """The block does not parse: it is nearly JSON, or the whole is JSON of another type, or its bracket opens words."""
    keys = contract.keys()
    if span != (0, len(text)):
        if _is_part_of_whole(text, span):
            return _other_json(contract, text)
        outer = enclosing(text, keys, span[0])
        read = value_at(text, outer) if outer >= 0 else None
        if read is not None and read[1] >= span[1]:
            return _of_other_type(contract, text, outer, keys)
    if text[span[0]] not in "[{":
        return _other_json(contract, text) if text.strip(BLANK) else no_block(contract, text, reasoning)
    start = find_json(text, keys, contract.bracket, start=span[0], stop=span[1])
    if start < 0:
        return _other_json(contract, text)
    if start > span[0]:
        detail = "brackets in the prose before it make the outermost block no JSON"
        return _failure(Kind.MALFORMED_JSON, detail, text, (span[0], start), flags=(Flag.PROSE_WRAPPED,))
    flags = surroundings(text, span, keys) + _several(text, span, said, keys)
    return _failure(Kind.MALFORMED_JSON, said, text, _json_span(text, span, said), flags=flags)


def _is_part_of_whole(text: str, span: Span) -> bool:
    """Whether the whole text is JSON, of which the block is not all."""
    body = unfenced(text)
    return span[1] - span[0] != len(body) and _is_json(body)


def _several(text: str, span: Span, said: str, keys: Collection[str]) -> tuple[Flag, ...]:
    """Whether the block is whole JSON that more JSON follows."""
    if "trailing characters" not in said:
        return ()
    read = value_at(text, span[0])
    return (Flag.SEVERAL,) if read and find_json(text, keys, start=read[1], stop=span[1]) >= 0 else ()


def faulty(text: str, span: Span, fault: Fault, keys: Collection[str]) -> Failure:
    """List semantics: a schema-valid block that breaks a rule."""
    point = span
    if fault.pointer is not None:
        pattern, nth = fault.pointer
        found = next(islice(re.compile(pattern).finditer(text, *span), nth, None), None)
        point = found.span(1) if found else span
    flags = surroundings(text, span, keys) + fault.flags
    return _failure(fault.kind, fault.detail, text, point, missing=fault.missing, flags=flags)


def _json_span(text: str, span: Span, message: str) -> Span:
    """The character that the JSON parser stopped at (it counts bytes of UTF-8, we point at characters)."""
    found = _COLUMN.search(message)
    if not found:
        return span
    line, column = int(found[1]), int(found[2])
    start = span[0]
    for _ in range(line - 1):
        start = text.find("\n", start) + 1
    stop = text.find("\n", start)
    row = text[start : stop if stop >= 0 else span[1]].encode("utf-8", "replace")
    at = start + len(row[: max(0, column - 1)].decode("utf-8", "ignore"))
    return (min(at, span[1] - 1), span[1])


def _named(text: str) -> str:
    return {"{": "an object", "[": "a list", '"': "a string"}.get(text[:1], "a bare value")


def _is_json(text: str) -> bool:
    if text[:1] not in '[{"-0123456789tfn':
        return False
    try:
        json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return False
    return True


def _failure(
    kind: Kind,
    detail: str,
    text: str = "",
    span: Span | None = None,
    *,
    missing: int = 0,
    flags: tuple[Flag, ...] = (),
) -> Failure:
    if Flag.SCHEMA_ECHO not in flags and echoes_schema(text):
        flags = (*flags, Flag.SCHEMA_ECHO)
    return Failure(kind, detail, flags, span, missing)
