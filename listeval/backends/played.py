"""What the null engine can play besides its own rule: gold answers, gold with planted faults, garbage.

`gold` answers with the task's gold answer. `faults` answers half of the samples with it and shares the others evenly
among the kinds of failure that the task knows an answer for; `faults:duplicate_id=0.2,truncated=0.05` says the shares,
and what is left is gold. An example that has no answer of the kind drawn for it is answered with gold, and counted.
`garbage` is seeded noise: broken text, deep nesting, odd numbers, JSON of no contract.

All of it depends on the request's key and the example alone, so it is the same in every process.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from hashlib import blake2b
from typing import NamedTuple

from listeval.backends.protocol import FinishReason, KnownAnswers
from listeval.contract import Kind
from listeval.errors import UserError, did_you_mean

_HALF = 0.5
_ELSEWHERE = frozenset({Kind.OK, Kind.CONSTRAINT_IGNORED})
"""Kinds that no answer without a constraint can land in, or that are no fault."""
_FORM = "write --model faults, or --model faults:duplicate_id=0.2,truncated=0.05"


class Draft(NamedTuple):
    """An answer before it is a completion; with an `error` the engine gave none."""

    text: str
    finish_reason: FinishReason = "stop"
    reasoning: str | None = None
    error: str | None = None


Play = Callable[[str, KnownAnswers], Draft]
"""The answer to a request's key, and to what is known of its example."""


class Faults:
    """Plays `faults`. `shares` by kind, None for the even ones. Raises UserError for shares that make no sense."""

    def __init__(self, shares: Mapping[Kind, float] | None = None) -> None:
        self.shares = shares
        self.without: Counter[str] = Counter()
        """How often an example had no answer of the kind drawn for it, by kind."""
        if shares is not None and not (all(0 <= share <= 1 for share in shares.values()) and sum(shares.values()) <= 1):
            raise UserError("shares of faults are 0 to 1, and 1 at most together", place="--model", fix=_FORM)

    @classmethod
    def parse(cls, text: str) -> Faults:
        """`duplicate_id=0.2,truncated=0.05`; empty for the even shares."""
        if not text:
            return cls()
        shares: dict[Kind, float] = {}
        for part in text.split(","):
            name, _, share = part.partition("=")
            known = [kind.value for kind in Kind if kind not in _ELSEWHERE]
            if name.strip() not in known:
                raise UserError(f"'{name}' cannot be planted", place="--model", fix=did_you_mean(name, known))
            try:
                shares[Kind(name.strip())] = float(share)
            except ValueError:
                raise UserError(f"'{part}' is not KIND=SHARE", place="--model", fix=_FORM) from None
        return cls(shares)

    def __call__(self, key: str, known: KnownAnswers) -> Draft:
        return self.planted(key, known)[1]

    def planted(self, key: str, known: KnownAnswers) -> tuple[Kind, Draft]:
        """The kind that the answer to `key` lands in, and the answer."""
        gold, answers = Draft(known.gold), faulty(known)
        drawn = int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") / 2**64
        if self.shares is None:
            kinds = [kind for kind in answers if kind is not Kind.ENGINE_ERROR]
            if drawn < _HALF:
                return Kind.OK, gold
            chosen = kinds[int((drawn - _HALF) / (1 - _HALF) * len(kinds))]
            return chosen, answers[chosen]
        for kind, share in self.shares.items():
            if drawn < share:
                if kind in answers:
                    return kind, answers[kind]
                self.without[kind.value] += 1
                break
            drawn -= share
        return Kind.OK, gold


def faulty(known: KnownAnswers) -> dict[Kind, Draft]:
    """An answer of every kind that this example can show: the task's own known-bad ones, and those of any contract."""
    half = known.gold[: max(1, len(known.gold) // 2)]
    shared = {
        Kind.TRUNCATED: Draft(half, "length"),
        Kind.WHITESPACE_RUNAWAY: Draft(known.gold[:1] + " " * 400, "length"),
        Kind.WRONG_CHANNEL: Draft("", reasoning=known.gold),
        Kind.EMPTY: Draft(""),
        Kind.REFUSAL: Draft("I'm sorry, but I can't help with that."),
        Kind.NO_JSON: Draft("All of them have something to say."),
        Kind.ENGINE_ERROR: Draft("", "error", error="planted"),
    }
    found = shared | {kind: Draft(text) for kind, text in known.bad.items()}
    return {kind: found[kind] for kind in Kind if kind in found and kind not in _ELSEWHERE}


def gold(key: str, known: KnownAnswers) -> Draft:
    """Plays `gold`."""
    return Draft(known.gold)


def garbage(key: str, known: KnownAnswers) -> Draft:
    """Plays `garbage`."""
    dice = random.Random(key)
    return Draft(dice.choice(_GARBAGE)(dice, known.gold), dice.choice(("stop", "stop", "length")))


def _noise(dice: random.Random, gold: str) -> str:
    return "".join(
        [chr(dice.choice((dice.randrange(32, 127), dice.randrange(0xD800)))) for _ in range(dice.randrange(300))]
    )


def _nested(dice: random.Random, gold: str) -> str:
    return dice.choice(("[", '{"a": ', "[{", "```json\n[")) * dice.randrange(1, 3000)


def _value(dice: random.Random, gold: str) -> str:
    numbers = ("1e999", "-0", "NaN", "Infinity", "9" * 5000, "0.1e-400", "true", "null", '"\\ud83d"')
    items = [f'{{"{dice.randbytes(3).hex()}": {dice.choice(numbers)}}}' for _ in range(dice.randrange(1, 9))]
    return dice.choice(("[{}]", "{}", "Answer: {} and [1]")).format(", ".join(items))


def _shuffled(dice: random.Random, gold: str) -> str:
    letters = list(gold)
    dice.shuffle(letters)
    return "".join(letters)


def _loop(dice: random.Random, gold: str) -> str:
    return gold[: dice.randrange(1, 40)] * dice.randrange(1, 200)


def _schema(dice: random.Random, gold: str) -> str:
    return json.dumps({"type": "array", "items": {"type": "object"}, "title": dice.randbytes(4).hex()})


_GARBAGE = (_noise, _nested, _value, _shuffled, _loop, _schema)


def playing(model: str) -> Play | None:
    """What `--model` asks the null engine to play; None for its own rule.

    Raises UserError for shares of no sense, and for a near miss of what it plays.
    """
    name, _, shares = model.partition(":")
    if name == "faults":
        return Faults.parse(shares)
    known = {"gold": gold, "garbage": garbage}
    if model not in known and get_close_matches(name, [*known, "faults"], cutoff=0.75):
        cause = f"the null engine does not play '{model}'"
        raise UserError(cause, place="--model", fix=did_you_mean(name, [*known, "faults"]))
    return known.get(model)
