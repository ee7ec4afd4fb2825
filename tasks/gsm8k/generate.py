"""Makes word problems with planted answers: whole numbers, thousands, decimals, negatives, zero.

    python tasks/gsm8k/generate.py --problems 48 --seed 7 > tasks/gsm8k/sample.jsonl

Rows have GSM8K's form (`question`, `answer` with `<<...>>` notes and `#### n`) and say their `split`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

from listeval import write_rows

TRAIN_SHARE = 1 / 6

_NAMES = ("Amara", "Björn", "Chidi", "Dalia", "Emre", "Farah", "Goran", "Hina", "Ines", "Jonas", "Kaito", "Leila")
_GOODS = ("mugs", "lanterns", "kites", "puzzles", "scarves", "candles", "notebooks", "baskets")
_PLACES = ("harbour", "museum", "orchard", "library", "workshop", "observatory")


class Sum(NamedTuple):
    """A problem: its text, the worked steps, and the number as the row spells it."""

    question: str
    steps: tuple[str, ...]
    answer: str


def generate(problems: int, seed: int, train_share: float = TRAIN_SHARE) -> Iterator[dict[str, str]]:
    """Rows in order; a row depends on the seed and its number only. Every 1 / `train_share`-th is marked train."""
    for number in range(problems):
        rng = Random(f"{seed}/{number}")
        train = int((number + 1) * train_share) > int(number * train_share)
        made = _FORMS[number % len(_FORMS)](rng)
        answer = "\n".join((*made.steps, f"#### {made.answer}"))
        yield {"question": made.question, "answer": answer, "split": "train" if train else "test"}


def _boxes(rng: Random) -> Sum:
    name, goods = rng.choice(_NAMES), rng.choice(_GOODS)
    boxes, each, gone = rng.randint(4, 19), rng.randint(6, 24), rng.randint(3, 20)
    total = boxes * each
    return Sum(
        f"{name} fills {boxes} boxes with {each} {goods} each. On the way {gone} {goods} break. "
        f"How many whole {goods} arrive?",
        (
            f"{name} packs {boxes} * {each} = <<{boxes}*{each}={total}>>{total} {goods}.",
            f"Of these {total} - {gone} = <<{total}-{gone}={total - gone}>>{total - gone} arrive whole.",
        ),
        f"{total - gone}",
    )


def _visitors(rng: Random) -> Sum:
    place, first = rng.choice(_PLACES), rng.randint(12, 98) * 100
    second, third = first * 2, first + 350
    total = first + second + third
    return Sum(
        f"The {place} had {first:,} visitors in May. In June it had twice as many, and in July 350 more than in May. "
        "How many visitors came in the three months?",
        (
            f"In June 2 * {first:,} = <<2*{first}={second}>>{second:,} people came.",
            f"In July it was {first:,} + 350 = <<{first}+350={third}>>{third:,}.",
            f"Together {first:,} + {second:,} + {third:,} = <<{first}+{second}+{third}={total}>>{total:,}.",
        ),
        f"{total:,}",
    )


def _bill(rng: Random) -> Sum:
    name, goods = rng.choice(_NAMES), rng.choice(_GOODS)
    cents, count = rng.randint(5, 60) * 5 + 5, rng.randint(3, 9)
    total = cents * count
    return Sum(
        f"One of the {goods} costs ${_money(cents)}. {name} buys {count} of them. How many dollars is that?",
        (f"{count} * {_money(cents)} = <<{count}*{_money(cents)}={_money(total)}>>{_money(total)} dollars.",),
        _money(total),
    )


def _frost(rng: Random) -> Sum:
    place, start, fall = rng.choice(_PLACES), rng.randint(2, 9), rng.randint(2, 5)
    hours = rng.randint(4, 8)
    end = start - fall * hours
    return Sum(
        f"At dusk it is {start} degrees above zero at the {place}. Each hour it gets {fall} degrees colder. "
        f"What is the temperature in degrees {hours} hours later?",
        (
            f"It falls by {fall} * {hours} = <<{fall}*{hours}={fall * hours}>>{fall * hours} degrees.",
            f"That leaves {start} - {fall * hours} = <<{start}-{fall * hours}={end}>>{end} degrees.",
        ),
        f"{end}",
    )


def _loan(rng: Random) -> Sum:
    name, other = rng.sample(_NAMES, 2)
    wage, weeks = rng.randint(11, 40) * 50, rng.randint(3, 8)
    earned, owed = wage * weeks, wage * weeks + rng.randint(1, 9) * 500
    left = earned - owed
    return Sum(
        f"{name} owes {other} ${owed:,} and earns ${wage:,} a week. After {weeks} weeks all of it goes to {other}. "
        f"Counting debt as negative, what is {name}'s balance with {other} in dollars?",
        (
            f"In {weeks} weeks {name} earns {weeks} * {wage:,} = <<{weeks}*{wage}={earned}>>{earned:,} dollars.",
            f"The balance is {earned:,} - {owed:,} = <<{earned}-{owed}={left}>>{left:,} dollars.",
        ),
        f"{left:,}",
    )


def _share(rng: Random) -> Sum:
    names = rng.sample(_NAMES, 4)
    quarters = rng.randint(9, 60)
    while quarters % 4 == 0:
        quarters = rng.randint(9, 60)
    each = f"{quarters / 4:g}"
    return Sum(
        f"{', '.join(names[:3])} and {names[3]} pour {quarters} litres of juice into 4 equal jugs. "
        "How many litres are in one jug?",
        (f"{quarters} / 4 = <<{quarters}/4={each}>>{each} litres.",),
        each,
    )


def _even(rng: Random) -> Sum:
    name, goods = rng.choice(_NAMES), rng.choice(_GOODS)
    made, price, cost = rng.randint(5, 30), rng.randint(4, 12), rng.randint(1, 3)
    stall = made * (price - cost)
    return Sum(
        f"{name} makes {made} {goods} for ${cost} each and sells them all for ${price} each. "
        f"A stall at the market costs ${stall}. What is the profit in dollars?",
        (
            f"Each of the {goods} brings {price} - {cost} = <<{price}-{cost}={price - cost}>>{price - cost} dollars.",
            f"All of them bring {made} * {price - cost} = <<{made}*{price - cost}={stall}>>{stall} dollars.",
            f"After the stall {stall} - {stall} = <<{stall}-{stall}=0>>0 dollars are left.",
        ),
        "0",
    )


def _percent(rng: Random) -> Sum:
    place, seats = rng.choice(_PLACES), rng.randint(2, 12) * 100
    share = rng.choice((15, 35, 45, 60, 85))
    taken = seats * share // 100
    return Sum(
        f"Of the {seats} seats in the {place}, {taken} are taken. What percentage of the seats is taken?",
        (f"{taken} / {seats} * 100 = <<{taken}/{seats}*100={share}>>{share} percent.",),
        f"{share}",
    )


_FORMS: tuple[Callable[[Random], Sum], ...] = (_boxes, _visitors, _bill, _frost, _loan, _share, _even, _percent)


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def main() -> None:
    """Write rows as JSON lines to the standard output."""
    parser = argparse.ArgumentParser(description="Make word problems with planted answers.")
    parser.add_argument("--problems", type=int, default=48, help="default: 48")
    parser.add_argument("--seed", type=int, default=7, help="default: 7")
    args = parser.parse_args()
    write_rows(generate(args.problems, args.seed), sys.stdout.buffer)


if __name__ == "__main__":
    main()
