"""Where the text of a chat message can be: servers put it in strings, parts, reasoning fields and tool calls.

Every function takes JSON of any shape and reads what it can of it; `UnknownContent` is raised for one that holds none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

_REASONING = (
    "reasoning", "reasoning_content", "reasoning_text", "thinking", "thinking_content", "thought", "thoughts",
    "reasoning_details", "thinking_blocks",
)  # fmt: skip
_INSIDE = ("text", "content", "thinking", "reasoning", "thought", "summary", "value", "output_text")
_TEXT = ("text", "content", "output_text")
_CALLS = ("tool_calls", "function_call", "tool_call", "function_calls")
_DEEPEST = 6


class UnknownContent(Exception):
    """A content that is neither text nor parts of text."""


class MessageChannels(NamedTuple):
    """The channels of one message, each empty where the message has none."""

    text: str
    reasoning: str
    refusal: str
    calls: str


def read_message(message: Mapping[str, Any]) -> MessageChannels:
    """All text of a message. Raises UnknownContent."""
    parts = _parts(message.get("content"))
    fields = [_words(message.get(name)) for name in _REASONING]
    thoughts = list(dict.fromkeys(words for words in (*parts.reasoning, *fields) if words.strip()))
    # A server may repeat itself under an older name of the field.
    reasoning = "\n".join(
        words for words in thoughts if not any(words in other for other in thoughts if other != words)
    )
    called = [message[name] for name in _CALLS if message.get(name)] + parts.calls
    return MessageChannels(
        text="".join(parts.text),
        reasoning=reasoning,
        refusal=_words(message.get("refusal")) or "".join(parts.refusal),
        calls=f"<tool_calls>{_dump(called)}</tool_calls>" if called else "",
    )


class _Parts(NamedTuple):
    text: list[str]
    reasoning: list[str]
    refusal: list[str]
    calls: list[Any]


def _parts(content: object) -> _Parts:
    found = _Parts([], [], [], [])
    if isinstance(content, str):
        found.text.append(content)
    elif isinstance(content, dict):
        _sort(content, found)
    elif isinstance(content, list):
        for part in content:
            if isinstance(part, str):
                found.text.append(part)
            elif isinstance(part, dict):
                _sort(part, found)
            else:
                raise UnknownContent(f"the content holds a {type(part).__name__}")
    elif content is not None:
        raise UnknownContent(f"the content is a {type(content).__name__}")
    return found


def _sort(part: Mapping[str, Any], found: _Parts) -> None:
    """Put one part of a content where it belongs; parts that are no text (images, ...) say nothing.

    Raises UnknownContent for an object that is no part: an answer, say, that the server has read already.
    """
    kind = str(part.get("type") or "").lower()
    if any(word in kind for word in ("think", "reason", "thought", "analysis")) or part.get("thought") is True:
        found.reasoning.append(_words(part))
    elif "refusal" in kind:
        found.refusal.append(_words(part.get("refusal") or part))
    elif "tool" in kind or "function" in kind:
        found.calls.append(part)
    elif kind or any(name in part for name in _TEXT):
        found.text.append(next((words for name in _TEXT if (words := _words(part.get(name)))), ""))
    else:
        raise UnknownContent("the content holds an object that is no part of a text")


def _words(value: object, depth: int = 0) -> str:
    """The text inside a reasoning field or a part, whatever it is wrapped in."""
    if isinstance(value, str):
        return value
    if depth == _DEEPEST:
        return ""
    if isinstance(value, list):
        return "".join(_words(item, depth + 1) for item in value)
    if isinstance(value, dict):
        return next((words for name in _INSIDE if (words := _words(value.get(name), depth + 1))), "")
    return ""


def _dump(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (RecursionError, ValueError):
        return "(nested too deeply)"
