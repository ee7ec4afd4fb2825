"""Whether a text without JSON declines the task, as models say so in the languages that they mostly answer in."""

from __future__ import annotations

import re

_LOOKED_AT = 400
"""A refusal comes first; what stands later is part of an answer."""

_AIDS = r"(?:believe|wait|imagine|stress|emphasi[sz]e|decide|choose|tell|say|recommend|help (?:but|feeling|thinking))"
"""What people cannot do while they answer all the same: "I can't believe how soft it is"."""

_REFUSAL = re.compile(
    rf"""\bas\ an\ ai\b
    | \b(?:i(?:['’]m|\ am)\ (?:(?:so\ |very\ |really\ )?sorry(?!\ to\ hear)|afraid\ i
        |(?:unable|not\ able|not\ comfortable)\b))
    | \bi\ apologi[sz]e | \bmy\ apologies
    | \bi\ (?:must|have\ to|need\ to)\ (?:respectfully\ |politely\ )?(?:decline|refuse)
    | \bi\ (?:respectfully\ |politely\ )?(?:decline|refuse)\ to\b
    | \bi\ (?:can(?:['’]t|not|\ not)|won['’]t|will\ not|do\ not\ feel\ comfortable|don['’]t\ feel\ comfortable)\b
      (?!\ {_AIDS}\b)
    | lo\ siento | es\ tut\ mir\ leid | je\ suis\ désolée? | mi\ dispiace | sinto\ muito
    | 抱歉 | 对不起 | 對不起 | 我无法 | 我不能 | 申し訳 | 죄송""",
    re.IGNORECASE | re.VERBOSE,
)


def refusal(text: str) -> tuple[int, int] | None:
    """The [start, end) of the words that decline; None where none do."""
    found = _REFUSAL.search(text[:_LOOKED_AT])
    return found.span() if found else None
