"""Makes rows with planted answers: orders, appointments and tickets in words, each with the schema of its answer.

python tasks/json/generate.py --rows 20 --seed 7 > tasks/json/sample.jsonl
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from listeval import write_rows

_NAMES = ("Amara Okoye", "Björn Lind", "Chidi Eze", "Dalia Haddad", "Emre Kaya", "Farah Aziz", "Goran Petrović")
_GOODS = ("desk lamp", "tea kettle", "wool blanket", "garden hose", "bread knife", "bicycle bell", "picture frame")
_TOWNS = ("Lund", "Izmir", "Porto", "Gdańsk", "Galway", "Bergen")
_AREAS = ("billing", "delivery", "account", "other")
_ASK = "Return a JSON object with the keys {keys}, and nothing else."

Made = tuple[str, dict[str, Any], dict[str, Any]]


def generate(rows: int, seed: int) -> Iterator[dict[str, Any]]:
    """Rows in order; a row depends on the seed and its number only."""
    for number in range(rows):
        rng = Random(f"{seed}/{number}")
        form = _FORMS[number % len(_FORMS)]
        text, properties, answer = form(rng)
        schema = {
            "type": "object",
            "properties": properties,
            "required": [name for name in properties if name not in _OPTIONAL],
            "additionalProperties": False,
        }
        keys = ", ".join(f'"{name}"' for name in properties)
        prompt = f"{text}\n\n{_ASK.format(keys=keys)}"
        yield {"id": f"{form.__name__[1:]}-{number + 1}", "prompt": prompt, "schema": schema, "expected": answer}


_OPTIONAL = ("note",)


def _order(rng: Random) -> Made:
    goods = rng.sample(_GOODS, rng.randint(1, 3))
    lines = [{"item": item, "count": rng.randint(1, 6), "price": rng.randint(300, 9900) / 100} for item in goods]
    name, town = rng.choice(_NAMES), rng.choice(_TOWNS)
    told = " ".join(f"{line['count']} x {line['item']} at {line['price']:.2f} each." for line in lines)
    text = f"Order of {name}, to be sent to {town}: {told}"
    part = {
        "type": "object",
        "properties": {"item": {"type": "string"}, "count": {"type": "integer"}, "price": {"type": "number"}},
        "required": ["item", "count", "price"],
        "additionalProperties": False,
    }
    properties = {
        "customer": {"type": "string"},
        "town": {"type": "string"},
        "lines": {"type": "array", "items": part, "minItems": 1},
    }
    return text, properties, {"customer": name, "town": town, "lines": lines}


def _appointment(rng: Random) -> Made:
    name, town = rng.choice(_NAMES), rng.choice(_TOWNS)
    date = f"{rng.randint(2025, 2027)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
    hour, remote = rng.randint(8, 17), rng.random() < 0.5
    where = "by video call" if remote else f"in the office in {town}"
    text = f"{name} is free on {date} at {hour}:00 and would like to meet {where}."
    properties = {
        "person": {"type": "string"},
        "date": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
        "hour": {"type": "integer", "minimum": 0, "maximum": 23},
        "remote": {"type": "boolean"},
        "town": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    }
    answer = {"person": name, "date": date, "hour": hour, "remote": remote, "town": None if remote else town}
    return text, properties, answer


def _ticket(rng: Random) -> Made:
    area, urgent, number = rng.choice(_AREAS), rng.randint(1, 5), rng.randint(10_000, 99_999)
    text = f"Ticket {number} is about {area}. The customer rates its urgency {urgent} out of 5."
    properties = {
        "ticket": {"type": "integer"},
        "area": {"enum": list(_AREAS)},
        "urgency": {"type": "integer", "minimum": 1, "maximum": 5},
        "note": {"type": "string"},
    }
    answer: dict[str, Any] = {"ticket": number, "area": area, "urgency": urgent}
    if rng.random() < 0.5:
        answer["note"] = f"call before {rng.randint(9, 17)}:00"
        text += f" A note says: {answer['note']}."
    return text, properties, answer


_FORMS: tuple[Callable[[Random], Made], ...] = (_order, _appointment, _ticket)


def main() -> None:
    """Write rows as JSON lines to the standard output."""
    parser = argparse.ArgumentParser(description="Make rows with schemas and planted answers.")
    parser.add_argument("--rows", type=int, default=20, help="default: 20")
    parser.add_argument("--seed", type=int, default=7, help="default: 7")
    args = parser.parse_args()
    write_rows(generate(args.rows, args.seed), sys.stdout.buffer)


if __name__ == "__main__":
    main()
