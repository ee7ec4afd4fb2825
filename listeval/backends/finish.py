"""What a server's word for the end of an answer means.

Vendors spell it their own way, so a reason is read by its words, whatever their case and punctuation. What the words
do not tell is never taken for "stop": such an answer is an error of its row, in the server's own word, for neither a
success nor a failure of the model could be told from it.
"""

from __future__ import annotations

import re
from typing import Literal

from listeval.backends.protocol import FinishReason

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

_NOTHING = {"", "null", "none", "nil"}
_UNTOLD = {"unknown", "unspecified", "undefined", "other", "unset", "not", "incomplete", "unfinished", "progress"}
_BROKE_OFF = {
    "error", "errors", "errored", "fail", "failed", "failure", "abort", "aborted", "cancel", "cancelled", "canceled",
    "cancellation", "timeout", "timedout", "time", "deadline", "interrupt", "interrupted", "disconnect",
    "disconnected", "disconnection", "unavailable", "overload", "overloaded", "insufficient", "resource", "resources",
    "exception", "crash", "crashed", "network", "connection", "malformed", "preempted", "evicted", "killed", "quota",
    "rate", "timed", "lost", "dropped", "expired", "shutdown", "exhausted",
}  # fmt: skip
_FILTERED = {
    "filter", "filtered", "safety", "recitation", "blocklist", "blocked", "block", "prohibited", "spii", "policy",
    "moderation", "moderated", "refusal", "refused", "sensitive", "sensitivity", "guardrail", "guardrails", "guarded",
    "inappropriate", "violation", "harm", "harmful", "language", "copyright", "flagged", "censored",
}  # fmt: skip
_CUT = {
    "length", "max", "maximum", "maxtokens", "limit", "limited", "truncated", "truncation", "budget", "window",
    "overflow", "exceeded", "cutoff",
}  # fmt: skip
_SPENT = {"budget", "token", "tokens", "context", "length", "window", "max"}
"""What runs out when an answer is cut: `token_budget_exhausted`, `too_many_tokens`."""
_ENDED = {
    "stop", "stopped", "stopping", "eos", "eot", "eom", "eosfound", "end", "ended", "endoftext", "endofturn",
    "complete", "completed", "done", "finish", "finished", "natural", "success", "succeeded", "ok",
    "tool", "tools", "function", "functions",
}  # fmt: skip


Ending = FinishReason | Literal["nothing", "unknown"]
"""A reason as we know it; `nothing` where the server gives none, `unknown` where it gives one that tells nothing."""


def read_finish(said: object) -> Ending:
    """What `said`, the finish reason of an answer, means. `error`: the server broke off."""
    if said is None:
        return "nothing"
    if not isinstance(said, str):
        return "unknown"
    if said.strip().lower() in _NOTHING:
        return "nothing"
    words = {word.lower() for word in _WORD.findall(said[:200])}
    ran_out = not words.isdisjoint(("exhausted", "many", "spent")) and words.isdisjoint(("quota", "rate"))
    if ran_out and not words.isdisjoint(_SPENT):
        return "length"
    meanings: tuple[tuple[set[str], Ending], ...] = (
        (_UNTOLD, "unknown"),
        (_BROKE_OFF, "error"),
        (_FILTERED, "content_filter"),
        (_CUT, "length"),
        (_ENDED, "stop"),
    )
    return next((meaning for known, meaning in meanings if not known.isdisjoint(words)), "unknown")
