"""Whether a text without JSON declines the task, as models say so in the languages that they mostly answer in."""

from __future__ import annotations

import re

_LOOKED_AT = 400
"""A refusal comes first; what stands later is part of an answer."""

_AIDS = (
    r"(?:believe|wait|imagine|stress|emphasi[sz]e|decide|choose|tell|say|recommend|need|deny|forget"
    r"|help (?:but|feeling|thinking))"
)
"""What people cannot do while they answer all the same: "I can't believe how soft it is"."""

_TASKS = r"(?:comply|help|assist|provide|answer|complete|do|fulfil|process|generate|rank|rate|score|respond|give|judge)"
_OTHERS = (
    r"(?:ayudar|responder|hacer|cumplir|proporcionar|répondre|aider|faire|vous|fournir|t['’]aider|aiutar|rispondere"
    r"|fornire|ajudar|fornecer|fazer|помочь|ответить|выполнить|предоставить|это)"
)
"""Verbs of the task itself in other languages, for what else may be said of people there, too."""

_REFUSAL = re.compile(
    rf"""\bas\ an?\ (?:ai\b|artificial\ intelligence|(?:large\ )?language\ model)
    | \b(?:i(?:['’]m|\ am)\ (?:(?:so\ |very\ |really\ )?sorry(?!\ to\ hear)|afraid\ i
        |(?:unable|not\ able|not\ comfortable|not\ going\ to)\b))
    | \A\W*sorry\b | \A\W*(?:i\ am\ |i['’]m\ )?(?:unable\ to|cannot|can['’]t|not\ able\ to)\ {_TASKS}
    | \b(?:cannot|can['’]t|can\ not)\ be\ (?:fulfilled|granted|processed|completed|answered)\b
    | \bnot\ something\ (?:that\ )?i(?:['’]m|\ am|\ can|\ will|['’]ll)\b
    | \bi(?:['’]d|\ would)\ rather\ not\b | \bi\ (?:do\ not|don['’]t)\ have\ (?:access|the\ ability|permission)\b
    | \bi\ apologi[sz]e | \bmy\ apologies
    | \bi\ (?:must|have\ to|need\ to)\ (?:respectfully\ |politely\ )?(?:decline|refuse)
    | \bi\ (?:respectfully\ |politely\ )?(?:decline|refuse)\ to\b
    | \bi\ (?:can(?:['’]t|not|\ not)|won['’]t|will\ not|do\ not\ feel\ comfortable|don['’]t\ feel\ comfortable)\b
      (?!\ {_AIDS}\b)
    | \blo\ (?:siento|lamento)\b | \bno\ puedo\ {_OTHERS} | \bes\ tut\ mir\ leid\b | \bleider\ (?:kann|darf)\ ich\b
    | \bich\ kann\ (?:(?:dir|ihnen|dabei|damit|das|dies|diese\ \w+|hierbei|leider)\ ){{1,3}}nicht\b
    | \bje\ suis\ désolée? | \A\W*désolée?\b | \bje\ ne\ (?:peux|puis)\ (?:pas\ )?{_OTHERS}
    | \bmi\ dispiace\b | \bnon\ posso\ {_OTHERS} | \bsinto\ muito\b | \A\W*desculpe | \bnão\ posso\ {_OTHERS}
    | \bне\ могу\ {_OTHERS} | \A\W*(?:извините|простите|к\ сожалению,\ я\ не)
    | 抱歉 | 对不起 | 對不起 | 我无法 | 我無法 | 我不能 | 申し訳 | すみませんが | 죄송
    | \A\W*(?:آسف|عذرا|क्षमा\ करें|xin\ lỗi|üzgünüm)""",
    re.IGNORECASE | re.VERBOSE,
)


def refusal(text: str) -> tuple[int, int] | None:
    """The [start, end) of the words that decline; None where none do."""
    found = _REFUSAL.search(text[:_LOOKED_AT])
    return found.span() if found else None
