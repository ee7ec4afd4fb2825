"""Why an answer failed: one kind, decided stage by stage, and a sentence that a person can act on.

Runs on failures only. The stages and their order are those of `taxonomy`.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any

from pydantic_core import ErrorDetails, ValidationError, from_json

from listeval.contract.extract import Extraction, Span, echoes_schema, extract, looks_like_json, surroundings
from listeval.contract.outcome import Failure, Fault, Parsed
from listeval.contract.taxonomy import Flag, Kind

if TYPE_CHECKING:
    from listeval.contract.base import Contract

_RUNAWAY = 32
"""So many trailing whitespace characters at the cap are a runaway; formatted JSON does not come near."""

_REFUSAL = re.compile(
    r"\b(?:as an ai|(?:i(?:['\u2019]m| am) (?:sorry|(?:unable|not able) to))|i apologi[sz]e"
    r"|i (?:can(?:['\u2019]t|not| not)|won['\u2019]t|will not))\b",
    re.IGNORECASE,
)
_INNER = {
    Extraction.OUTERMOST_ARRAY: re.compile(r"\[\s*[\[{]"),
    Extraction.OUTERMOST_OBJECT: re.compile(r"\{\s*\""),
}
"""Where the block that the contract is after may begin."""

_COLUMN = re.compile(r" at line (\d+) column (\d+)$")
_RANK = {kind: rank for rank, kind in enumerate(Kind)}


def unfinished(contract: Contract[Any], text: str, finish_reason: str) -> Failure | None:
    """Engine and finish-reason stages; None where the reason decides nothing."""
    if finish_reason == "error":
        return _failure(Kind.ENGINE_ERROR, "the engine gave no answer")
    if finish_reason == "content_filter":
        return _failure(Kind.REFUSAL, "the server's content filter stopped the answer", text)
    if finish_reason != "length":
        return None
    stripped = len(text.rstrip())
    if len(text) - stripped >= _RUNAWAY:
        detail = f"the budget ran out in {len(text) - stripped:,} whitespace characters"
        return _failure(Kind.WHITESPACE_RUNAWAY, detail, text, (stripped, len(text)))
    if not text:
        return _failure(Kind.TRUNCATED, "the budget ran out before the first word of the answer")
    whole = isinstance(contract.parse(text), Parsed)
    detail = f"the budget ran out after a complete {contract.noun}" if whole else "the budget ran out inside the answer"
    return _failure(Kind.TRUNCATED, detail, text, (max(0, stripped - 40), stripped))


def no_block(contract: Contract[Any], text: str, reasoning: str | None) -> Failure:
    """Channel and JSON stages for a text without the block that the contract extracts."""
    if not text.strip():
        if reasoning and reasoning.strip():
            return _failure(
                Kind.WRONG_CHANNEL, "the answer is empty, all text is in another channel (reasoning, or a tool call)"
            )
        return _failure(Kind.EMPTY, "the model ended its turn without a word")
    opening = text.find("[" if contract.extraction is Extraction.OUTERMOST_ARRAY else "{")
    if opening >= 0 and looks_like_json(text, opening):
        return _failure(Kind.MALFORMED_JSON, "a bracket is opened but never closed", text, (opening, len(text)))
    return _other_json(contract, text)


def _other_json(contract: Contract[Any], text: str) -> Failure:
    """The text has no block of the contract's own; look for JSON of another type, then for words."""
    for rule in (Extraction.OUTERMOST_OBJECT, Extraction.OUTERMOST_ARRAY):
        span = None if rule is contract.extraction else extract(rule, text)
        if span is None or not looks_like_json(text, span[0]):
            continue
        found = "an object" if rule is Extraction.OUTERMOST_OBJECT else "a list"
        if _is_json(text[span[0] : span[1]]):
            return _failure(Kind.WRONG_TYPE, f"{found} where a {contract.noun} is due", text, span)
        return _failure(Kind.MALFORMED_JSON, f"{found} that does not parse as JSON", text, span)
    stripped = text.strip()
    if stripped[0] in '"-0123456789tfn' and _is_json(stripped):
        return _failure(Kind.WRONG_TYPE, f"a bare value where a {contract.noun} is due", text)
    refusal = _REFUSAL.search(text[:400])
    if refusal:
        return _failure(Kind.REFUSAL, "declines in words, without JSON", text, refusal.span())
    return _failure(Kind.NO_JSON, "words without JSON", text)


def invalid(contract: Contract[Any], text: str, span: Span, error: ValidationError, reasoning: str | None) -> Failure:
    """JSON and shape stages: a block that pydantic refused."""
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    kind, first = min(((_kind(contract, item), item) for item in errors), key=lambda pair: _RANK[pair[0]])
    if kind is Kind.MALFORMED_JSON and not looks_like_json(text, span[0]):
        return _prose_first(contract, text, span, reasoning)
    detail = _sentence(contract, kind, first)
    point = _json_span(text, span, first["msg"]) if kind is Kind.MALFORMED_JSON else span
    return _failure(kind, detail, text, point, flags=surroundings(text, span))


def _prose_first(contract: Contract[Any], text: str, span: Span, reasoning: str | None) -> Failure:
    """The outermost bracket opens prose; JSON may still follow inside, which the rule does not reach."""
    inner = _INNER[contract.extraction].search(text, span[0] + 1) if contract.extraction in _INNER else None
    if inner is not None:
        detail = "brackets in the prose before it make the outermost block no JSON"
        return _failure(Kind.MALFORMED_JSON, detail, text, (span[0], inner.start()), flags=(Flag.PROSE_WRAPPED,))
    return _other_json(contract, text) if text.strip() else no_block(contract, text, reasoning)


def faulty(text: str, span: Span, fault: Fault) -> Failure:
    """List semantics: a schema-valid block that breaks a rule."""
    point = span
    if fault.pointer is not None:
        pattern, nth = fault.pointer
        found = next(islice(re.compile(pattern).finditer(text, *span), nth, None), None)
        point = found.span(1) if found else span
    return _failure(fault.kind, fault.detail, text, point, missing=fault.missing, flags=surroundings(text, span))


def quote(word: str, limit: int = 40) -> str:
    """A word of the answer, shortened and quoted for a message."""
    return repr(word if len(word) <= limit else word[: limit - 1] + "…")


def _kind(contract: Contract[Any], error: ErrorDetails) -> Kind:
    match error["type"]:
        case "json_invalid" if "number out of range" in error["msg"]:
            return Kind.BAD_VALUE
        case "json_invalid" | "string_unicode":
            return Kind.MALFORMED_JSON
        case "missing" | "union_tag_not_found":
            return Kind.MISSING_KEY
        case "extra_forbidden":
            return Kind.EXTRA_KEY
        case "union_tag_invalid":
            return Kind.BAD_VALUE
        case "value_error" | "assertion_error":
            return Kind.CONTRACT_OTHER
        case _:
            return Kind.WRONG_TYPE if len(error["loc"]) <= contract.depth else Kind.BAD_VALUE


def _sentence(contract: Contract[Any], kind: Kind, error: ErrorDetails) -> str:
    loc = error["loc"]
    where = f"object {loc[0] + 1}" if loc and isinstance(loc[0], int) else "the answer"
    path = ".".join(map(str, loc[contract.depth :]))
    match kind:
        case Kind.MALFORMED_JSON:
            return error["msg"].removeprefix("Invalid JSON: ")
        case Kind.MISSING_KEY:
            return f"{where} lacks {quote(path) if path else 'its name'}"
        case Kind.EXTRA_KEY:
            return f"{where} has the unknown key {quote(path)}"
        case Kind.WRONG_TYPE:
            return f"{where if loc else 'the block'} is not {'an object' if loc else 'a ' + contract.noun}"
        case Kind.BAD_VALUE if path:
            return f"{where}: {quote(path)} {error['msg'].removeprefix('Input ')}"
        case _:
            return f"{where}: {error['msg'].removeprefix('Invalid JSON: ')}"


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


def _is_json(text: str) -> bool:
    try:
        from_json(text)
    except (ValueError, TypeError):  # TypeError: a lone surrogate
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
