"""Makes small programming problems with planted solutions and tests, in MBPP's full form.

    python tasks/mbpp/generate.py --problems 40 --seed 7 > tasks/mbpp/sample.jsonl

Each family is a task in words with gaps, a solution with the same gaps, and calls; a test asserts what the
solution returns. The first rows are of the split `prompt`, the last of `train`, the others of `test`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from random import Random
from string import Template
from typing import Any, NamedTuple

from listeval import write_rows

PROMPT_ROWS, FIRST_TEST, FIRST_TRAIN = 3, 11, 601
_TRIES = 64

_WORDS = ("ash", "bay", "birch", "cove", "delta", "estuary", "fjord", "grove", "highland", "inlet", "jade", "lagoon",
          "marshland", "oak", "peninsula", "reef", "savanna", "tundra")  # fmt: skip


class Family(NamedTuple):
    """Problems of one kind. `gaps` draws the words of text, code and tests, `call` one call as source text.

    `test` says what is asserted; `$call` and `$value` are the call and what it returns.
    """

    text: str
    code: str
    gaps: Callable[[Random], dict[str, Any]]
    call: Callable[[Random, dict[str, Any]], str]
    test: str = "assert $call == $value"
    setup: str = ""


def generate(problems: int, seed: int) -> Iterator[dict[str, Any]]:
    """Rows in order; one depends on the seed, those before it and, for its split, on how many there are.

    No program comes twice as long as its family has gaps left to fill.
    """
    taken: set[str] = set()
    for number in range(problems):
        family, rng = _FAMILIES[number % len(_FAMILIES)], Random(f"{seed}/{number}")
        drawn = (family.gaps(rng) for _ in range(_TRIES))
        gaps = next((one for one in drawn if Template(family.code).substitute(one) not in taken), family.gaps(rng))
        row = _row(family, gaps, _task_id(number, problems), rng)
        taken.add(row["code"])
        yield row


def _task_id(number: int, problems: int) -> int:
    """Within MBPP's ranges: 2, 3, 4 are its worked examples, one row in ten at the end is for training."""
    train = problems // 10
    if number < PROMPT_ROWS:
        return 2 + number
    if number >= problems - train:
        return FIRST_TRAIN + number - (problems - train)
    return FIRST_TEST + number - PROMPT_ROWS


def _row(family: Family, gaps: dict[str, Any], task_id: int, rng: Random) -> dict[str, Any]:
    code = Template(family.code).substitute(gaps)
    setup = Template(family.setup).substitute(gaps)
    space: dict[str, Any] = {}
    exec(f"{code}\n{setup}", space)
    calls: dict[str, str] = {}
    while len(calls) < 3 or len(set(calls.values())) < 2:  # a constant must not pass
        calls = {call: repr(eval(call, space)) for call in [family.call(rng, gaps) for _ in range(3)]}
    return {
        "text": Template(family.text).substitute(gaps),
        "code": code,
        "task_id": task_id,
        "test_setup_code": setup,
        "test_list": [Template(family.test).substitute(call=call, value=value) for call, value in calls.items()],
        "challenge_test_list": [],
    }


def _numbers(rng: Random, least: int = 3, most: int = 8) -> list[int]:
    return [rng.randint(-20, 40) for _ in range(rng.randint(least, most))]


def _words(rng: Random) -> list[str]:
    return rng.sample(_WORDS, rng.randint(3, 6))


_FAMILIES = (
    Family(
        "Write a function that returns the sum of the numbers in a list that are divisible by $k.",
        "def sum_of_multiples_$k(numbers):\n    return sum(n for n in numbers if n % $k == 0)",
        lambda rng: {"k": rng.randint(2, 7)},
        lambda rng, gaps: f"sum_of_multiples_{gaps['k']}({_numbers(rng)})",
    ),
    Family(
        "Write a function that returns the words of a list that have more than $k letters, longest first; "
        "words of one length stay in their order.",
        "def longer_than_$k(words):\n    return sorted([w for w in words if len(w) > $k], key=len, reverse=True)",
        lambda rng: {"k": rng.randint(3, 7)},
        lambda rng, gaps: f"longer_than_{gaps['k']}({_words(rng)})",
    ),
    Family(
        "Write a function that takes two lists and returns what is in exactly one of them, as a set.",
        "def in_one_$word(first, second):\n    return set(first) ^ set(second)",
        lambda rng: {"word": rng.choice(_WORDS)},
        lambda rng, gaps: f"sorted(in_one_{gaps['word']}({_numbers(rng)}, {_numbers(rng)}))",
    ),
    Family(
        "Write a function that turns a list by $k places to the left. A list with fewer places turns on.",
        "def turn_left_$k(items):\n    if not items:\n        return []\n    cut = $k % len(items)\n"
        "    return items[cut:] + items[:cut]",
        lambda rng: {"k": rng.randint(2, 5)},
        lambda rng, gaps: f"turn_left_{gaps['k']}({_numbers(rng, 0, 6)})",
    ),
    Family(
        "Write a function that checks that no two neighbours in a list differ by more than $k.",
        "def is_smooth_$k(levels):\n    return all(abs(a - b) <= $k for a, b in zip(levels, levels[1:]))",
        lambda rng: {"k": rng.randint(2, 6)},
        lambda rng, gaps: f"is_smooth_{gaps['k']}({[rng.randint(0, 8) for _ in range(rng.randint(2, 4))]})",
        "assert bool($call) is $value",
    ),
    Family(
        "Write a function that returns the mean of a list after its $k smallest and $k largest numbers are dropped, "
        "or 0.0 where nothing is left.",
        "def trimmed_mean_$k(numbers):\n    kept = sorted(numbers)[$k:-$k]\n"
        "    return sum(kept) / len(kept) if kept else 0.0",
        lambda rng: {"k": rng.randint(2, 6)},
        lambda rng, gaps: f"trimmed_mean_{gaps['k']}({_numbers(rng, 2, 2 * gaps['k'] + 4)})",
        "assert abs($call - $value) < 1e-9",
    ),
    Family(
        "Write a function that counts how often each letter of '$letters' is in a text and returns a dictionary.",
        "def count_$letters(text):\n    return {letter: text.count(letter) for letter in '$letters'}",
        lambda rng: {"letters": "".join(rng.sample("aeidrn", 3))},
        lambda rng, gaps: f"count_{gaps['letters']}({' '.join(_words(rng))!r})",
    ),
    Family(
        "Write a class Counter$k with a method step that adds $k to a total, which starts at 0, and returns it, "
        "and a function run_$k that calls step n times and returns the last total, or 0.",
        "class Counter$k:\n    def __init__(self):\n        self.total = 0\n\n    def step(self):\n"
        "        self.total += $k\n        return self.total\n\n\ndef run_$k(counter, n):\n    last = 0\n"
        "    for _ in range(n):\n        last = counter.step()\n    return last",
        lambda rng: {"k": rng.randint(2, 9)},
        lambda rng, gaps: f"run_{gaps['k']}(make(), {rng.randint(0, 12)})",
        setup="make = Counter$k",
    ),
    Family(
        "Write a function that takes a text and returns it with every word of fewer than $k letters left out.",
        "def drop_short_$k(text):\n    return ' '.join(word for word in text.split() if len(word) >= $k)",
        lambda rng: {"k": rng.randint(4, 8)},
        lambda rng, gaps: f"drop_short_{gaps['k']}({' '.join(_words(rng))!r})",
    ),
    Family(
        "Write a function that returns the first number above n whose decimal digits add up to a multiple of $k.",
        "def next_round_$k(n):\n    n += 1\n    while sum(map(int, str(n))) % $k:\n        n += 1\n    return n",
        lambda rng: {"k": rng.randint(3, 9)},
        lambda rng, gaps: f"next_round_{gaps['k']}({rng.randint(0, 900)})",
    ),
    Family(
        "Write a function that groups numbers by their remainder on division by $k: a dictionary from each remainder "
        "that occurs to the numbers in their order.",
        "from collections import defaultdict\n\n\ndef by_remainder_$k(numbers):\n    groups = defaultdict(list)\n"
        "    for number in numbers:\n        groups[number % $k].append(number)\n    return dict(groups)",
        lambda rng: {"k": rng.randint(2, 5)},
        lambda rng, gaps: f"by_remainder_{gaps['k']}({_numbers(rng)})",
    ),
)


def main() -> None:
    """Write rows as JSON lines to the standard output."""
    parser = argparse.ArgumentParser(description="Make programming problems with planted solutions.")
    parser.add_argument("--problems", type=int, default=40, help="default: 40")
    parser.add_argument("--seed", type=int, default=7, help="default: 7")
    args = parser.parse_args()
    write_rows(generate(args.problems, args.seed), sys.stdout.buffer)


if __name__ == "__main__":
    main()
