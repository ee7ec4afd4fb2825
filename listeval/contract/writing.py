"""How models write JSON and what is nearly JSON: which bracket opens it, and which belongs to words.

JSON starts at a bracket that is followed by what a list or an object holds, also as other languages spell it
(unquoted keys, single or curly quotes, comments, Python's constants). Citations, dates, intervals, sets, wiki and
Markdown links, and template marks are words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Any

BLANK = " \t\r\n\f\v\u00a0\u200b\u200c\u200d\u2060\ufeff"
"""What no reader sees: white space, marks of zero width, the byte order mark."""

# Comments have a bound, so that a megabyte of brackets and comment marks stays linear.
_COMMENT = r"(?://[^\n]{0,400}+\n|\#[^\n]{0,400}+\n|/\*[^*]{0,400}+\*/|<!--[^>]{0,400}+>)"
_GAP = rf"(?:\s|{_COMMENT})*+"


def _quoted(first: str, last: str) -> str:
    """A text between two of these marks, the last before no letter. Escaped ones and apostrophes are in the text.

    No other mark may be in it: a text without an end is looked for up to the next mark, so that many stay linear.
    """
    return rf"(?:[{first}](?:[^{first}{last}\\]|\\(?s:.)|(?<=\w)[{last}](?=\w))*+[{last}](?!\w))"


# The marks that JSON and Python do not quote with.
_FOREIGN = rf"(?:{_quoted('“„”', '“”')}|{_quoted('«»', '«»')}|{_quoted('‘‚’', '‘’')}|{_quoted('`', '`')})"
_ENTITY = r"&(?:quot|\#34);"
_ESCAPED = rf"(?:\\+\"[^\"]*+\"(?!\w)|{_ENTITY}(?:(?!{_ENTITY})(?s:.))*+{_ENTITY})"
_TEXT = rf"(?:{_quoted(chr(34), chr(34))}|{_quoted(chr(39), chr(39))}|{_FOREIGN}|{_ESCAPED})"
_NUMBER = r"[+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d++)?"
_WORD = r"(?:true|false|null|undefined|None|True|False|-?(?:NaN|nan|Infinity))"
_SCALAR = rf"(?:(?:{_NUMBER}|{_WORD}|{_FOREIGN}){_GAP}(?:[,\]}}\n]|\.\.\.|\Z))"
_CITED = re.compile(rf"\[\s*+(?:{_NUMBER}\s*+(?:,\s*+{_NUMBER}\s*+)?)?\]|\{{\s*+\}}")
_INTRODUCED = re.compile(r"[:=(]\s*(?:\n\s*)?$")
_IN_A_ROW = re.compile(r"\s*(?:[<>=\u2192-]{1,2}|,|\band\b|\bthen\b)\s*\[|\s*>|[ \t]+[^\W\d_]{2}")
"""What goes on after a citation, though a colon introduced it: `Order: [2] > [1]`, `Note: [3] is best`."""
_LINE = 80
"""So far around a bracket its line is looked at for words."""


def find_json(text: str, keys: Collection[str], brackets: str = "[{", start: int = 0, stop: int | None = None) -> int:
    """Where the first of these brackets from `start` to `stop` opens JSON; -1 where none does.

    `keys` are the contract's own, which may stand without quotes before any value.
    """
    return next(openings(text, keys, brackets, start, stop), -1)


def openings(
    text: str, keys: Collection[str], brackets: str = "[{", start: int = 0, stop: int | None = None
) -> Iterator[int]:
    """As `find_json`, all of them."""
    for found in _opening(tuple(keys)).finditer(text, start):
        at = found.start()
        if stop is not None and at >= stop:
            return
        if text[at] in brackets and not is_citation(text, at):
            yield at


def enclosing(text: str, keys: Collection[str], place: int) -> int:
    """Where the outermost JSON begins that is still open at `place`; -1 where whatever was opened is closed by then.

    Whole JSON or not. Any closing bracket closes the last one that is open: words have `[0, 1)`, too.
    """
    opening = _opening(tuple(keys))
    outermost, depth, at = -1, 0, 0
    while found := (_IN_JSON if depth else _IN_WORDS).search(text, at, place):
        at = found.end()
        if depth:
            depth += (found[0] in "[{(") - (found[0] in "]})")
        elif found[0] in "[{" and opening.match(text, found.start()) and not is_citation(text, found.start()):
            outermost, depth = found.start(), 1
    return outermost if depth else -1


# A text stands where JSON has a key or a value, so that an apostrophe or a mark of inches opens none.
_PLACED_TEXT = rf"(?:(?<![^\s\[{{(,:=])|(?<=\*/)|(?<=-->)){_TEXT}"
_IN_WORDS = re.compile(rf"{_PLACED_TEXT}|[\[{{]")
# The // of an address and the # of an entity begin no comment.
_IN_JSON = re.compile(rf"{_PLACED_TEXT}|(?!(?<=:)//|(?<=&)\#){_COMMENT}|[\[\](){{}}]")


def is_citation(text: str, start: int) -> bool:
    """Whether the bracket at `start` holds nothing or one or two numbers, amid words: `[1]`, `[3] > [1]`, `[ ] do`."""
    found = _CITED.match(text, start)
    if found is None:
        return False
    before, after = text[max(0, start - _LINE) : start], text[found.end() : found.end() + _LINE]
    if _INTRODUCED.search(before) and not _IN_A_ROW.match(after):
        return False
    line = before.rpartition("\n")[2] + after.partition("\n")[0]
    return any(letter.isalpha() or letter in "<>" for letter in line)


def value_at(text: str, start: int) -> tuple[Any, int] | None:
    """The JSON value that begins at `start` and where it ends; None where none can be read."""
    try:
        return _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None


def is_scalar(text: str) -> bool:
    """Whether the whole text is one JSON value that is neither an object nor a list."""
    if text[:1] not in tuple('"-0123456789tfn'):
        return False
    try:
        json.loads(text, parse_int=str, parse_float=str, parse_constant=_no_json)
    except (ValueError, RecursionError):
        return False
    return True


def _no_json(word: str) -> Any:
    raise ValueError(word)


_DECODER = json.JSONDecoder(parse_int=str, parse_float=str)


@lru_cache(maxsize=256)
def _opening(keys: tuple[str, ...]) -> re.Pattern[str]:
    own = "|".join(map(re.escape, sorted(keys, key=len, reverse=True))) or r"(?!)"
    own_key = rf"(?:{own}){_GAP}[:=]"
    any_key = rf"(?:[A-Za-z_$][\w$-]{{0,63}}|\d{{1,9}}){_GAP}:{_GAP}(?:[\"'\[{{]|{_SCALAR})"
    # A quoted word before a comma is in a set, not a key.
    in_a_set = rf"[\"'](?!(?:{own})[\"'])[^\"'\n]{{0,100}}[\"']{_GAP}[,}}]"
    quoted_key = rf"(?:(?!{in_a_set})[\"'}}]|\\+\"|{_ENTITY}|{_FOREIGN}{_GAP}[:=])"
    obj = rf"\{{(?:{_GAP}\{{){{0,8}}{_GAP}(?:{quoted_key}|{own_key}|{any_key})"
    # Brackets within brackets are looked through to a bound: a megabyte of them stays linear.
    array = rf"\[(?:{_GAP}\[){{0,8}}{_GAP}(?:[{{\]\"']|\\+\"|{_ENTITY}|{_SCALAR})"
    return re.compile(f"(?=(?:{obj}|{array}))[\\[{{]")
