"""Which request fields a server takes, learned from its refusals.

Servers that call themselves compatible differ: one knows the budget by its newer name only, one has no `seed`
(Gemini's endpoint), one no `response_format`. A field that an answer can do without is left out when a request is
refused, and stays left out once the same request has passed without it. That is said (a warning) and recorded
(`left_out`), never silent.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Any

from listeval.backends.openai.http import RequestRefused

_LOG = logging.getLogger(__name__)
_INVALID = (400, 422)
"""Statuses by which servers refuse the form of a request."""

_BUDGET, _NEW_BUDGET = "max_tokens", "max_completion_tokens"
_FORMAT = "response_format"


class Dialect:
    """What one server has been found to take. Used on one event loop, by many requests at once.

    With `format_required` no request goes without its `response_format`: a constraint is not given up.
    """

    def __init__(self, *, format_required: bool = False) -> None:
        self._format_required = format_required
        self._changes: dict[str, str] = {}
        self._taken: set[str] = set()

    @property
    def left_out(self) -> dict[str, str]:
        """Fields that requests go without, each with the server's words."""
        return {name: words for name, words in self._changes.items() if name != _BUDGET}

    def spoken(self, body: Mapping[str, Any], trying: Collection[str] = ()) -> dict[str, Any]:
        """`body` as this server takes it, with the changes known so far and those that are being tried."""
        changes = {*self._changes, *trying}
        sent = {name: value for name, value in body.items() if name not in changes}
        if _BUDGET in changes and _BUDGET in body:
            sent[_NEW_BUDGET] = body[_BUDGET]
        return sent

    def suspect(self, error: RequestRefused, sent: Mapping[str, Any]) -> str | None:
        """The field of a refused request to try without (the budget: to rename), or None where none is to blame."""
        if error.status not in _INVALID:
            return None
        if _BUDGET in sent and _NEW_BUDGET in error.message:
            return _BUDGET
        # A nucleus of 1 says nothing, so it can go; any other was asked for.
        optional = ["seed"] if sent.get("top_p") != 1.0 else ["seed", "top_p"]
        for name in optional:
            if name in sent and name not in self._taken and name in error.message:
                return name
        # Refusals of a schema rarely name the field that it came in.
        optional_format = not self._format_required and _FORMAT in sent
        return _FORMAT if optional_format and _FORMAT not in self._taken else None

    def settle(self, sent: Mapping[str, Any], tried: Mapping[str, str]) -> None:
        """Note that `sent` was answered after the fields `tried`, with the refusals that they met, were changed."""
        self._taken |= sent.keys()
        for name, words in tried.items():
            if name not in self._changes:
                self._changes[name] = words
                if name != _BUDGET:
                    _LOG.warning("the server takes no %s (%s); requests go without it", name, words[:200])
